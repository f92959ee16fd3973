"""The step of the orientation lab that trains a distance: form, live loss, held-out pairs, badge, and its use."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emviewer.engine.conventions import matrix_to_euler
from emviewer.engine.learned import folded_angles
from emviewer.engine.rotations import random_rotations
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch
from emviewer.ui import orientation_numbers as numbers
from emviewer.ui.documents import short_facts
from emviewer.ui.opening import read_document
from emviewer.ui.orientation_read import of
from emviewer.ui.panels.orientation_lab import OrientationLabPanel
from emviewer.ui.panels.orientation_lab_chart import Bars, Chart, Line
from emviewer.ui.panels.orientation_lab_train import badge_words
from emviewer.ui.panels.orientation_lab_truth import compare_pairs
from emviewer.ui.results_orient import OrientStream
from emviewer.ui.runner import JobHandle
from emviewer.ui.window import selection_words
from emviewer.ui.workspace import Document, Workspace

BADGE = {
    "map": "chain", "map_sha256": "0123456789abcdef", "symmetry": "C1", "pixel_size_A": 3.0, "box_A": 192.0,
    "particle_radius_A": 60.0, "snr": [0.06, 2.0], "snr_region": "box", "shift_A": 2.9, "ctf": None,
    "images_drawn": 150016, "complete": True,
}  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    """A folder as train-distance leaves it."""
    out = tmp_path / "trained"
    out.mkdir()
    rng = np.random.default_rng(0)
    truth = np.arccos(1 - 2 * rng.uniform(size=300))
    pairs = {"truth_rad": truth, "estimate_rad": truth + rng.normal(0, 0.1, 300), "sd_rad": 0.1, "snr": 0.35}
    pd.DataFrame(pairs).to_csv(out / "pairs.csv", index=False)
    pd.DataFrame({"step": [10, 20, 30], "loss": [9.0, 7.0, 6.0], "held_out_loss": [np.nan, 7.2, 6.3]}).to_csv(
        out / "loss.csv", index=False
    )
    (out / "model.npz").write_bytes(b"not read here")
    level = {"snr": 0.35, "mae_rad": 0.08, "rms_rad": 0.1, "median_deg": 4.0, "mean_deg": 5.0, "certainty": 0.8}
    (out / "summary.json").write_text(json.dumps({"trained_on": BADGE, "mae_rad": 0.08, "by_snr": [level]}))
    job = {"job": "train-distance", "status": "complete", "inputs": [{"path": str(tmp_path / "map.mrc")}]}
    (out / "job.json").write_text(json.dumps(job | {"parameters": {"map": str(tmp_path / "map.mrc")}}))
    return out


@pytest.fixture
def lab(qapp, runner, qtbot):
    class Shell:
        def run_job(self, name, params, out, overwrite=False):
            return JobHandle(name, lambda check: iter(()))

    panel = OrientationLabPanel(Workspace(), runner)
    panel.shell = Shell()
    qtbot.addWidget(panel)
    panel.resize(1000, 640)
    panel.show()
    yield panel
    panel.close()


def test_a_trained_distance_opens_with_badge_curve_and_pairs(lab, trained):
    document = lab.workspace.add(read_document(trained))
    lab.show_document(document)
    assert lab.list.current == "train"
    page = lab.pages["train"]
    assert page.badge.isVisible()
    assert "chain" in page.badge.words.text() and "no others" in page.badge.words.text()
    held_out = page.loss.lines[1]
    np.testing.assert_allclose(held_out.x, [20, 30])
    assert len(page.scatter.dots.x) == 300
    assert "4.6°" in page.figures.text()  # 0.08 rad
    assert lab.states()["train"].name == "done"


def test_what_stopped_early_says_so(lab, trained):
    summary = json.loads((trained / "summary.json").read_text())
    summary["trained_on"]["complete"] = False
    (trained / "summary.json").write_text(json.dumps(summary))
    lab.show_document(lab.workspace.add(read_document(trained)))
    assert "stopped early" in lab.pages["train"].badge.words.text()


def test_the_badge_tells_the_conditions():
    words = dict(badge_words(BADGE | {"ctf": {"defocus_A": [8000.0, 20000.0]}, "snr": [0.5, 0.5]}))
    assert words["SNR"] == "0.5 in the box"
    assert words["CTF"] == "underfocus 8000 to 20000 Å"
    assert words["Trained on"] == "chain  (01234567)"


def test_the_trained_distance_goes_into_recover(lab, trained):
    lab.show_document(lab.workspace.add(read_document(trained)))
    lab.pages["train"].use.click()
    values = lab.forms["recover"].form.values()
    assert lab.list.current == "recover"
    assert (values["method"], values["distance"]) == ("distances", "learned")
    assert str(values["model"]) == str(trained / "model.npz")


def test_a_training_belongs_to_the_images_that_it_was_begun_with(lab, trained):
    """Its own input is a map: the images for Recover are those that the lab showed."""
    images = lab.workspace.add(Document("images", "noisy", trained.parent / "noisy.star"))
    lab.show_document(images)
    handle = lab._run("train", "train-distance", None, trained, False)
    document = read_document(trained)
    document.info["_handle"] = handle
    lab.workspace.add(document)
    lab.show_document(document)
    lab.use_trained()
    assert lab.forms["recover"].form.values()["images"] == str(images.path)


def test_the_loss_shows_while_training_goes_on(lab, qtbot, tmp_path, runner):
    document = Document("result", "training", info={"job": "train-distance", "_parameters": {"map": "phantom:C1"}})
    stream = OrientStream(document, lab.workspace, runner, tmp_path / "out", lambda d: None)
    for row in range(3):
        columns = {"step": np.array([10.0 * row]), "loss": np.array([9.0 - row]), "held_out_loss": np.array([np.nan])}
        stream.batches([Batch(np.array([row]), columns, row, 3, "training", {"loss": 9.0 - row})])
    stream._publish()
    lab.show_document(document)
    page = lab.pages["train"]
    np.testing.assert_allclose(page.loss.lines[0].y, [9, 8, 7])
    assert page.scatter.dots is None and not page.use.isVisible()
    assert of(document).curves["loss"][-1].value == 7.0
    stream._pause.stop()


def test_the_page_is_exported_from_its_folder(lab, trained):
    assert lab.figure_spec() is None
    lab.show_document(lab.workspace.add(read_document(trained)))
    spec = lab.figure_spec()
    assert (spec["kind"], spec["page"], spec["result"]) == ("orientations", "training", str(trained))
    assert "mean error 4.6°" in spec["subtitle"]


def test_curves_that_were_kept_show_again(tmp_path):
    (tmp_path / "job.json").write_text(json.dumps({"job": "recover", "status": "complete", "inputs": []}))
    (tmp_path / "progress.csv").write_text("curve,step,value,stage\nloss,0,3.5,start 1\nloss,1,2.5,start 2\n")
    curve = of(read_document(tmp_path)).curves["loss"]
    assert [(p.step, p.value, p.stage) for p in curve] == [(0.0, 3.5, "start 1"), (1.0, 2.5, "start 2")]


def test_estimated_distances_are_held_against_the_truth(tmp_path):
    rng = np.random.default_rng(0)
    angles = np.stack(
        [rng.uniform(0, 360, 40), np.degrees(np.arccos(rng.uniform(-1, 1, 40))), rng.uniform(0, 360, 40)], 1
    )
    true = numbers.pairwise_deg(angles)
    matrix = np.zeros((40, 40), np.float32)
    matrix[np.triu_indices(40, 1)] = np.radians(true + 5)
    matrix[0, 1] = np.nan  # an image that was left out
    np.save(tmp_path / "distances.npy", matrix)
    found = compare_pairs(angles, angles, tmp_path / "distances.npy")
    assert found.estimated and abs(found.mae_deg - 5) < 1e-3
    assert found.found.sum() == 40 * 39 / 2 - 1 - (true + 5 > 180).sum()
    plain = compare_pairs(angles, angles)
    assert not plain.estimated and plain.mae_deg < 1e-9
    np.save(tmp_path / "distances.npy", matrix[:5])
    assert not compare_pairs(angles, angles, tmp_path / "distances.npy").estimated


def test_distances_of_a_symmetric_particle_are_folded_on_both_sides(tmp_path):
    rng = np.random.default_rng(0)
    views, group = random_rotations(60, rng), np.asarray(point_group("D2").rotations)
    truth, found = matrix_to_euler(views), matrix_to_euler(views @ group[rng.integers(4, size=60)])
    np.save(tmp_path / "distances.npy", folded_angles(views, group))
    for told in (None, tmp_path / "distances.npy"):
        pairs = compare_pairs(found, truth, told, "D2")
        assert pairs.mae_deg < 1e-3 and pairs.estimated == (told is not None)
        assert compare_pairs(found, truth, told).mae_deg > 20
    edges = np.linspace(0, 180, 13)
    some = np.histogram(numbers.pairwise_deg(matrix_to_euler(random_rotations(500, rng)), "D2"), edges)[0]
    expected = numbers.expected_pairs(edges, float(some.sum()), "D2")
    np.testing.assert_allclose(expected, some, atol=0.02 * some.sum())
    assert expected[edges[:-1] > 125].sum() == 0


@pytest.mark.parametrize("sym, end", [("C1", 180.0), ("D2", 120.0)])
def test_the_axis_of_distances_ends_where_they_do(lab, sym, end):
    views = matrix_to_euler(random_rotations(400, np.random.default_rng(0)))
    page = lab.pages["distances"]
    page._got(compare_pairs(views, views, None, sym))
    assert page.pairs.bars.edges[-1] == pytest.approx(end, abs=4)
    assert page.pairs.bars.counts.sum() == 400 * 399 // 2, "no pair is left out"


def test_numbers_beside_a_chart_have_room(qtbot):
    chart = Chart("Loss", "step")
    qtbot.addWidget(chart)
    chart.resize(300, 200)
    plain = chart.area().left()
    chart.show_data(lines=[Line(np.arange(3.0), np.array([3.1e-7, 3.6e-7, 4.1e-7]))])
    assert chart.area().left() >= chart.fontMetrics().horizontalAdvance("3.5e-07") + 5 > 0
    chart.show_data(lines=[Line(np.arange(3.0), np.array([1.0, 2.0, 3.0]))])
    assert chart.area().left() == plain


def test_a_single_value_stands_in_the_middle_of_its_chart(qtbot):
    chart = Chart("Explained by the map", "step")
    qtbot.addWidget(chart)
    chart.show_data(lines=[Line(np.array([0.0]), np.array([0.8]))])
    _, _, low, high = chart.ranges()
    assert (low + high) / 2 == pytest.approx(0.8) and 0.05 < high - low < 0.2
    chart.show_data(bars=Bars(np.zeros(3), np.arange(4.0)))
    assert chart.ranges()[2:] == (0, pytest.approx(1, abs=0.1))


def test_the_curve_of_a_training_is_not_called_images(trained):
    document = read_document(trained)
    workspace = Workspace()
    workspace.add(document)
    assert selection_words(workspace, document) == f"{document.n_rows} points of the loss curve"
    assert short_facts(document) == ""
