"""Figures of alignments: what they show of two maps, their difference, their curves; the report."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from emviewer.engine import figure, figure_align, figure_align_report, mrc
from emviewer.engine.align3d_cuts import MovedCuts
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.errors import DataError, EmviewerError, FileError, ParameterError
from emviewer.engine.figure_curves import best_crossings
from emviewer.engine.figure_page import Sheets
from emviewer.engine.figure_spec import parse
from emviewer.engine.figure_two import contour_lines, significance, two_colours
from emviewer.engine.types import Map3D, RigidTransform

N, PIXEL = 24, 2.0
MOTION = RigidTransform(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([4.0, 0.0, -2.0]))


def density() -> np.ndarray:
    """Return a map without symmetry."""
    z, y, x = np.indices((N, N, N)) - N // 2
    centres = ((0, 0, 0, 1.0), (5, 1, 0, 0.8), (-2, 4, 3, 0.9), (1, -3, -4, 0.7))
    found = sum(a * np.exp(-((x - i) ** 2 + (y - j) ** 2 + (z - k) ** 2) / 4.0) for i, j, k, a in centres)
    return np.asarray(found, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of an alignment of two maps, the second without a difference."""
    out = tmp_path_factory.mktemp("report")
    for name in ("aligned", "difference", "fsc", "search"):
        (out / name).mkdir()
    reference = density()
    back = RigidTransform(MOTION.matrix.T, -MOTION.matrix.T @ MOTION.translation_A)
    mrc.write_map(out / "moving.mrc", move_map(reference, PIXEL, back, Grid3D((N, N, N), PIXEL)), PIXEL)
    mrc.write_map(out / "reference.mrc", reference, PIXEL)
    difference = np.zeros_like(reference)
    difference[10:14, 15:18, 9:12] = 0.5
    mrc.write_map(out / "difference" / "one.mrc", difference, PIXEL)
    mrc.write_map(out / "difference" / "one_z.mrc", difference * 20, PIXEL)
    frequency = np.arange(1, 13) / (N * PIXEL)
    rows = []
    for name in ("one", "two"):
        grid = Grid3D((N, N, N), PIXEL) if name == "one" else Grid3D((30, 30, 30), 1.6)
        still = RigidTransform(np.eye(3), np.zeros(3))
        mrc.write_map(out / "aligned" / f"{name}.mrc", move_map(reference, PIXEL, still, grid), grid.pixel_size_A)
        curve = pd.DataFrame({"frequency_inv_A": frequency, "fsc_before": 0.1, "fsc_after": np.linspace(1, 0, 12)})
        curve.assign(fsc_masked=np.nan, half_bit=0.3).to_csv(out / "fsc" / f"{name}.csv", index=False)
        scores = {"angle_deg": [0.0, 90.0, 10.0], "score": [0.9, 0.2, 0.4], "flipped": [0, 0, 1]}
        pd.DataFrame(scores).to_csv(out / "search" / f"{name}.csv", index=False)
        rows.append({
            "name": name, "rotation": MOTION.matrix.tolist(), "translation_A": [4.0, 0, -2], "hand_flipped": False,
            "hand": "same", "cc_before": 0.2, "cc_after": 0.99, "cc_other_hand": None, "axis_angle": [0, 0, 1, 90.0],
            "euler_zyz_deg": [90.0, 0, 0], "fsc_0.143_A": None, "fsc_0.5_A": 8.0, "sigma_angle_deg": 0.01,
            "sigma_shift_A": 0.02,
        })  # fmt: skip
    (out / "transforms.json").write_text(json.dumps(rows))
    (out / "job.json").write_text(json.dumps({"job": "align", "parameters": {"reference": "/somewhere/ref.map"}}))
    return out


def alignment(**more):
    given = {"kind": "alignment", "reference": "reference.mrc", "map": "moving.mrc", "width_mm": 85, "dpi": 200}
    return given | {"matrix": MOTION.matrix.tolist(), "translation_A": MOTION.translation_A.tolist()} | more


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def colourful(picture: np.ndarray) -> float:
    """Return how far from grey the cuts of a picture are (its foot, with the names in colour, left out)."""
    part = picture[: int(0.8 * len(picture))]
    return float(np.mean(part.max(axis=-1) - part.min(axis=-1)))


def test_an_overlay_is_grey_where_the_maps_agree(folder, tmp_path):
    figure.render(alignment(), tmp_path / "after.png", base=folder)
    figure.render(alignment(matrix=np.eye(3).tolist(), translation_A=[0, 0, 0]), tmp_path / "before.png", base=folder)
    after, before = (colourful(pixels(tmp_path / f"{name}.png")) for name in ("after", "before"))
    assert after < 0.1 * before and before > 5


def test_maps_whose_headers_disagree_are_overruled_one_by_one(folder, tmp_path):
    """The moving map says 3 Å and has 2 Å; the reference is right, and an overruling of both would be wrong for it."""
    mrc.write_map(tmp_path / "wrong.mrc", mrc.read_map(folder / "moving.mrc").data, 1.5 * PIXEL)
    grey = []
    for name, told in (("right", {"map_pixel_size_A": PIXEL}), ("wrong", {})):
        figure.render(alignment(map=str(tmp_path / "wrong.mrc"), **told), tmp_path / f"{name}.png", base=folder)
        grey.append(colourful(pixels(tmp_path / f"{name}.png")))
    assert grey[0] < 0.1 * grey[1]


def test_a_wipe_is_the_reference_left_of_the_position_and_the_map_right_of_it(folder, tmp_path):
    bright, dark = {"low": -1, "high": 0}, {"low": 5, "high": 6}
    spec = alignment(mode="wipe", cuts=["XY"], position=[6, 12, 12], contrast=dark, second=bright, scale_bar=False)
    figure.render(spec, tmp_path / "w.png", base=folder)
    row = pixels(tmp_path / "w.png")[300, :, 0]
    edge = np.flatnonzero((row[40:-40] > 200) & (row[39:-41] < 60))[0] + 40
    assert edge / len(row) == pytest.approx((3 + 6 * 79 / 24) / 85, abs=0.02)
    assert row[len(row) // 2] == 255 and row[60] == 0


def test_side_by_side_has_a_row_for_each_map(folder, tmp_path):
    figure.render(alignment(mode="side"), tmp_path / "s.png", base=folder)
    figure.render(alignment(), tmp_path / "o.png", base=folder)
    assert len(pixels(tmp_path / "s.png")) > 1.5 * len(pixels(tmp_path / "o.png"))


def test_no_difference_is_exactly_white_and_vector_figures_keep_text_and_lines(folder, tmp_path):
    spec = {"kind": "difference", "reference": "reference.mrc", "difference": "difference/one.mrc", "cuts": ["XY"],
            "z": "difference/one_z.mrc", "width_mm": 85, "dpi": 200, "scale_bar": False}  # fmt: skip
    figure.render(spec, tmp_path / "d.png", base=folder)
    picture = pixels(tmp_path / "d.png")
    lower = picture[int(0.56 * len(picture)) : int(0.9 * len(picture)), 40:-40]
    orange = (lower[..., 0] > lower[..., 2]).any(axis=-1)
    assert np.all(lower[~orange] == 255) and 0.02 < orange.mean() < 0.3
    more = {"levels": [0.5, 0.5], "aligned": "aligned/one.mrc", "significant": 3.0, "as_z": True, "half_range": 5.0}
    figure.render(spec | more, tmp_path / "d.svg", base=folder)
    text = (tmp_path / "d.svg").read_text()
    assert "standard deviations of the noise" in text and "Map, aligned" in text
    assert len(re.findall("stroke-dasharray", text)) >= 2, "contour lines are lines, those of the map dashed"


def test_curves_are_lines_with_their_crossings_said(folder, tmp_path):
    spec = {"kind": "fsc", "curves": "fsc/one.csv", "width_mm": 120, "title": "Agreement", "thresholds": [0.5]}
    figure.render(spec, [tmp_path / "c.svg", tmp_path / "c.pdf"], base=folder)
    text = (tmp_path / "c.svg").read_text()
    table = pd.read_csv(folder / "fsc" / "one.csv")
    assert f"0.5: {best_crossings(table, [0.5])[0.5]:.2f} Å" in text
    assert "Between maps, not gold standard" in text and "masked" not in text.replace("unmasked", "")
    assert (tmp_path / "c.pdf").read_bytes().startswith(b"%PDF")


def test_scores_of_a_search_are_drawn_for_both_hands(folder, tmp_path):
    figure.render({"kind": "search", "table": "search/one.csv", "width_mm": 85}, tmp_path / "s.svg", base=folder)
    text = (tmp_path / "s.svg").read_text()
    assert "same hand" in text and "flipped" in text


def test_a_report_has_a_page_for_each_map_behind_a_table(folder, tmp_path, monkeypatch):
    pages = figure_align_report.draw(parse({"kind": "align_report", "result": "."}, folder)).pages
    titles = [page.texts[0].get_text() for page in pages]
    assert titles == ["2 maps on ref.map", "one on ref.map", "two on ref.map"]
    texts = [text.get_text().replace("\u00a0", " ") for text in pages[2].texts]
    assert "angle 90.000°" in texts and "FSC 0.143: never, 0.5: 8.00 Å" in texts
    figure_width = pages[2].get_size_inches()[0] * pages[2].dpi
    renderer = FigureCanvasAgg(pages[2]).get_renderer()
    assert max(text.get_window_extent(renderer).x1 for text in pages[2].texts) < figure_width, "all numbers are on it"
    with pytest.raises(ParameterError, match="the report has 3 pages"):
        figure.render({"kind": "align_report", "result": "."}, tmp_path / "r.png", base=folder)
    monkeypatch.setattr(figure_align_report, "draw", lambda spec, check: Sheets([Figure(), Figure()]))
    figure.render({"kind": "align_report", "result": "."}, tmp_path / "r.pdf", base=folder)
    assert len(re.findall(rb"/Type /Page\b", (tmp_path / "r.pdf").read_bytes())) == 2


def test_a_difference_and_curves_have_reports_of_a_page(folder, tmp_path):
    for name in ("reference.mrc", "difference/one.mrc", "fsc/one.csv"):
        (tmp_path / {"difference/one.mrc": "difference.mrc", "fsc/one.csv": "fsc.csv"}.get(name, name)).write_bytes(
            (folder / name).read_bytes()
        )
    table = pd.read_csv(tmp_path / "fsc.csv").rename(columns={"fsc_after": "fsc"}).drop(columns="fsc_before")
    table.to_csv(tmp_path / "fsc.csv", index=False)
    (tmp_path / "summary.json").write_text(json.dumps({"n_blobs": 3, "peak_z": 8.125, "fsc_0.5_A": None}))
    given = {"reference": str(tmp_path / "reference.mrc"), "map": str(folder / "aligned" / "two.mrc"),
             "first": "a.mrc", "second": "b.mrc"}  # fmt: skip
    for job, said in (("difference", "reference.mrc − two.mrc"), ("fsc", "a.mrc and b.mrc")):
        (tmp_path / "job.json").write_text(json.dumps({"job": job, "parameters": given}))
        figure.render({"kind": "align_report", "result": str(tmp_path), "dpi": 60}, tmp_path / "r.svg")
        text = (tmp_path / "r.svg").read_text()
        assert said in text and "peak_z: 8.125" in text and "fsc_0.5_A: never" in text


def test_what_cannot_be_drawn_is_said(folder, tmp_path):
    wrong: list[tuple[dict, type[EmviewerError], str]] = [
        ({"kind": "align_report", "result": ".", "map_name": "x"}, DataError, "there is no map x"),
        ({"kind": "align_report", "result": "aligned"}, FileError, "holds no alignment"),
        ({"kind": "fsc", "curves": "search/one.csv"}, DataError, "no shell correlation"),
        ({"kind": "fsc", "curves": "nothing.csv"}, FileError, "cannot be read"),
        ({"kind": "search", "table": "fsc/one.csv"}, DataError, "no search"),
        (alignment(position=[99, 0, 0]), ParameterError, "outside the map"),
        (alignment(matrix=[[1, 0, 0]]), ParameterError, "matrix"),
    ]
    for spec, kind, said in wrong:
        with pytest.raises(kind, match=said):
            figure.render(spec, tmp_path / "x.svg", base=folder)
    assert not list(tmp_path.iterdir())


def test_a_long_table_of_maps_says_how_many_more_there_are(folder):
    row = json.loads((folder / "transforms.json").read_text())[0]
    texts = [t.get_text() for t in figure_align.draw_table("many", [row] * 70).texts]
    assert "and 10 more" in texts and texts.count("one") == figure_align.MOST_ROWS and "4.47" in texts


def test_two_colours_contours_and_significance():
    first, second = np.array([[0, 100]], np.uint8), np.array([[50, 100]], np.uint8)
    assert two_colours(first, second).tolist() == [[[50, 0, 0], [100, 100, 100]]]
    cover = significance(np.array([[0.0, 2.9, 3.5, -8.0]], np.float32), 3.0)
    assert (cover[0, :, 3] > 0).tolist() == [False, False, True, True] and cover[0, 2, 0] > cover[0, 3, 0]
    y, x = np.indices((21, 21)) - 10.0
    lines = contour_lines(np.hypot(x, y).astype(np.float32), 6.0)
    assert len(lines) == 1 and np.all(np.abs(np.hypot(*(lines[0] - 10.5).T) - 6.0) < 0.1)


def test_a_slab_is_the_mean_of_its_cuts():
    rng = np.random.default_rng(0)
    volume = Map3D(rng.normal(size=(6, 7, 8)).astype(np.float32), 1.0)
    still = RigidTransform(np.eye(3), np.zeros(3))
    cutter = MovedCuts(volume, volume)
    for axes in ((2, 0, 1), (1, 0, 2), (0, 2, 1)):
        found = cutter.slab(still, axes, 1, 2)
        truth = np.take(volume.data, range(4), axis=2 - axes[0]).mean(axis=2 - axes[0])
        np.testing.assert_allclose(found, truth.T if axes[0] == 0 else truth, atol=1e-6)
