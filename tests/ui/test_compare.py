"""A comparison in the window: grows while it runs, opens again the same, is walked, tagged, turned by hand, saved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from scipy.spatial.transform import Rotation

from emviewer.engine import figure, mrc_write, star
from emviewer.engine.errors import FileError
from emviewer.engine.jobs.compare import SPEC
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated
from emviewer.engine.simulate_phantom import GaussianPhantom
from emviewer.engine.star_write import write_particles
from emviewer.engine.types import Map3D
from emviewer.ui import comparison, comparison_keep
from emviewer.ui.compare_stage import turn
from emviewer.ui.opening import read_document
from emviewer.ui.panels import compare_apply
from emviewer.ui.panels.compare import ComparePanel
from emviewer.ui.panels.compare_pictures import Triplet
from emviewer.ui.panels.directions import DirectionsPanel
from emviewer.ui.panels.scores import ScoresPanel
from emviewer.ui.panels.scores_view import FITTED, RESIDUAL
from emviewer.ui.tags import NAMES, Tags
from emviewer.ui.undo import History

BOX, PIXEL, N = 32, 4.0, 20
FOREIGN = (17, 18, 19)
EMPTY = 5


def blobs(seed):
    rng = np.random.default_rng(seed)
    centres = rng.uniform(-0.24, 0.24, (50, 3)) * BOX * np.array([1, 0.8, 0.6])
    return GaussianPhantom(centres, rng.uniform(1.4, 2.5, 50), rng.uniform(0.5, 1.5, 50))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Images of one map, three of another, one empty; and the result of comparing them with both maps."""
    folder = tmp_path_factory.mktemp("compared")
    true, other = blobs(1), blobs(2)
    views = Rotation.random(N, random_state=3).as_matrix()
    images = true.project(views, BOX)
    images[list(FOREIGN)] = other.project(views[list(FOREIGN)], BOX)
    images += np.random.default_rng(5).normal(size=images.shape) * images.std() * 0.1
    images[EMPTY] = 0
    for name, density in (("true", true), ("other", other)):
        mrc_write.write_map(folder / f"{name}.mrc", Map3D(density.density(BOX).astype(np.float32), PIXEL))
    with mrc_write.StackWriter(folder / "images.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(images.astype(np.float32))
    table = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@images.mrcs" for i in range(N)],
            "rlnOpticsGroup": 1,
            "rlnMyOwnColumn": [f"{i}.50" for i in range(N)],
        }
    )
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [PIXEL], "rlnImageSize": [BOX]})
    write_particles(folder / "images.star", table, optics)
    params = validated(CompareParams, parameters(folder))
    for _ in run_job(SPEC, params, folder / "result"):
        pass
    return folder


def parameters(folder):
    return {
        "images": folder / "images.star",
        "maps": [folder / "true.mrc", folder / "other.mrc"],
        "project_dir": folder,
        "report": "none",
        "step": 15.0,
    }


@pytest.fixture
def history(workspace):
    return History(workspace)


@pytest.fixture
def document(planted, workspace):
    found = read_document(planted / "result")
    found.path = None  # tags of a test stay in the test
    return workspace.add(found)


def show(cls, workspace, runner, qtbot, document):
    panel = cls(workspace, runner)
    qtbot.addWidget(panel)
    panel.resize(1000, 600)
    panel.show()
    panel.show_document(document)
    return panel


@pytest.fixture
def panel(workspace, runner, qtbot, document, history):
    one = show(ComparePanel, workspace, runner, qtbot, document)
    qtbot.waitUntil(lambda: one.pictures.triplet is not None or one.pictures.single.message != "", timeout=5000)
    return one


@pytest.fixture
def scores(workspace, runner, qtbot, document, history):
    return show(ScoresPanel, workspace, runner, qtbot, document)


def table_of(document):
    compared = comparison.of(document)
    return compared.table_of(compared.shown)


def shown_ids(scores):
    return scores.rows.ids_at(slice(None)).tolist()


# the document -------------------------------------------------------------------------------------------------------
def test_a_result_opens_with_one_row_an_image_and_a_column_a_map(document):
    table = document.table
    assert len(table) == N and table.index.tolist() == list(range(N))
    assert {"cc true", "cc other", comparison.WINNER, "tag", "status"} <= set(table.columns)
    assert comparison.of(document).shown == "true"
    assert set(table.loc[list(FOREIGN), comparison.WINNER]) == {"other"}
    assert table.loc[EMPTY, "status"] == "failed" and np.isnan(table.loc[EMPTY, "cc"])


def test_another_map_is_shown_without_losing_rows_or_tags(document, workspace):
    compared = comparison.of(document)
    comparison.set_tags(document, np.array([3]), NAMES.index("keep"))
    before = document.table["cc"].copy()
    compared.shown = "other"
    comparison.refresh(document)
    assert document.table.loc[3, "tag"] == "keep"
    assert not np.allclose(document.table["cc"].dropna(), before.dropna())
    assert np.array_equal(document.table["cc"], document.table["cc other"], equal_nan=True)


def test_image_is_fitted_reprojection_plus_residual(document):
    compared = comparison.of(document)
    ids = np.array([0, 4, 9])
    image, fitted, residual = (compared.stack(kind)[ids] for kind in ("aligned", "fitted", "residuals"))
    np.testing.assert_allclose(image, fitted + residual, atol=2e-3 * image.std())


def test_the_verdict_says_map_exceptions_contrast(document):
    words = " | ".join(text for _, text in comparison.of(document).verdict())
    assert "true explains these images" in words
    assert f"of {N} flagged" in words and "particles bright" in words


def test_tags_are_kept_beside_the_scores(planted, tmp_path):
    comparison_keep.write_tags(tmp_path, Tags({4: "reject", 0: "1"}))
    assert comparison_keep.read_tags(tmp_path) == {0: "1", 4: "reject"}
    (tmp_path / "tags.csv").write_text("no,such\nthing,here\n")
    assert comparison_keep.read_tags(tmp_path) == {}


def test_a_running_job_grows_a_document_that_ends_as_the_folder(window, planted, qtbot, tmp_path, held):
    lengths, failed = [], []
    window.workspace.changed.connect(lambda d: lengths.append(d.n_rows))
    go = held(lambda batch: len(batch.rows))
    job = window.run_job("compare", parameters(planted), tmp_path / "out")
    qtbot.waitUntil(lambda: "scores" in {p.kind for p in window.area.panels()}, timeout=60_000)
    go.set()
    qtbot.waitUntil(lambda: not job.active, timeout=60_000)
    assert job.state == "complete", job.error
    document = next(d for d in window.workspace.documents.values() if d.kind == "result")
    qtbot.waitUntil(lambda: not document.streaming and document.path == tmp_path / "out", timeout=10_000)
    qtbot.waitUntil(lambda: comparison.of(document).folder is not None, timeout=10_000)
    assert lengths == sorted(lengths) and lengths[-1] == N
    assert failed == []
    fresh = read_document(tmp_path / "out")
    pd.testing.assert_frame_equal(document.table, fresh.table)
    kinds = [p.kind for p in window.area.panels()]
    qtbot.waitUntil(lambda: {"compare", "scores", "directions", "plot"} <= {p.kind for p in window.area.panels()})
    assert "gallery" not in kinds
    scores = next(p for p in window.area.panels() if p.kind == "scores")
    assert shown_ids(scores) == list(range(N))  # frozen in the order in which they came
    assert scores.sort_button.isVisibleTo(scores)
    scores.do_sort_now()
    assert table_of(document)["outlier_score"].iloc[shown_ids(scores)].is_monotonic_decreasing


# compare ------------------------------------------------------------------------------------------------------------
def test_walking_goes_from_the_worst_by_the_current_sort(panel, scores, workspace, document):
    order = shown_ids(scores)
    workspace.set_row(document, order[0])
    panel.do_next_worst()
    assert workspace.row(document) == order[1]
    scores.sort([("cc", False)])
    best = shown_ids(scores)
    assert panel.header.place.text().endswith(f"{best.index(order[1]) + 1} of {N}")
    workspace.set_row(document, best[0])
    panel.do_next_worst()
    panel.do_next_worst()
    panel.do_previous_worst()
    assert workspace.row(document) == best[1]
    assert panel.header.place.text().endswith(f"2 of {N}")


def test_pictures_share_one_contrast_and_zero_of_the_residual_is_neutral(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    image, fitted, residual = panel.pictures.canvases
    assert image.contrast == fitted.contrast
    assert residual.contrast.low == -residual.contrast.high
    assert "-" in residual.contrast.colormap
    strength = residual.contrast.high
    panel.pictures.set_gain(4.0)
    assert panel.pictures.canvases[2].contrast.high == pytest.approx(strength / 4)


def test_keys_zoom_all_pictures_and_a_right_drag_sets_the_levels_of_both(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    image, fitted, residual = panel.pictures.canvases
    scale = image.scale
    panel.do_zoom_in()
    assert image.scale == fitted.scale == residual.scale == pytest.approx(1.25 * scale)
    panel.do_zoom_actual()
    assert fitted.scale * panel.devicePixelRatioF() == pytest.approx(1.0)
    panel.do_zoom_fit()
    assert image.scale == pytest.approx(scale)
    before = image.contrast
    fitted.levels_dragged.emit(0.2, 0.1)
    assert image.contrast == fitted.contrast != before
    assert not panel.options.follow.isChecked()
    workspace.set_row(document, 3)
    qtbot.waitUntil(lambda: panel.shown.row == 3)
    assert image.contrast == panel.levels.contrast == fitted.contrast  # kept from row to row now
    panel.do_auto_contrast()
    assert image.contrast == panel.shown.triplet.contrast()


def test_the_pixel_under_the_mouse_is_told_in_angstrom_too(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    said = []
    panel.status.connect(said.append)
    panel.pictures.canvases[1].hovered.emit((3, 5))
    t = panel.shown.triplet
    assert said[-1].startswith(f"x 3  y 5  ({3 * PIXEL:.1f} Å, {5 * PIXEL:.1f} Å)")
    assert f"residual {float(t.residual[5, 3]):.4g}" in said[-1]


def test_an_image_that_failed_says_why_in_place_of_pictures(panel, workspace, document):
    workspace.set_row(document, EMPTY)
    assert "empty" in panel.pictures.single.message
    assert panel.strip.status.text() == "✕ failed"


def test_holding_b_shows_the_reprojection_in_place_of_the_image(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    first = panel.pictures.canvases[0]
    qtbot.keyPress(panel.pictures, Qt.Key.Key_B)
    assert np.array_equal(first.image, panel.shown.triplet.fitted)
    qtbot.keyRelease(panel.pictures, Qt.Key.Key_B)
    assert np.array_equal(first.image, panel.shown.triplet.image)


def test_the_wipe_line_parts_image_and_reprojection_where_it_is_dragged(panel, qtbot):
    n = 32
    dark, bright = np.zeros((n, n), np.float32), np.ones((n, n), np.float32)
    panel.pictures.show_triplet(Triplet(dark, bright, dark - bright))
    panel.pictures.set_mode("wipe")
    canvas = panel.pictures.single
    area = canvas.image_rect()
    where = QPoint(round(area.left() + 0.25 * area.width()), round(area.center().y()))
    qtbot.mouseClick(canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, where)
    picture = canvas.grab().toImage()
    left = picture.pixelColor(round(area.left() + 0.1 * area.width()), round(area.center().y()))
    right = picture.pixelColor(round(area.left() + 0.6 * area.width()), round(area.center().y()))
    assert left.lightness() < 40 and right.lightness() > 215
    panel.do_wipe()
    assert panel.pictures.mode == "side"


def test_all_maps_stand_side_by_side_with_the_best_one_marked(panel, workspace, document, qtbot):
    compared, foreign = comparison.of(document), FOREIGN[0]
    panel.pictures.set_mode("maps")
    for row, best in ((2, "true"), (foreign, "other")):
        workspace.set_row(document, row)
        qtbot.waitUntil(lambda row=row: panel.shown is not None and panel.shown.row == row, timeout=5000)
        qtbot.waitUntil(lambda best=best: [v.name for v in panel.pictures.maps.views if v.best] == [best], timeout=5000)
        image, *others = panel.pictures.maps.canvases
        np.testing.assert_array_equal(image.image, panel.shown.triplet.image)
        for canvas, name in zip(others, compared.maps, strict=True):
            np.testing.assert_allclose(canvas.image, compared.stack("fitted", name=name)[row])
            assert canvas.label.startswith("● ") == (name == best)
            assert canvas.label.endswith(f"{compared.tables[name].cc[row]:.3f}  {name}")
            assert canvas.contrast == image.contrast
    assert compared.shown == "true"
    qtbot.mouseClick(others[1], Qt.MouseButton.LeftButton, pos=others[1].rect().center())
    assert compared.shown == "other"
    workspace.set_row(document, EMPTY)
    assert panel.pictures.maps.canvases == []


def test_overlay_is_grey_where_image_and_reprojection_agree(panel):
    n = 16
    image, fitted = np.zeros((n, n), np.float32), np.zeros((n, n), np.float32)
    image[:8], fitted[4:12] = 1, 1
    pixels = panel.pictures._two_colours(Triplet(image, fitted, image - fitted))
    red, _, blue, _ = pixels.pixelColor(3, 6).getRgb()
    assert red == blue == 255
    assert pixels.pixelColor(3, 1).red() == 0 and pixels.pixelColor(3, 10).blue() == 0


# by hand ------------------------------------------------------------------------------------------------------------
def test_a_view_turned_by_hand_scores_worse_and_a_search_finds_back(panel, workspace, document, qtbot, history):
    row = 2
    workspace.set_row(document, row)
    before = float(table_of(document).loc[row, "cc"])
    panel.hand.roll(0.0)  # prepares the map
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    assert panel.hand.view.scores["cc"] == pytest.approx(before, abs=2e-3)
    assert panel.hand.view.scores["outlier_score"] == pytest.approx(
        float(table_of(document).loc[row, "outlier_score"]), abs=0.05
    )
    panel.hand._set(turn(np.array([0.0, 1.0, 0.0]), 20.0) @ panel.hand.rotation)
    qtbot.waitUntil(lambda: panel.hand.view.scores["cc"] < before - 0.004, timeout=5000)
    assert "worse" in panel.hand_strip.label.text() and panel.hand_strip.isVisibleTo(panel)
    panel.do_search_here()
    qtbot.waitUntil(lambda: panel.hand.view.scores["cc"] > before - 1e-3, timeout=10_000)


def test_a_view_set_by_hand_tells_the_best_view_far_from_it(panel, workspace, document, qtbot, history):
    row = 2
    workspace.set_row(document, row)
    found = table_of(document).loc[row]
    panel.hand.roll(0.0)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    assert panel.hand.view.scores["cc_margin"] == pytest.approx(found["cc_margin"], abs=2e-3)
    assert f"({found['cc_margin']:.4f})" in panel.strip.values["cc_margin"].text()
    panel.hand._set(turn(np.array([0.0, 1.0, 0.0]), 50.0) @ panel.hand.rotation)
    qtbot.waitUntil(lambda: panel.hand.view.scores["cc"] < found["cc"] - 0.02, timeout=5000)
    far = panel.hand.view.scores
    assert far["cc_second"] == pytest.approx(found["cc"]) and far["cc_margin"] == far["cc"] - far["cc_second"] < 0
    panel.apply_hand()  # the view that the job found is still what others are measured by
    panel.hand.roll(0.0)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=5000)
    assert panel.hand.view.scores["cc_second"] == pytest.approx(found["cc"])


def test_a_direction_chosen_while_the_map_is_prepared_is_not_lost(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    wanted = np.array([0.6, 0.0, 0.8])
    panel.sphere.direction_chosen.emit(wanted)
    assert panel.hand.rotation is None
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    np.testing.assert_allclose(panel.hand.rotation[2], wanted, atol=1e-9)
    np.testing.assert_allclose(panel.sphere.current, wanted, atol=1e-9)


def test_a_direction_dragged_on_the_flat_map_turns_the_pictures(panel, workspace, runner, document, qtbot):
    directions = show(DirectionsPanel, workspace, runner, qtbot, document)
    workspace.set_row(document, 2)
    before = directions.view.current.copy()
    at, _ = directions.view.projection.flat(before[None])
    start = QPoint(*(round(v) for v in directions.view.to_widget(at)[0]))
    end = start + QPoint(0, 14 if start.y() < directions.view.height() / 2 else -14)
    left = Qt.MouseButton.LeftButton
    qtbot.mousePress(directions.view, left, pos=start)
    qtbot.mouseMove(directions.view, end)
    qtbot.mouseRelease(directions.view, left, pos=end)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    wanted = directions.view.direction_at(QPointF(end))[0]
    np.testing.assert_allclose(panel.hand.rotation[2], wanted, atol=1e-9)
    np.testing.assert_allclose(directions.view.current, wanted, atol=1e-9)
    panel.hand.leave()
    np.testing.assert_allclose(directions.view.current, before)


def test_the_polar_strip_turns_the_reprojection(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    before = panel.polar.bands.copy()
    panel.polar.rolled.emit(90.0)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    image, fitted = panel.polar.bands
    np.testing.assert_allclose(image, before[0], atol=1e-4)  # the experiment stays
    quarter = fitted.shape[1] // 4
    shifts = [
        np.corrcoef(fitted[4:12].ravel(), np.roll(before[1][4:12], k, axis=1).ravel())[0, 1]
        for k in (-quarter, 0, quarter)
    ]
    assert max(shifts) > 0.99 and shifts[1] < 0.9


def test_a_view_that_is_applied_can_be_undone(panel, workspace, document, qtbot, history):
    row = 2
    workspace.set_row(document, row)
    old = table_of(document).loc[row].copy()
    panel.hand.turn(0.1, 0.0)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    panel.hand._set(turn(np.array([0.0, 1.0, 0.0]), 60.0) @ panel.hand.rotation)
    qtbot.waitUntil(lambda: panel.hand.view.scores["cc"] < old["cc"] - 0.02, timeout=5000)
    image = panel.hand.view.images["residuals"]
    panel.apply_hand()
    assert document.table.loc[row, "cc"] < old["cc"] - 0.02
    assert table_of(document).loc[row, "reason"] == "view set by hand"
    np.testing.assert_array_equal(comparison.of(document).stack("residuals")[row], image)
    history.undo()
    assert document.table.loc[row, "cc"] == pytest.approx(old["cc"])
    assert not np.array_equal(comparison.of(document).stack("residuals")[row], image)


def test_a_view_is_put_into_a_long_table_by_the_lane_and_undone_there(
    workspace, runner, document, history, qtbot, monkeypatch
):
    monkeypatch.setattr(compare_apply, "SORT_ELSEWHERE", 1)
    setter = compare_apply.ViewSetter(workspace, runner, lambda error: None)
    before = table_of(document)
    pictures = {kind: np.ones((BOX, BOX), np.float32) for kind in comparison_keep.HAND_KINDS}
    new = before.loc[3].copy()
    new["cc"] = 0.25
    setter.apply(document, 3, new, pictures)
    assert table_of(document) is before  # not yet, and never in place
    qtbot.waitUntil(lambda: document.table.loc[3, "cc"] == 0.25, timeout=5000)
    assert before.loc[3, "cc"] != 0.25 and (comparison.of(document).stack("residuals")[3] == 1).all()
    assert comparison.of(document).found("true", 3)["cc"] == before.loc[3, "cc"]
    history.undo()
    history.redo()
    history.undo()
    qtbot.waitUntil(lambda: document.table.loc[3, "cc"] == before.loc[3, "cc"], timeout=5000)
    idle = []
    runner.view("idle", lambda check: None, idle.append, slow=True)
    qtbot.waitUntil(lambda: bool(idle), timeout=5000)
    assert document.table.loc[3, "cc"] == before.loc[3, "cc"]
    assert not (comparison.of(document).stack("residuals")[3] == 1).all()


def test_views_of_two_rows_set_at_once_are_both_put_into_a_long_table(
    workspace, runner, document, history, qtbot, monkeypatch
):
    monkeypatch.setattr(compare_apply, "SORT_ELSEWHERE", 1)
    setter = compare_apply.ViewSetter(workspace, runner, lambda error: None)
    before = table_of(document)
    pictures = {kind: np.ones((BOX, BOX), np.float32) for kind in comparison_keep.HAND_KINDS}
    for row in (3, 4):
        new = before.loc[row].copy()
        new["cc"] = 0.25
        setter.apply(document, row, new, pictures)
    qtbot.waitUntil(lambda: document.table.loc[4, "cc"] == 0.25, timeout=5000)
    qtbot.waitUntil(lambda: document.table.loc[3, "cc"] == 0.25, timeout=1000)


def test_going_to_another_row_takes_the_hand_away(panel, workspace, document, qtbot):
    workspace.set_row(document, 2)
    panel.hand.roll(5.0)
    qtbot.waitUntil(lambda: panel.hand.view is not None, timeout=20_000)
    workspace.set_row(document, 3)
    assert not panel.hand.active and not panel.hand_strip.isVisibleTo(panel)


def test_images_that_are_gone_are_a_sentence(planted, panel, workspace, document, qtbot):
    comparison.of(document).parameters["images"] = str(planted / "moved.star")
    workspace.set_row(document, 2)
    panel.hand.roll(5.0)
    qtbot.waitUntil(lambda: "moved.star" in panel.notice.label.text(), timeout=5000)
    qtbot.waitUntil(lambda: panel.pictures.triplet is not None, timeout=5000)


# scores -------------------------------------------------------------------------------------------------------------
def test_scores_come_worst_first_with_three_pictures_a_row(scores, document, qtbot):
    assert table_of(document)["outlier_score"].iloc[shown_ids(scores)].is_monotonic_decreasing
    qtbot.waitUntil(lambda: all(t.idle for t in scores.pictures.values()), timeout=5000)
    position = int(scores.rows.shown[3])
    assert all(t.get(position) is not None for t in scores.pictures.values())
    assert scores.model.names[1:3] == [FITTED, RESIDUAL]


def test_missing_is_a_dash_and_states_are_words(scores):
    place = shown_ids(scores).index(EMPTY)
    assert scores.model.text(place, "cc") == "–"
    assert scores.model.text(place, "status") == "✕ failed"


def test_a_range_dragged_over_a_histogram_filters_and_a_click_shows_all(scores, document, qtbot):
    strip = scores.filter
    area = strip.area(scores.model.names.index("cc"))
    middle = QPoint(round(area.center().x()), round(area.center().y()))
    end = QPoint(round(area.right()), middle.y())
    qtbot.mousePress(strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    qtbot.mouseMove(strip, end)
    strip.mouseMoveEvent(_moved(end))
    qtbot.mouseRelease(strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, end)
    low, high = strip.ranges["cc"]
    cc = table_of(document)["cc"]
    assert set(shown_ids(scores)) == set(cc.index[(cc >= low) & (cc <= high)])
    assert 0 < len(scores.rows) < N
    qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    assert len(scores.rows) == N


def _moved(at):
    from PySide6.QtCore import QEvent, QPointF
    from PySide6.QtGui import QMouseEvent

    left = Qt.MouseButton.LeftButton
    return QMouseEvent(QEvent.Type.MouseMove, QPointF(at), QPointF(at), left, left, Qt.KeyboardModifier.NoModifier)


def test_select_worse_goes_by_the_value_not_by_the_order(scores, workspace, document):
    score = table_of(document)["outlier_score"]
    row = int(score.sort_values(ascending=False).index[4])
    workspace.set_row(document, row)
    scores.do_select_worse()
    assert set(workspace.selection(document)) == set(score.index[score >= score[row]])
    scores.sort([("cc", True)])
    scores.do_select_worse()
    cc = table_of(document)["cc"]
    assert set(workspace.selection(document)) == set(cc.index[cc <= cc[row]])


def test_tags_by_key_for_the_selected_rows_with_undo(scores, workspace, document, history, qtbot):
    workspace.select(document, [2, 3, 4], record=False)
    workspace.set_row(document, 3)
    scores.do_tag_reject()
    assert document.table["tag"].tolist().count("reject") == 3
    qtbot.keyClick(scores.view, Qt.Key.Key_7)
    assert comparison.of(document).tags.named() == {2: "7", 3: "7", 4: "7"}
    history.undo()
    assert set(comparison.of(document).tags.named().values()) == {"reject"}
    scores.do_tag_reject()  # again: off
    assert comparison.of(document).tags.named() == {}
    workspace.set_row(document, 9)
    scores.do_tag_keep()
    assert comparison.of(document).tags.named() == {9: "keep"}


def test_tagging_leaves_order_and_scroll_as_they_are(scores, workspace, document):
    scores.sort([("cc", True)])
    order = shown_ids(scores)
    workspace.set_row(document, order[2])
    scores.do_tag_keep()
    assert shown_ids(scores) == order
    assert not scores.sort_button.isVisibleTo(scores)


@pytest.mark.parametrize("which, expected", [("selected", [1, 4]), ("unselected", N - 2), ("ok", None)])
def test_saved_rows_keep_every_column_of_the_original_table(
    scores, planted, workspace, document, tmp_path, qtbot, which, expected
):
    workspace.select(document, [4, 1])
    positions = scores.rows_of(which)
    job = scores.save_rows(positions, tmp_path / "rows.star")
    qtbot.waitUntil(lambda: not job.active, timeout=10_000)
    assert job.state == "complete", job.error
    saved = star.read_star(tmp_path / "rows.star")
    original = star.read_star(planted / "images.star")
    assert list(saved) == list(original)
    pd.testing.assert_frame_equal(
        saved["particles"].reset_index(drop=True), original["particles"].iloc[positions].reset_index(drop=True)
    )
    if isinstance(expected, list):
        assert positions.tolist() == expected
    elif expected is not None:
        assert len(positions) == expected
    else:
        assert EMPTY not in positions and len(positions) < N


def test_rows_are_saved_as_images_and_as_scores(scores, planted, workspace, document, tmp_path, qtbot):
    from emviewer.engine import mrc

    workspace.select(document, [7, 2])
    for name in ("rows.mrcs", "rows.csv"):
        job = scores.save_rows(scores.rows_of("selected"), tmp_path / name)
        qtbot.waitUntil(lambda job=job: not job.active, timeout=10_000)
        assert job.state == "complete", job.error
    source = mrc.read_stack(planted / "images.mrcs")
    np.testing.assert_array_equal(mrc.read_stack(tmp_path / "rows.mrcs")[:], source[[2, 7]])
    assert pd.read_csv(tmp_path / "rows.csv")["image"].tolist() == [3, 8]


def test_a_table_of_another_program_is_refused_as_cs_with_a_sentence(scores, workspace, document, tmp_path, qtbot):
    workspace.select(document, [1])
    job = scores.save_rows(scores.rows_of("selected"), tmp_path / "rows.cs")
    qtbot.waitUntil(lambda: not job.active, timeout=10_000)
    assert "cryoSPARC" in scores.notice.label.text()
    assert not (tmp_path / "rows.cs").exists()


def test_triplets_show_the_same_rows_with_their_tags_and_scores(scores, workspace, document, history, qtbot):
    order = shown_ids(scores)
    scores.set_triplets(True)
    scores.triplets.set_tile(60)
    grid = scores.triplets
    qtbot.waitUntil(lambda: all(t.idle and t.get(scores.rows.order[1]) for t in scores.pictures.values()), timeout=5000)
    centre = grid.rect_of(1).center()
    qtbot.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, centre)
    assert workspace.selection(document).tolist() == [order[1]] and workspace.row(document) == order[1]
    scores.do_tag_reject()
    number, score = grid.caption(scores.rows.shown[1])
    assert number.startswith(f"#{order[1] + 1} ") and number.endswith("reject")
    assert score.startswith("outlier ")
    box = scores.dress.sorting
    box.setCurrentIndex(box.findData("cc"))
    box.activated.emit(box.currentIndex())
    cc = table_of(document)["cc"]
    assert cc.iloc[shown_ids(scores)].dropna().is_monotonic_increasing  # worst first
    assert grid.caption(scores.rows.shown[0])[1].startswith("cc ")
    state = scores.state()
    scores.set_triplets(False)
    scores.restore(state)
    assert scores.dress.triplets and scores.pages.currentWidget() is grid and grid.tile == 60


def test_a_triplet_is_image_over_reprojection_over_residual(scores, document, qtbot):
    position = scores.rows.shown[2]
    scores.set_triplets(True)
    grid, dpr = scores.triplets, scores.devicePixelRatioF()
    grid.set_tile(64)
    qtbot.waitUntil(lambda: all(t.idle and t.is_fresh(position) for t in scores.pictures.values()), timeout=5000)
    cell = grid.rect_of(2)
    shot = grid.viewport().grab().toImage()
    for number, thumbnails in enumerate(scores.pictures.values()):
        picture = thumbnails.get(position)
        for x, y in ((20, 20), (31, 31), (40, 25)):
            there = shot.pixelColor(
                round((cell.x() + grid.pad + x) * dpr), round((cell.y() + grid.pad + number * 65 + y) * dpr)
            )
            assert there.rgb() == picture.pixelColor(round(x * dpr), round(y * dpr)).rgb()


# what goes wrong ----------------------------------------------------------------------------------------------------
@pytest.fixture
def copied(planted, tmp_path):
    import shutil

    return shutil.copytree(planted / "result", tmp_path / "copy")


def test_a_folder_that_is_moved_under_the_window_is_a_sentence_and_can_be_relinked(
    copied, workspace, runner, qtbot, history
):
    document = workspace.add(read_document(copied))
    panel = show(ComparePanel, workspace, runner, qtbot, document)
    table = show(ScoresPanel, workspace, runner, qtbot, document)
    qtbot.waitUntil(lambda: panel.pictures.triplet is not None or panel.pictures.single.message != "")
    moved = copied.rename(copied.parent / "moved")
    workspace.set_row(document, 3)
    qtbot.waitUntil(lambda: "not there any more" in panel.notice.label.text(), timeout=5000)
    assert panel.polar.bands is None and panel.curve.curve is None
    assert panel.strip.values["cc"].text().count("0.9") == 1  # the scores stay
    table.do_tag_keep()
    qtbot.waitUntil(lambda: "tags cannot be kept" in table.notice.label.text(), timeout=5000)
    assert comparison.of(document).tags.named() == {3: "keep"}
    panel.relink_to(copied.parent)
    assert "no pictures of true here" in panel.notice.label.text()
    panel.relink_to(moved)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 3, timeout=5000)
    assert panel.notice.label.text() == "" and document.path == moved
    table.do_tag_reject()
    qtbot.waitUntil(lambda: comparison_keep.read_tags(moved) == {3: "reject"}, timeout=5000)


def test_scores_open_without_their_pictures(copied):
    (copied / "true" / "aligned.mrcs").unlink()
    document = read_document(copied)
    assert len(document.table) == N and comparison.of(document).shape == (BOX, BOX)


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda t: "", "cannot be read"),
        (lambda t: t.drop(columns=["cc", "tilt_deg"]).to_csv(index=False), "no column cc, tilt_deg"),
        (
            lambda t: t.astype(object).replace({"nrmse": {t["nrmse"][4]: "x"}}).to_csv(index=False),
            "line 6 of the scores",
        ),
        (lambda t: t.to_csv(index=False)[:-3] + "\n,", "cut short"),
    ],
)
def test_scores_that_are_spoilt_say_what_is_wrong(copied, spoil, words):
    path = copied / "scores.csv"
    path.write_text(spoil(pd.read_csv(path)))
    with pytest.raises(FileError, match=words):
        read_document(copied)


def test_columns_of_words_that_somebody_added_are_shown_as_they_are(copied):
    table = pd.read_csv(copied / "scores.csv")
    table.assign(remark="seen").to_csv(copied / "scores.csv", index=False)
    assert (read_document(copied).table["remark"] == "seen").all()


def test_a_result_that_ended_amid_its_second_map_opens_with_both(copied):
    table = pd.read_csv(copied / "scores.csv")
    table[(table["map"] == "true") | (table["image"] <= 5)].to_csv(copied / "scores.csv", index=False)
    document = read_document(copied)
    assert len(document.table) == N
    assert document.table["cc other"].notna().sum() <= 5
    compared = comparison.of(document)
    compared.shown = "other"
    comparison.refresh(document)
    assert len(document.table) == 5


def test_the_figure_holds_the_worst_and_the_best_of_the_rows_shown_however_sorted(
    planted, workspace, runner, qtbot, tmp_path
):
    document = workspace.add(read_document(planted / "result"))
    panel = show(ScoresPanel, workspace, runner, qtbot, document)
    order = [r for r in shown_ids(panel) if r != EMPTY]
    for keys in ([("outlier_score", False)], [("cc", False)], [("rot_deg", True)]):
        panel.sort(keys)
        spec = panel.figure_spec()
        assert spec["worst"] == order[:5] and spec["best"] == order[::-1][:5]
    cc = table_of(document)["cc"]
    panel.filter.set_range("cc", float(np.nanmedian(cc)), 1.0)
    spec = panel.figure_spec()
    kept = [r for r in order if cc[r] >= np.nanmedian(cc)]
    assert spec["worst"] == kept[: len(kept) // 2][:5] and set(spec["best"]) <= set(kept)
    figure.render(spec, tmp_path / "f.svg")
    assert (tmp_path / "f.svg").stat().st_size > 10_000


def test_directions_are_coloured_by_the_outlier_score_and_linked(workspace, runner, qtbot, document):
    panel = show(DirectionsPanel, workspace, runner, qtbot, document)
    assert panel.colour_box.currentData() == "outlier_score"
    known = table_of(document).drop(index=EMPTY)  # an image without a view stands nowhere
    np.testing.assert_allclose(panel.view._values, known["outlier_score"])
    workspace.select(document, [1, EMPTY, EMPTY + 1])
    assert panel.view.selected.tolist() == [1, EMPTY]


def test_panels_remember_what_they_showed(workspace, runner, qtbot, document):
    first = show(ScoresPanel, workspace, runner, qtbot, document)
    first.sort([("nrmse", True)])
    first.filter.set_range("cc", 0.5, 1.0)
    again = show(ScoresPanel, workspace, runner, qtbot, document)
    again.restore(first.state())
    assert shown_ids(again) == shown_ids(first)
    compare = show(ComparePanel, workspace, runner, qtbot, document)
    compare.pictures.set_mode("overlay")
    compare.show_map("other")
    state = compare.state()
    compare.show_map("true")
    compare.restore(state)
    assert comparison.of(document).shown == "other" and compare.pictures.mode == "overlay"
    qtbot.waitUntil(lambda: compare.shown is not None)


def test_a_low_pass_softens_the_pictures_and_leaves_the_scores(panel, scores, workspace, document, qtbot):
    workspace.set_row(document, 2)
    qtbot.waitUntil(lambda: panel.shown is not None and panel.shown.row == 2)
    sharp, cc = panel.pictures.triplet, panel.strip.values["cc"].text()
    panel.set_low_pass(40.0)
    qtbot.waitUntil(lambda: panel.shown.low_pass_A == 40.0)
    soft = panel.pictures.triplet
    assert np.abs(np.diff(soft.residual)).mean() < 0.5 * np.abs(np.diff(sharp.residual)).mean()
    np.testing.assert_allclose(soft.image, soft.fitted + soft.residual, atol=3e-3 * sharp.image.std())
    assert panel.strip.values["cc"].text() == cc
    assert all(t.style is None or t.style.low_pass_A == 40.0 for t in scores.pictures.values())


def test_views_set_by_hand_are_there_again_when_the_result_is_opened(planted, document, tmp_path):
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(planted / "result", folder)
    compared = comparison.of(document)
    row = compared.tables["true"].loc[4].copy()
    row["cc"], row["rot_deg"], row["reason"] = 0.123, 45.0, "view set by hand"
    compared.tables["true"].loc[4] = row
    pictures = {kind: np.full((BOX, BOX), 3.0, np.float32) for kind in comparison_keep.HAND_KINDS}
    compared.replaced["true", 4] = pictures
    comparison_keep.write_views(folder, comparison_keep.views_of(compared))
    again = read_document(folder)
    assert again.table.loc[4, "cc"] == 0.123 and again.table.loc[4, "reason"] == "view set by hand"
    assert (comparison.of(again).stack("residuals")[4] == 3.0).all()
    assert not (comparison.of(again).stack("residuals")[5] == 3.0).any()
    comparison_keep.write_views(folder, {})
    assert read_document(folder).table.loc[4, "cc"] != 0.123


def test_the_form_takes_what_is_open_and_offers_the_other_maps(window, planted, qtbot):
    for name in ("images.star", "other.mrc", "true.mrc"):
        window.open_document(read_document(planted / name))
    window.show_task("compare")
    form = window.inspector.task()
    maps = form.form.fields["maps"].widget
    assert form.form.values()["images"] == str(planted / "images.star")
    assert maps.texts() == [str(planted / "true.mrc")]  # the one looked at
    assert [title for title, _ in maps.offers()] == ["other", "true"]
    maps.take(str(planted / "other.mrc"))
    assert form.params().maps == [planted / "true.mrc", planted / "other.mrc"]
    maps.take(str(planted / "true.mrc"))
    assert form.params().maps == [planted / "other.mrc"]
    qtbot.waitUntil(lambda: "20 images" in form.estimate.text(), timeout=5000)


def test_a_wrong_symmetry_is_a_sentence_in_the_form_before_anything_runs(window, planted, qtbot):
    window.open_document(read_document(planted / "images.star"))
    window.open_document(read_document(planted / "true.mrc"))
    window.show_task("compare")
    form = window.inspector.task()
    form.form.set_values({"sym": "Q7"})
    qtbot.waitUntil(lambda: "Q7" in form.estimate.text(), timeout=5000)
    assert not form.button.isEnabled()


def test_the_keys_of_the_window_tag_walk_and_wipe(window, planted, qtbot):
    opened = read_document(planted / "result")
    opened.path = None
    document = window.open_document(opened)
    qtbot.waitUntil(lambda: {"compare", "scores", "plot"} <= {p.kind for p in window.area.panels()}, timeout=5000)
    compare, scores = (next(p for p in window.area.panels() if p.kind == k) for k in ("compare", "scores"))
    window.activateWindow()
    window.area.bring(scores)
    qtbot.waitUntil(lambda: window.actions_["tag_reject"].isEnabled() and scores.view.hasFocus(), timeout=5000)
    first = shown_ids(scores)[0]
    qtbot.waitUntil(lambda: window.workspace.row(document) == first)
    qtbot.keyClick(scores.view, Qt.Key.Key_Delete)
    qtbot.keyClick(scores.view, Qt.Key.Key_N)
    qtbot.keyClick(scores.view, Qt.Key.Key_Space)
    second = shown_ids(scores)[1]
    assert comparison.of(document).tags.named() == {first: "reject", second: "keep"}
    qtbot.keyClick(scores.view, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert comparison.of(document).tags.named() == {first: "reject"}
    window.area.bring(compare)
    qtbot.keyClick(compare, Qt.Key.Key_W)
    assert compare.pictures.mode == "wipe"
    qtbot.waitUntil(lambda: all(t.idle for t in scores.pictures.values()), timeout=5000)
