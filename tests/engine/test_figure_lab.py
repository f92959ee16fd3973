"""Figures of the orientation lab: each page is drawn from a result folder, and says what is missing in a sentence."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from emviewer.engine import figure, figure_lab, star
from emviewer.engine.errors import EmviewerError
from emviewer.engine.figure_spec_lab import LabSpec
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc_write import write_map
from emviewer.engine.params import validated


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    out = tmp_path_factory.mktemp("lab") / "sim"
    spec = registry.spec("simulate")
    values = {"map": "phantom:C1", "n": 30, "box": 24, "snr": 5, "report": "none"}
    list(run_job(spec, validated(spec.params, values), out))
    return out


@pytest.fixture(scope="module")
def recovered(simulated):
    """What recover leaves, with the true views as those found."""
    out = simulated.parent / "found"
    out.mkdir()
    blocks = star.read_star(simulated / "particles.star")
    table = blocks["particles"]
    table["emvConfidence"] = [f"{v:.3f}" for v in np.linspace(0.1, 1, len(table))]
    table["rlnImageName"] = [name.replace("@", f"@{simulated}/") for name in table["rlnImageName"]]
    star.write_star(out / "orientations.star", blocks)
    job = {"job": "recover", "parameters": {"truth": str(simulated / "particles.star"), "sym": "C1"}}
    (out / "job.json").write_text(json.dumps(job))
    pd.DataFrame({"frequency_inv_A": [0.01, 0.1], "fsc": [1.0, 0.1]}).to_csv(out / "fsc.csv", index=False)
    write_map(out / "map.mrc", np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32), 3.0)
    curve = {"curve": ["explained"] * 4, "step": [0, 1, 2, 3], "value": [0.1, 0.4, 0.6, 0.7]}
    pd.DataFrame(curve | {"stage": ["start 1"] * 2 + ["start 2"] * 2}).to_csv(out / "progress.csv", index=False)
    return out


def drawn(result, page, tmp_path):
    """Return the drawn page as an array; what is white on it is 1."""
    spec = {"kind": "orientations", "result": str(result), "page": page, "title": "A title", "dpi": 100}
    figure.render(spec, [tmp_path / "one.png", tmp_path / "one.pdf"])
    assert (tmp_path / "one.pdf").stat().st_size > 2000
    return imread(tmp_path / "one.png")[:, :, :3]


@pytest.mark.parametrize("page", ["views", "distances", "errors", "map"])
def test_pages_of_recovered_orientations_are_drawn(recovered, page, tmp_path):
    picture = drawn(recovered, page, tmp_path)
    half = picture.shape[1] // 2
    for side in (picture[:, :half], picture[:, half:]):  # something stands on either half
        assert (side < 0.7).any(axis=2).mean() > 0.003


def test_a_simulated_set_shows_its_views(simulated, tmp_path):
    assert (drawn(simulated, "views", tmp_path) < 0.7).any(axis=2).mean() > 0.005


def test_the_axis_of_errors_tells_the_median_of_what_was_planted(recovered):
    sheet = figure_lab.draw(LabSpec(result=recovered, page="errors"))
    assert any("median 0.00°" in axes.get_title() for axes in sheet.pages[0].axes)


def test_progress_has_a_line_for_every_stage(recovered):
    sheet = figure_lab.draw(LabSpec(result=recovered, page="views"))
    assert [len(axes.lines) for axes in sheet.pages[0].axes if axes.get_ylabel().startswith("share")] == [2]


def test_views_that_only_settled_show_how(recovered, tmp_path):
    shutil.copytree(recovered, tmp_path / "settled")
    curve = pd.DataFrame({"curve": "spread_deg", "step": [0, 1], "value": [4.0, 2.0], "stage": "settling"})
    curve.to_csv(tmp_path / "settled" / "progress.csv", index=False)
    sheet = figure_lab.draw(LabSpec(result=tmp_path / "settled", page="views"))
    assert [len(axes.lines) for axes in sheet.pages[0].axes if axes.get_ylabel().startswith("spread")] == [1]


def test_a_trained_distance_shows_loss_and_pairs(tmp_path):
    out = tmp_path / "trained"
    out.mkdir()
    curve = {"step": [1, 2, 3], "loss": [9.0, 8.0, 7.0], "held_out_loss": [np.nan, np.nan, 7.1]}
    pd.DataFrame(curve).to_csv(out / "loss.csv", index=False)
    pairs = {"truth_rad": [0.0, np.pi], "estimate_rad": [0.1, 3.0], "sd_rad": [0.1, 0.1], "snr": [1.0, 1.0]}
    pd.DataFrame(pairs).to_csv(out / "pairs.csv", index=False)
    sheet = figure_lab.draw(LabSpec(result=out, page="training"))
    loss, scatter = sheet.pages[0].axes
    np.testing.assert_allclose(loss.lines[0].get_ydata(), [9, 8, 7])
    np.testing.assert_allclose(scatter.collections[0].get_offsets()[1], np.degrees([np.pi, 3.0]))


@pytest.mark.parametrize("page", ["views", "training", "map", "errors"])
def test_what_is_missing_is_said(tmp_path, page):
    with pytest.raises(EmviewerError) as caught:
        figure.render({"kind": "orientations", "result": str(tmp_path), "page": page}, tmp_path / "one.png")
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_errors_need_the_truth(simulated, tmp_path):
    with pytest.raises(EmviewerError, match="--truth"):
        figure.render({"kind": "orientations", "result": str(simulated), "page": "errors"}, tmp_path / "one.png")
