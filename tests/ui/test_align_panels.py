"""Alignment, difference and FSC panels: what they show of a result, what hands do to it, what can be undone."""

from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QGuiApplication

from emviewer.engine import figure, mrc
from emviewer.engine.align3d_cuts import MovedCuts
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.jobs.align import start_of
from emviewer.engine.jobs.align_inputs import Opener
from emviewer.engine.jobs.align_params import AlignParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.params import validated
from emviewer.engine.task import never
from emviewer.engine.types import RigidTransform
from emviewer.ui import colormaps, motion_text, results_align
from emviewer.ui.canvas import to_words
from emviewer.ui.opening import read_document
from emviewer.ui.panels.align_pair import shifted, turned
from emviewer.ui.panels.align_volumes import Told, read_inputs, read_volume
from emviewer.ui.panels.difference import significant
from emviewer.ui.panels.difference_read import read_maps
from emviewer.ui.panels.fsc import crossings
from emviewer.ui.panels.fsc_masks import correlate_within
from emviewer.ui.panels.fsc_plot import FscPlot, Line
from emviewer.ui.panels.shell import write_report
from emviewer.ui.panels.slices_state import PLANES
from emviewer.ui.workspace import Document

N, PIXEL = 24, 2.0
MOTION = RigidTransform(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]), np.array([4.0, 0.0, -2.0]))


def density() -> np.ndarray:
    """Return a map without symmetry."""
    z, y, x = np.indices((N, N, N)) - N // 2
    centres = ((0, 0, 0, 1.0), (5, 1, 0, 0.8), (-2, 4, 3, 0.9), (1, -3, -4, 0.7))
    found = sum(a * np.exp(-((x - i) ** 2 + (y - j) ** 2 + (z - k) ** 2) / 4.0) for i, j, k, a in centres)
    return np.asarray(found, np.float32)


@pytest.fixture
def folder(tmp_path):
    """Return the result folder of an alignment of one map, and where its one difference is (z, y, x)."""
    out = tmp_path / "result"
    for name in ("aligned", "difference", "fsc", "search"):
        (out / name).mkdir(parents=True)
    reference = density()
    back = RigidTransform(MOTION.matrix.T, -MOTION.matrix.T @ MOTION.translation_A)
    moving = move_map(reference, PIXEL, back, Grid3D((N, N, N), PIXEL))
    mrc.write_map(tmp_path / "moving.mrc", moving, PIXEL)
    mrc.write_map(out / "reference.mrc", reference, PIXEL)
    mrc.write_map(out / "aligned" / "moving.mrc", reference, PIXEL)
    difference = np.zeros_like(reference)
    difference[4:7, 15:18, 9:12] = 0.5
    mrc.write_map(out / "difference" / "moving.mrc", difference, PIXEL)
    mrc.write_map(out / "difference" / "moving_z.mrc", difference * 20, PIXEL)
    at = (10 * PIXEL, 16 * PIXEL, 5 * PIXEL)
    blobs = {"sign": [1], "volume_A3": [216.0], "x_A": at[0], "y_A": at[1], "z_A": at[2], "peak_z": 10.0}
    pd.DataFrame(blobs | {"mass_fraction": 0.01}).to_csv(out / "difference" / "moving_blobs.csv", index=False)
    frequency = np.arange(1, 13) / (N * PIXEL)
    curve = pd.DataFrame({"frequency_inv_A": frequency, "fsc_before": 0.1, "fsc_after": np.linspace(1, 0, 12)})
    curve.assign(fsc_masked=np.nan, fsc_corrected=np.nan, half_bit=0.3).to_csv(out / "fsc" / "moving.csv", index=False)
    scores = {"angle_deg": [0.0, 90.0, 10.0], "score": [0.9, 0.2, 0.4], "flipped": [0, 0, 1]}
    pd.DataFrame(scores).to_csv(out / "search" / "moving.csv", index=False)
    facts = {
        "name": "moving", "path": str(tmp_path / "moving.mrc"), "rotation": MOTION.matrix.tolist(),
        "translation_A": MOTION.translation_A.tolist(), "hand_flipped": False, "hand": "same", "cc_before": 0.2,
        "cc_after": 0.99, "cc_other_hand": 0.5, "chimerax_matrix": np.eye(3, 4).tolist(),
        "axis_angle": [0, 0, 1, 90.0], "euler_zyz_deg": [0, 0, 90.0], "sigma_angle_deg": 0.01, "sigma_shift_A": 0.02,
    }  # fmt: skip
    (out / "transforms.json").write_text(json.dumps([facts]))
    parameters = {"reference": str(out / "reference.mrc"), "maps": [facts["path"]]}
    (out / "job.json").write_text(json.dumps({"job": "align", "status": "complete", "parameters": parameters}))
    return out


@pytest.fixture
def opened(window, qtbot, folder):
    """Return the window with the result open, and its panel of a kind when it shows its maps."""
    document = window.open_document(read_document(folder))

    def panel(kind):
        found = window.area.open_panel(kind, document)
        qtbot.waitUntil(lambda: found.reference is not None, timeout=20000)
        return found

    return window, document, panel


def test_a_result_opens_alignment_difference_and_fsc(qtbot, opened):
    window, document, _ = opened
    qtbot.waitUntil(lambda: {p.kind for p in window.area.panels()} == {"align", "difference", "fsc"})
    assert window.area.front().kind == "align"
    each = results_align.of(document).current
    assert each.moving is not None and each.difference is not None and len(each.search) == 3
    np.testing.assert_allclose(each.found.matrix, MOTION.matrix)
    assert "90.00°" in document.info["Map moving"]


def test_a_flipped_hand_is_in_the_motion():
    facts = {"rotation": np.eye(3).tolist(), "translation_A": [0, 0, 0], "hand_flipped": True}
    found = results_align.motion_of(facts)
    np.testing.assert_allclose(found.matrix, np.diag([1, 1, -1]))
    assert results_align.motion_of({"name": "x"}) is None
    text = motion_text.motion_text(found, facts)
    assert "hand flipped (z)    yes" in text and "0.000°" in text


def test_cuts_of_a_moved_map_are_those_of_the_map_moved(folder):
    moving, reference = mrc.read_map(folder.parent / "moving.mrc"), mrc.read_map(folder / "reference.mrc")
    cutter = MovedCuts(moving, reference)
    for plane in PLANES:
        seen = cutter.cut(MOTION, plane.axes, N // 2)
        truth = np.take(reference.data, N // 2, axis=2 - plane.normal)
        truth = truth.T if plane.normal == 0 else truth
        assert np.corrcoef(seen.ravel(), truth.ravel())[0, 1] > 0.99


def test_the_quick_copy_stands_where_the_map_stands():
    big = np.zeros((200, 200, 200), np.float32)
    big[90:110, 60:80, 130:150] = 1
    volume = mrc.Map3D(big, 1.0)
    cutter = MovedCuts(volume, volume)
    still = RigidTransform(np.eye(3), np.zeros(3))
    for plane in PLANES:
        index = (140, 70, 100)[plane.normal]
        full, quick = cutter.cut(still, plane.axes, index), cutter.cut(still, plane.axes, index, quick=True)
        assert quick.shape[0] * 2 <= full.shape[0]
        step = cutter.coarse
        centres = [np.array(np.nonzero(image > 0.5)).mean(axis=1) for image in (full, quick)]
        np.testing.assert_allclose(centres[1] * step + (step - 1) / 2, centres[0], atol=1.0)


def test_before_shows_the_map_as_it_came_and_after_where_it_lies(qtbot, opened):
    panel = opened[2]("align")
    assert not panel.before.isChecked()

    def likeness():
        pair = panel.pairs.get("XY")
        return -1.0 if pair is None else np.corrcoef(pair.first.ravel(), pair.second.ravel())[0, 1]

    qtbot.waitUntil(lambda: likeness() > 0.98)
    panel.before.setChecked(True)
    qtbot.waitUntil(lambda: likeness() < 0.9)
    assert "0.000 Å" in panel.text.text.toPlainText()


def test_what_cannot_be_shown_is_said(window, qtbot, opened, folder):
    _, document, make = opened
    panel = make("align")
    (folder.parent / "moving.mrc").unlink()
    (folder / "aligned" / "moving.mrc").unlink()
    fresh = read_document(folder)
    document.info = fresh.info
    window.workspace.touch(document)
    assert "no longer where they were" in panel.empty.text() and panel.empty.isVisibleTo(panel)
    document.info = {"job": "align", "Status": "partial"}
    window.workspace.touch(document)
    assert panel.empty.text() == "The job ended before it had aligned a map."
    panel.show_document(None)
    assert panel.empty.text() == "Align maps to see them in one frame."


def test_a_map_moved_by_hand_is_undone_and_redone(qtbot, opened):
    window, _, make = opened
    panel = make("align")
    panel.hand.setChecked(True)
    canvas, plane = panel.area.cells[0, "XY"], PLANES[0]
    canvas.dragged.emit(10 * canvas.scale, 0.0, Qt.KeyboardModifier.NoModifier)
    canvas.drag_ended.emit()
    moved = panel.shown.by_hand
    np.testing.assert_allclose(moved.translation_A - MOTION.translation_A, [10 * PIXEL, 0, 0], atol=1e-6)
    window.history.undo()
    assert panel.shown.by_hand is None
    window.history.redo()
    assert panel.shown.by_hand is moved
    assert panel.back.isEnabled() and plane.normal == 2


def test_refining_from_a_start_by_hand_finds_the_map_again(qtbot, opened):
    panel = opened[2]("align")
    panel._edit("move by hand", turned(MOTION, PLANES[0], 8.0, np.zeros(3)))
    panel.refine_from_here()
    qtbot.waitUntil(panel.refine.isEnabled, timeout=60000)
    found = panel.shown.by_hand
    assert results_align.angle_deg(found.matrix @ MOTION.matrix.T) < 0.5
    np.testing.assert_allclose(found.translation_A, MOTION.translation_A, atol=0.2)
    assert "refined" in panel.quality.text()


def test_apply_writes_the_map_where_it_is_shown(qtbot, opened, tmp_path):
    window, _, make = opened
    panel = make("align")
    panel.apply_to(tmp_path / "applied.mrc")
    qtbot.waitUntil(lambda: any(d.title == "applied" for d in window.workspace.documents.values()), timeout=20000)
    written = mrc.read_map(tmp_path / "applied.mrc")
    assert np.corrcoef(written.data.ravel(), density().ravel())[0, 1] > 0.999


@pytest.mark.parametrize("closed", [False, True])
def test_a_map_is_written_though_another_is_looked_at_or_the_panel_closed(qtbot, opened, tmp_path, closed):
    window, _, make = opened
    panel = make("align")
    job = panel.apply_to(tmp_path / "applied.mrc")
    if closed:
        window.area.close_panel(panel)
    else:
        panel.show_document(None)
    qtbot.waitUntil(lambda: any(d.title == "applied" for d in window.workspace.documents.values()), timeout=20000)
    assert (tmp_path / "applied.mrc").is_file() and job.state == "complete"


def test_a_map_that_cannot_be_written_is_said(qtbot, opened, tmp_path):
    panel = opened[2]("align")
    panel.apply_to(tmp_path / "nowhere" / "applied.mrc")
    qtbot.waitUntil(lambda: panel.quality.text().startswith("applied.mrc was not written:"), timeout=20000)


def test_refining_can_be_asked_for_again_after_another_document_was_looked_at(opened):
    _, document, make = opened
    panel = make("align")
    panel.refine_from_here()
    assert not panel.refine.isEnabled()
    panel.show_document(None)
    panel.show_document(document)
    assert panel.refine.isEnabled()


def test_hand_and_its_scores_are_said_and_the_motion_can_be_copied(opened):
    panel = opened[2]("align")
    assert panel.badge.text() == "✓ hand kept: cc 0.990, other hand 0.500"
    panel.do_copy()
    text = QGuiApplication.clipboard().text()
    assert "view matrix models #2," in text and "Euler ZYZ" in text
    assert [name for name, *_ in panel.scatter.hands] == ["same hand", "flipped"]


def test_each_way_of_writing_the_motion_can_be_copied_alone(opened):
    window, _, make = opened
    panel = make("align")
    said = {}
    for action in panel.text.menu.actions():
        action.trigger()
        said[action.text()] = QGuiApplication.clipboard().text()
    rows = np.array([line.split() for line in said["Matrix and translation"].splitlines()], float)
    np.testing.assert_allclose(rows, np.column_stack([MOTION.matrix, MOTION.translation_A]), atol=1e-6)
    assert said["Euler angles and shift"].startswith("rot ")
    numbers = np.array(said["ChimeraX command"].removeprefix("view matrix models #2,").split(","), float).reshape(3, 4)
    corner = -N // 2 * PIXEL  # both origins are at the corner: voxel 0 goes where the motion about the centre puts it
    np.testing.assert_allclose(
        numbers @ [0, 0, 0, 1], MOTION.matrix @ np.full(3, corner) + MOTION.translation_A - corner, atol=1e-5
    )
    assert said["Start for emviewer align"].startswith("--start=")
    panel._edit("move by hand", shifted(MOTION, PLANES[0], 3.0, 0.0))
    assert "view matrix models #2" in panel.text.text.toPlainText(), "a motion by hand has its command too"
    assert "sigma" not in panel.text.text.toPlainText()
    window.history.undo()


@pytest.mark.parametrize("flipped", [False, True])
def test_a_start_means_to_the_job_what_the_panel_shows(flipped):
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]])
    motion = RigidTransform(turn @ np.diag([1, 1, -1]) if flipped else turn, np.array([1.5, -20.25, 0.0]))
    given = validated(AlignParams, {"reference": "r", "maps": ["m"], "start": [motion_text.start_text(motion)]})
    back = start_of(given, 0)
    np.testing.assert_allclose(back.matrix, motion.matrix, atol=1e-5)
    np.testing.assert_allclose(back.translation_A, motion.translation_A, atol=1e-4)


def test_the_job_can_be_run_again_from_where_a_hand_put_the_map(opened, folder):
    window, _, make = opened
    panel = make("align")
    moved = turned(MOTION, PLANES[0], 8.0, np.zeros(3))
    panel._edit("move by hand", moved)
    panel.run_from_here()
    form = window.inspector.task()
    values = form.form.values()
    assert form.job == "align" and values["maps"] == [str(folder.parent / "moving.mrc")]
    np.testing.assert_allclose(start_of(form.params(), 0).matrix, moved.matrix, atol=1e-5)


def test_running_a_job_again_that_was_stopped_gives_each_map_a_start(opened, folder):
    window, document, make = opened
    panel = make("align")
    maps = [str(folder.parent / name) for name in ("moving.mrc", "second.mrc", "third.mrc")]
    for file in maps[1:]:
        mrc.write_map(file, density(), PIXEL)
    results_align.of(document).parameters["maps"] = maps
    panel.run_from_here()
    params = window.inspector.task().params()
    assert [str(m) for m in params.maps] == maps and len(params.start) == 3
    np.testing.assert_allclose(start_of(params, 0).matrix, MOTION.matrix, atol=1e-5)
    assert start_of(params, 1) is None and start_of(params, 2) is None


def test_what_was_seen_is_seen_again_with_what_a_hand_moved(qtbot, opened, window, folder):
    _, document, make = opened
    panel = make("align")
    moved = turned(MOTION, PLANES[0], 8.0, np.zeros(3))
    panel._edit("move by hand", moved)
    panel.set_mode("side")
    other = make("difference")
    other.share_box.setValue(7.0)
    other.dark.setChecked(True)
    other.scores.setCurrentIndex(1)
    curves = window.area.open_panel("fsc", document)
    curves.level.setValue(0.3)
    states = json.loads(json.dumps([p.state() for p in (panel, other, curves)]))
    panel._edit("back", None)
    panel.set_mode("overlay")
    other.share_box.setValue(2.0)
    other.dark.setChecked(False)
    other.scores.setCurrentIndex(0)
    curves.level.setValue(0.0)
    for p, kept in zip((panel, other, curves), states, strict=True):
        p.restore(kept)
    np.testing.assert_allclose(panel.shown.by_hand.matrix, moved.matrix)
    assert panel.mode == "side" and other.share_box.value() == 7.0 and other.dark.isChecked() and other.as_z
    assert curves.level.value() == 0.3


def test_blinking_goes_on_only_while_it_is_seen(qtbot, opened):
    window, document, make = opened
    panel = make("align")
    panel.set_mode("blink")
    assert panel.blinker.isActive()
    panel.blinker.setInterval(20)
    qtbot.waitUntil(lambda: panel.blinking)
    assert panel.label(0).startswith("Moving map")
    window.area.open_panel("fsc", document)
    qtbot.waitUntil(lambda: panel.visibleRegion().isEmpty())
    now = panel.blinking
    panel.blink_once()
    assert panel.blinking == now
    panel.set_mode("overlay")
    assert not panel.blinking and not panel.blinker.isActive()


def test_what_is_seen_can_be_drawn_again_as_a_figure_and_as_a_report(qtbot, opened, tmp_path):
    window, document, make = opened
    for kind in ("align", "difference"):
        spec = make(kind).figure_spec()
        figure.render(json.loads(json.dumps(spec)) | {"width_mm": 85.0, "dpi": 60}, tmp_path / f"{kind}.svg")
        assert "<svg" in (tmp_path / f"{kind}.svg").read_text()
    figure.render(make("align").search_spec(), tmp_path / "search.svg")
    assert "moving: scores of the search" in (tmp_path / "search.svg").read_text()
    curves = window.area.open_panel("fsc", document).figure_spec()
    figure.render(curves, tmp_path / "fsc.svg")
    assert "after, unmasked" in (tmp_path / "fsc.svg").read_text()
    spec = results_align.report_spec(results_align.of(document))
    write_report(make("align"), spec | {"dpi": 60}, tmp_path / "report")
    qtbot.waitUntil(lambda: (tmp_path / "report.json").exists(), timeout=30000)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_a_turn_keeps_the_point_it_is_about():
    about = np.array([3.0, -2.0, 5.0])
    for plane in PLANES:
        made = turned(MOTION, plane, 30.0, about)
        point = MOTION.matrix.T @ (about - MOTION.translation_A)
        np.testing.assert_allclose(made.matrix @ point + made.translation_A, about, atol=1e-9)
        # clockwise on the screen: what lies along the columns goes towards higher rows
        arm = np.eye(3)[plane.across]
        assert ((made.matrix @ MOTION.matrix.T) @ arm)[plane.down] == pytest.approx(0.5)
        np.testing.assert_allclose(
            shifted(MOTION, plane, 1.0, 2.0).translation_A - MOTION.translation_A,
            np.eye(3)[plane.across] + 2 * np.eye(3)[plane.down],
        )


def test_dark_corners_of_a_turned_map_do_not_wash_it_out(tmp_path):
    corners = density()
    corners[:5] = -3.0  # a fifth of the voxels
    mrc.write_map(tmp_path / "a.mrc", density(), PIXEL)
    mrc.write_map(tmp_path / "b.mrc", 2 * corners, PIXEL)
    reference, moving = (read_volume(tmp_path / name) for name in ("a.mrc", "b.mrc"))
    given = reference.contrast()
    found = moving.contrast(reference, given)
    assert found.high == pytest.approx(2 * given.high, rel=0.05)
    assert found.low == pytest.approx(2 * given.low, abs=0.1)


def test_zero_difference_is_exactly_white(qtbot, opened):
    panel = opened[2]("difference")
    c = panel.difference_contrast()
    assert c.low == -c.high and c.colormap in colormaps.DIVERGING
    word = to_words(np.zeros((1, 1), np.float32), c)[0, 0]
    assert word & 0xFFFFFF == 0xFFFFFF
    ranges = {panel.area.cells[2, plane.name]._contrast for plane in PLANES}
    assert ranges == {c}


def seen(panel, x, y):
    """Return the difference at a pixel of the XY cut that is shown; 0 while there is none."""
    made = panel.cuts.get("XY")
    return 0.0 if made is None else made.images[2][y, x]


def test_a_blob_takes_the_cursor_there(qtbot, opened):
    panel = opened[2]("difference")
    panel.blobs.view.selectRow(0)
    assert panel.current.voxel == (10, 16, 5)
    qtbot.waitUntil(lambda: seen(panel, 10, 16) == pytest.approx(0.5))


def test_differences_can_be_shown_as_z_scores(qtbot, opened):
    panel = opened[2]("difference")
    panel.go_to((10, 16, 5))
    qtbot.waitUntil(lambda: seen(panel, 10, 16) > 0)
    panel.scores.setCurrentIndex(1)
    panel.recolour()
    assert panel.area.cells[2, "XY"].value_at(10, 16) == pytest.approx(10.0)
    assert panel.difference_contrast().high == panel.range_box.value()


def test_what_is_not_significant_stays_clear():
    picture = significant(np.array([[0.0, 2.9, 3.5, -8.0]], np.float32), 3.0)
    clear = [picture.pixelColor(x, 0).alpha() == 0 for x in range(4)]
    assert clear == [True, True, False, False]
    assert picture.pixelColor(2, 0).red() > picture.pixelColor(3, 0).red()


def test_fsc_says_its_crossings_and_reads_out_under_the_cursor(qtbot, opened):
    window, document, _ = opened
    panel = window.area.open_panel("fsc", document)
    found = crossings(panel.curves)
    frequency = np.arange(1, 13) / (N * PIXEL)
    assert found["0.5"] == pytest.approx(1 / np.interp(0.5, np.linspace(0, 1, 12), frequency[::-1]))
    assert [line.name for line in panel.plot.lines] == ["before", "after, unmasked", "half-bit"]
    assert "not gold standard" in panel.plot.title
    said = []
    panel.status.connect(said.append)
    panel.plot.set_cursor(float(frequency[5]))
    assert f"{1 / frequency[5]:.2f} Å" in said[-1] and "before 0.100" in said[-1]


def test_curves_within_another_mask_and_a_threshold_of_ones_own(qtbot, opened, tmp_path):
    window, document, _ = opened
    panel = window.area.open_panel("fsc", document)
    assert "masked" not in [line.name for line in panel.plot.lines]
    ball = np.zeros((N, N, N), np.float32)
    ball[4:20, 4:20, 4:20] = 1
    mrc.write_map(tmp_path / "ball.mrc", ball, PIXEL)
    panel.set_mask(str(tmp_path / "ball.mrc"))
    qtbot.waitUntil(lambda: "masked" in [line.name for line in panel.plot.lines], timeout=20000)
    # the aligned map of this result is the reference itself
    assert np.allclose(panel.curves["fsc_masked"], 1.0, atol=1e-3) and panel.mask_button.text() == "Mask: ball.mrc ▾"
    spec = panel.figure_spec()
    assert "values" in spec
    figure.render(json.loads(json.dumps(spec)), tmp_path / "masked.svg")
    assert "corrected for the mask" in (tmp_path / "masked.svg").read_text()
    panel.set_mask("")
    panel.level.setValue(0.8)
    frequency = np.arange(1, 13) / (N * PIXEL)
    crossed = 1 / np.interp(0.8, np.linspace(0, 1, 12), frequency[::-1])
    assert f"0.8  {crossed:.2f} Å" in [b.text() for b in panel.badges] and 0.8 in panel.plot.levels


def test_curves_of_an_earlier_document_are_not_taken_for_those_of_the_next(qtbot, opened, folder, monkeypatch):
    window, document, _ = opened
    panel = window.area.open_panel("fsc", document, pinned=True)
    go_on = threading.Event()

    def slow(*given):
        assert go_on.wait(10)
        return panel.curves

    monkeypatch.setattr("emviewer.ui.panels.fsc.correlate_within", slow)
    panel.set_mask("none")
    second = Document("result", "second", info=read_document(folder).info)
    panel.show_document(second)
    done = []
    window.runner.view("after it", lambda check: None, done.append, slow=True)
    go_on.set()
    qtbot.waitUntil(lambda: bool(done))
    assert panel.document is second and panel._masked == {}


def test_a_mask_that_does_not_fit_is_said_and_nothing_changes(qtbot, opened, tmp_path):
    window, document, _ = opened
    panel = window.area.open_panel("fsc", document)
    mrc.write_map(tmp_path / "small.mrc", np.ones((8, 8, 8), np.float32), PIXEL)
    panel.set_mask(str(tmp_path / "small.mrc"))
    qtbot.waitUntil(lambda: "8 × 8 × 8" in panel.said.text(), timeout=20000)
    assert panel.mask == "" and panel.mask_button.text() == "Mask: as the job ▾"


def test_a_curve_that_never_crosses_has_no_resolution():
    table = pd.DataFrame({"frequency_inv_A": [0.1, 0.2, 0.3], "fsc": [0.99, 0.9, 0.8]})
    assert crossings(table) == {"0.5": None, "0.143": None}
    assert crossings(None) == {}


def test_the_plot_leaves_out_what_is_not_a_number(qtbot):
    plot = FscPlot()
    qtbot.addWidget(plot)
    line = Line("corrected", np.array([1.0, np.nan, 0.2]), "#000000", "#ffffff")
    plot.show_lines(np.array([0.1, 0.2, 0.3]), [line])
    plot.resize(300, 200)
    assert not plot.grab().isNull()
    assert plot.values_at(0.3) == [(line, pytest.approx(0.2))]


def test_difference_and_fsc_jobs_open_too(window, qtbot, tmp_path, folder):
    difference = tmp_path / "diff"
    difference.mkdir()
    (folder / "difference" / "moving.mrc").rename(difference / "difference.mrc")
    (folder / "difference" / "moving_z.mrc").rename(difference / "difference_z.mrc")
    parameters = {"reference": str(folder / "reference.mrc"), "map": str(folder / "aligned" / "moving.mrc")}
    record = {"job": "difference", "status": "complete", "parameters": parameters | {"pixel_size": PIXEL}}
    (difference / "job.json").write_text(json.dumps(record))
    (difference / "summary.json").write_text(json.dumps({"n_blobs": 1, "misregistration": 0.4}))
    document = window.open_document(read_document(difference))
    panel = window.area.open_panel("difference", document)
    qtbot.waitUntil(lambda: panel.reference is not None, timeout=20000)
    assert len(panel.blobs.model.table) == 1, "pieces are found where the job wrote no table"
    assert panel.figure_spec()["pixel_size_A"] == pytest.approx(PIXEL), "its figure reads the maps as the job did"
    assert "misregistration" in panel.note.text() and panel.note.isVisibleTo(panel)
    assert [panel.label(row) for row in (0, 1)] == ["Reference", "Map"], "nothing was aligned"


def untold(path, pixel_size_A):
    """Write a map whose header tells no pixel size (0) or this one; return its place."""
    mrc.write_map(path, density(), PIXEL)
    with path.open("r+b") as file:
        file.seek(40)
        file.write(np.full(3, N * pixel_size_A, "<f4").tobytes())
    return path


@pytest.mark.parametrize(("first", "second", "sizes"), [(0, 0, [3, 3]), (2, 0, [2, 3]), (0, 2, [3, 2]), (1, 2, [3, 3])])
def test_the_pixel_size_goes_where_the_job_put_it(tmp_path, first, second, sizes):
    paths = [untold(tmp_path / "a.mrc", first), untold(tmp_path / "b.mrc", second)]
    found = read_inputs(paths, never, 3.0)
    assert [v.map.pixel_size_A for v in found] == pytest.approx(sizes)
    result = ResultFolder(tmp_path / "out")
    theirs = Opener(result, 3.0, None).open(paths)
    result.discard()
    assert [v.pixel_size_A for v in theirs] == pytest.approx(sizes)
    assert read_inputs([None, paths[0]], never)[0] is None
    told = Told.of({"reference": str(paths[0]), "maps": [str(paths[1])], "pixel_size": 3.0})
    assert [read_volume(p, never, told.size_of(p)).map.pixel_size_A for p in paths] == pytest.approx(sizes)
    copy = untold(tmp_path / "aligned.mrc", 2)
    assert told.size_of(copy) is None, "what the job wrote tells its own"
    assert Told.of({"reference": str(paths[0])}).size_of(paths[0]) is None


def test_the_figure_of_maps_whose_headers_disagree_has_the_size_of_each(window, qtbot, folder):
    """The reference tells no pixel size and was told one; the moving map keeps that of its header."""
    untold(folder / "reference.mrc", 0)
    record = json.loads((folder / "job.json").read_text())
    record["parameters"]["pixel_size"] = 3.0
    (folder / "job.json").write_text(json.dumps(record))
    panel = window.area.open_panel("align", window.open_document(read_document(folder)))
    qtbot.waitUntil(lambda: panel.reference is not None, timeout=20000)
    spec = panel.figure_spec()
    assert (spec["pixel_size_A"], spec["map_pixel_size_A"]) == pytest.approx((3.0, PIXEL))
    assert panel.moving.map.pixel_size_A == pytest.approx(PIXEL)


def test_maps_of_a_difference_are_shown_with_the_pixel_size_its_job_was_told(tmp_path):
    given, moved = untold(tmp_path / "a.mrc", 0), untold(tmp_path / "b.mrc", 0)
    mrc.write_map(tmp_path / "difference.mrc", 0.1 * density(), PIXEL)
    found = read_maps(given, moved, tmp_path / "difference.mrc", None, (PIXEL, None), None, never)
    for volume in (found.reference, found.aligned):
        assert volume.map.pixel_size_A == PIXEL
        np.testing.assert_array_equal(volume.data, density())  # not resampled


@pytest.mark.parametrize(("job", "finest_A"), [("fsc", 2 * 3.0), ("align", 2 * PIXEL)])
def test_curves_within_another_mask_have_the_shells_of_the_jobs_curves(tmp_path, job, finest_A):
    maps = [untold(tmp_path / name, PIXEL) for name in ("a.mrc", "b.mrc")]
    found = results_align.Alignment(job, parameters={"pixel_size": 3.0})
    before = pd.DataFrame({"frequency_inv_A": [0.1], "fsc": [1.0]})
    table = correlate_within(*maps, "none", before, found.told, never)
    assert 1 / table["frequency_inv_A"].max() == pytest.approx(finest_A)


def test_dragging_is_shown_at_reduced_resolution_at_once(qtbot, opened):
    panel = opened[2]("align")
    canvas = panel.area.cells[0, "XZ"]
    canvas.dragged.emit(5.0, 0.0, Qt.KeyboardModifier.ShiftModifier)
    assert results_align.angle_deg(panel.motion().matrix @ MOTION.matrix.T) > 1
    qtbot.waitUntil(lambda: not any(p.busy for p in panel._pacers.values()))
    canvas.drag_ended.emit()
    assert panel.shown.by_hand is not None and canvas.to_image(QPointF(0, 0)) is not None
