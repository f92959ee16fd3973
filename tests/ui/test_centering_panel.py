"""The centring panel: pairs of a centring, centres set by hand, decisions, undo, estimates anew, what is saved."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtTest import QTest

from emviewer.engine import star
from emviewer.engine.centering_move import centred
from emviewer.engine.jobs.center import SPEC
from emviewer.engine.jobs.center_again import read_result
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc import StackWriter
from emviewer.engine.params import validated
from emviewer.engine.task import drain
from emviewer.ui import centering_paint, centering_read, centering_session
from emviewer.ui.centering_editor import CenterEditor
from emviewer.ui.thumbnails import TileStyle, painted

BOX, PIXEL, MIC_PIXEL = 48, 3.0, 1.5
CENTRES = ((5.0, -3.0), (0.0, 2.0), (-4.0, 0.0), (0.0, 0.0))
"""Of the class averages; the last is empty."""
NUMBERS = [1, 1, 1, 2, 2, 3, 9]
"""Classes of the members: class 4 has none, the last member's class has no average."""


def blobs(centres):
    y, x = np.indices((BOX, BOX)) - BOX // 2
    return np.array([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 60) for a, b in centres], np.float32)


def project(folder, *, members=True):
    """Write class averages, members, particle images; return the parameters of the job."""
    images = blobs(CENTRES)
    images[-1] = 0
    with StackWriter(folder / "classes.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(images)
    if not members:
        return {"classes": str(folder / "classes.mrcs"), "report": "none"}
    n = len(NUMBERS)
    with StackWriter(folder / "p.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(blobs([CENTRES[min(c, 4) - 1] for c in NUMBERS]))
    with StackWriter(folder / "m.mrc", (600, 600), MIC_PIXEL) as writer:
        writer.append(np.zeros((1, 600, 600), np.float32))
    table = {
        "rlnCoordinateX": [f"{100 + 50 * i}.0" for i in range(n)],
        "rlnCoordinateY": ["200.0"] * n,
        "rlnImageName": [f"{i + 1:06d}@p.mrcs" for i in range(n)],
        "rlnMicrographName": ["m.mrc"] * n,
        "rlnClassNumber": [str(c) for c in NUMBERS],
        "rlnAnglePsi": ["0.0"] * n,
        "rlnOriginXAngst": ["0.0"] * n,
        "rlnOriginYAngst": ["0.0"] * n,
        "rlnOpticsGroup": ["1"] * n,
    }
    optics = {"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnMicrographPixelSize": ["1.5"]}
    star.write_star(folder / "particles.star", {"optics": pd.DataFrame(optics), "particles": pd.DataFrame(table)})
    return {"classes": str(folder / "classes.mrcs"), "particles": str(folder / "particles.star"), "report": "none"}


def centering_of(window):
    return next((c for d in window.workspace.documents.values() if (c := centering_session.of(d))), None)


def open_panel(qtbot, window, folder):
    """Open a result folder and wait for its members; return the panel in front."""
    window.open_paths([folder])
    qtbot.waitUntil(
        lambda: (c := centering_of(window)) is not None and (c.inputs is not None or c.problem != ""), timeout=10000
    )
    panel = window.area.front()
    assert panel.kind == "centering"
    qtbot.waitUntil(lambda: panel.editor.image is not None, timeout=5000)
    return panel


@pytest.fixture
def result(tmp_path):
    drain(run_job(SPEC, validated(CenterParams, project(tmp_path)), tmp_path / "out"))
    return tmp_path / "out"


def places(path):
    """Centres that a RELION table means, in micrograph pixels."""
    table = star.read_star(path)["particles"]
    return np.stack(
        [
            star.numbers(table, f"rlnCoordinate{a}") - star.numbers(table, f"rlnOrigin{a}Angst") / MIC_PIXEL
            for a in "XY"
        ],
        axis=1,
    )


def save(qtbot, panel, path, store="both"):
    job = panel.save(path, store)
    qtbot.waitUntil(lambda: not job.active, timeout=10000)
    assert job.state == "complete", job.error
    return path


def test_a_result_opens_with_what_was_found(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    centering = panel.centering
    assert [int(r) for r in panel.rows.shown] == sorted(range(4), key=lambda i: (centering.choices[i].confidence, i))
    assert panel.row == 3 and not centering.choices[3].moves
    np.testing.assert_allclose(centering.offset_px()[:3], CENTRES[:3], atol=0.15)
    assert "6 of 7 particles move" in panel.summary.text()
    assert "1 particle without a class average" in panel.summary.text()
    assert "1 class left alone" in panel.summary.text()
    assert panel.document.table["n_members"].tolist() == [3, 2, 1, 0]
    assert "no members" in panel.strip.message
    panel.go_to(0)
    qtbot.waitUntil(lambda: len(panel.strip.pictures[0]) == 3, timeout=5000)
    assert panel.strip.rows.tolist() == [0, 1, 2]
    assert panel.histogram.counts[0].sum() == 7


def test_dragging_sets_the_centre_and_undo_takes_it_back(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    panel.go_to(1)
    qtbot.waitUntil(lambda: panel.editor.image is not None and panel.editor.choice is panel.centering.choices[1])
    centering, editor = panel.centering, panel.editor
    before, _ = editor.halves()
    scale = before.width() / BOX
    middle = editor._middle(before)
    goal = (middle + QPointF(9 * scale, -6 * scale)).toPoint()
    QTest.mousePress(editor, Qt.MouseButton.LeftButton, pos=goal)
    QTest.mouseRelease(editor, Qt.MouseButton.LeftButton, pos=goal)
    chosen = centering.choices[1]
    np.testing.assert_allclose((chosen.x_px, chosen.y_px), (9, -6), atol=0.6 / scale + 1e-6)
    assert (chosen.method, chosen.verdict) == ("hand", "accepted")
    qtbot.waitUntil(lambda: abs(centering.moved.moved_px[3, 0] - chosen.x_px * PIXEL / MIC_PIXEL) < 1e-6)
    assert "1 changed" in panel.summary.text()
    # over the other picture the particle itself is dragged, so its centre goes the other way
    _, after = editor.halves()
    scale = after.width() / BOX
    at = after.center().toPoint()
    QTest.mousePress(editor, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(editor, at + QPoint(10, 0))
    QTest.mouseRelease(editor, Qt.MouseButton.LeftButton, pos=at + QPoint(10, 0))
    assert centering.choices[1].x_px == pytest.approx(chosen.x_px - 10 / scale)
    window.do_undo()
    assert centering.choices[1] == chosen
    window.do_undo()
    assert centering.choices[1] == centering.found[1]
    window.do_redo()
    assert centering.choices[1] == chosen
    editor.setFocus()
    QTest.keyClick(editor, Qt.Key.Key_Right)
    QTest.keyClick(editor, Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_allclose(
        (centering.choices[1].x_px, centering.choices[1].y_px), (chosen.x_px + 1, chosen.y_px - 0.1), atol=1e-3
    )


def test_what_a_person_decided_is_saved_and_kept(qtbot, window, result, tmp_path):
    panel = open_panel(qtbot, window, result)
    centering = panel.centering
    panel.go_to(0)
    panel.set_centre(7.0, 1.5)
    panel.go_to(1)
    QTest.keyClick(panel.grid, Qt.Key.Key_R)
    assert centering.choices[1].verdict == "rejected"
    ratio, picks = PIXEL / MIC_PIXEL, np.array([[100 + 50 * i, 200] for i in range(7)], float)
    expected = picks.copy()
    expected[:3] += np.array([7.0, 1.5]) * ratio
    expected[5] += centering.offset_px()[2] * ratio
    saved = save(qtbot, panel, tmp_path / "saved.star")
    np.testing.assert_allclose(places(saved), expected, atol=1e-5)
    in_place = save(qtbot, panel, tmp_path / "in_place.star", "alignment")
    np.testing.assert_allclose(places(in_place), expected, atol=1e-5)
    assert star.read_star(in_place)["particles"]["rlnCoordinateX"].tolist()[0] == "100.0"
    assert (save(qtbot, panel, tmp_path / "report.svg")).stat().st_size > 10_000
    qtbot.waitUntil(lambda: (result / "by_hand.json").is_file() and "rejected" in (result / "by_hand.json").read_text())
    assert [c["row"] for c in json.loads((result / "by_hand.json").read_text())["classes"]] == [0, 1]
    window.workspace.remove(panel.document)
    panel = open_panel(qtbot, window, result)
    assert panel.centering.choices == centering.choices
    assert panel.centering.changed_rows().tolist() == [0, 1]


def test_coordinates_are_saved_in_a_folder_with_a_dot_in_its_name(qtbot, window, result, tmp_path):
    panel = open_panel(qtbot, window, result)
    for again in (False, True):
        job = panel.save(tmp_path / "run1.5", folder=True)
        qtbot.waitUntil(lambda job=job: not job.active, timeout=10000)
        assert (job.error is not None and "not empty" in str(job.error)) if again else job.state == "complete"
    assert [path.name for path in (tmp_path / "run1.5").iterdir()] == ["m.star"]
    assert not list(tmp_path.glob(".run*"))


def test_selected_classes_are_decided_together(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    panel.go_to(0)
    window.workspace.select(panel.document, [0, 2])
    panel.do_tag_reject()
    assert [c.verdict for c in panel.centering.choices] == ["rejected", "", "rejected", ""]
    window.do_undo()
    assert [c.verdict for c in panel.centering.choices] == [""] * 4
    panel.go_to(3)
    panel.do_tag_keep()
    assert panel.centering.choices[3].moves
    panel.do_tag_none()
    assert panel.centering.choices == panel.centering.found


def test_a_class_is_centred_by_another_estimator(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    panel.go_to(0)
    job = panel.estimate("xmipp")
    qtbot.waitUntil(lambda: not job.active, timeout=10000)
    qtbot.waitUntil(lambda: panel.centering.choices[0].method == "xmipp")
    chosen = panel.centering.choices
    np.testing.assert_allclose((chosen[0].x_px, chosen[0].y_px), CENTRES[0], atol=0.8)
    assert chosen[1:] == panel.centering.found[1:]
    window.do_undo()
    assert panel.centering.choices == panel.centering.found


def test_the_figure_shows_what_is_chosen(qtbot, window, result, tmp_path):
    from emviewer.engine import figure

    panel = open_panel(qtbot, window, result)
    panel.go_to(1)
    panel.set_centre(4.0, 2.0)
    window.workspace.select(panel.document, [0, 1, 3])
    spec = panel.figure_spec()
    assert sorted(spec["rows"]) == [0, 1, 3]
    assert spec["centres"][spec["rows"].index(1)][:2] == [4.0, 2.0]
    assert spec["moves"][spec["rows"].index(3)] is False
    for name in ("f.png", "f.svg", "f.pdf"):
        figure.render(spec, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 2000
    assert "by hand" not in "".join(spec["texts"]) and "hand 1.00" in "".join(spec["texts"])


def test_filters_and_orders(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    panel._sort("far")
    assert panel.rows.shown.tolist()[0] == 0
    panel._filter("alone")
    assert panel.rows.shown.tolist() == [3]
    panel._filter("changed")
    assert len(panel.rows) == 0 and panel.left.currentIndex() == 1
    panel.restore({"sort": "number", "filter": "all", "row": 2})
    assert panel.rows.shown.tolist() == [0, 1, 2, 3] and panel.row == 2


def test_a_particle_is_linked_with_its_class(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    panel.go_to(0)
    qtbot.waitUntil(lambda: len(panel.strip.rows) == 3, timeout=5000)
    said = []
    panel.links.particle_changed.connect(said.append)
    QTest.mouseClick(panel.strip, Qt.MouseButton.LeftButton, pos=panel.strip.cell(1, True).center().toPoint())
    assert panel.centering.particle == 1 and said == [panel.document]
    panel.links.set_particle(panel.document, 3)
    assert panel.row == 1
    panel.links.set_particle(panel.document, 6)
    assert panel.row == 1  # the class of this one has no average


def test_classes_stream_in_and_become_a_result(qtbot, window, tmp_path, held):
    seen = []
    window.workspace.changed.connect(
        lambda d: seen.append((d.streaming, len(centering_session.of(d)))) if centering_session.of(d) else None
    )
    go = held(lambda batch: len(batch.rows) and batch.done == 4)
    job = window.run_job("center", project(tmp_path), tmp_path / "out")
    qtbot.waitUntil(lambda: (True, 4) in seen, timeout=30000)
    go.set()
    qtbot.waitUntil(lambda: not job.active, timeout=30000)
    qtbot.waitUntil(lambda: (c := centering_of(window)) is not None and c.inputs is not None, timeout=10000)
    assert any("6 of 7 particles move" in notice.text for notice in window.notices.notices())
    panel = window.area.front()
    assert panel.kind == "centering" and not panel.document.streaming
    assert panel.header.save.isEnabled() and panel.centering.moved is not None


def test_classes_without_members_and_averages_that_are_gone(qtbot, window, tmp_path):
    drain(run_job(SPEC, validated(CenterParams, project(tmp_path, members=False)), tmp_path / "out"))
    panel = open_panel(qtbot, window, tmp_path / "out")
    assert "without members" in panel.strip.message
    assert panel.header.saves["mrcs"].isEnabled() and not panel.header.saves["star"].isEnabled()
    assert "3 of 4 classes move" in panel.summary.text()
    window.workspace.remove(panel.document)
    (tmp_path / "classes.mrcs").unlink()
    panel = open_panel(qtbot, window, tmp_path / "out")
    assert "as the job left them" in panel.notice.label.text()
    assert not panel.header.save.isEnabled()
    assert panel.grid.base_px(0) == pytest.approx(CENTRES[0], abs=0.15)


def test_picks_that_are_off_as_a_whole_are_said(qtbot, window, result):
    panel = open_panel(qtbot, window, result)
    assert panel.notice.isHidden()
    panel.centering.hints = ["1 of 7 particles have no class", "the picks as a whole stand beside the particles"]
    panel.links.members_changed.emit(panel.document)
    assert panel.notice.label.text() == "The picks as a whole stand beside the particles"


def test_nothing_to_show(qtbot, window):
    from emviewer.ui.panels.centering import CenteringPanel

    panel = CenteringPanel(window.workspace, window.runner)
    qtbot.addWidget(panel)
    assert panel.pages.currentIndex() == 0
    panel.decide("accept")
    assert panel.estimate("mass") is None
    panel.ask_and_save("star")
    assert "nothing to save" in panel.notice.label.text()


def test_the_picture_after_is_that_of_the_engine(qtbot):
    """A picture moved and turned while it is painted shows what the job writes."""
    image = blobs([(6.0, -4.0)])[0] + 0.5 * blobs([(12.0, 3.0)])[0]
    for psi in (0.0, 35.0):
        exact = centred(image[None], np.array([[-6.0, 4.0]]), np.array([psi]))
        style = TileStyle(BOX, (0.0, 1.2))
        before, wanted = (painted(a, style, PIXEL)[0] for a in (image[None], exact))
        canvas = QImage(BOX, BOX, QImage.Format.Format_RGB32)
        canvas.fill(QColor("black"))
        with QPainter(canvas) as painter:
            centering_paint.draw_moved(painter, QRectF(0, 0, BOX, BOX), before, QPointF(-6, 4), psi, BOX)

        def grey(picture):
            rows = [[picture.pixelColor(x, y).red() for x in range(BOX)] for y in range(BOX)]
            return np.array(rows, float)

        assert np.abs(grey(canvas) - grey(wanted)).mean() < 2.0


def test_members_of_a_class_are_found_at_once():
    """What the panel asks of members on the GUI thread does not grow with their number."""
    rng = np.random.default_rng(0)
    which = rng.integers(-1, 200, 1_000_000)
    grouped = centering_session.Grouped.of(which, 201)
    start = time.process_time()
    sizes = [len(grouped.rows(row)) for row in range(-1, 201)]
    assert time.process_time() - start < 0.05
    assert sum(sizes) == 1_000_000 and sizes[-1] == 0
    assert (which[grouped.rows(7)] == 7).all()
    assert len(grouped.rows(201)) == len(grouped.rows(-2)) == 0


def test_a_turned_picture_follows_the_mouse(qtbot):
    """Dragged by some way, the particle moves by that way on the screen, however the class is turned."""
    image = painted(blobs([(0.0, 0.0)]), TileStyle(BOX, (0.0, 1.0)), PIXEL)[0]
    editor = CenterEditor()
    qtbot.addWidget(editor)
    editor.resize(500, 280)
    editor.show()
    for psi, expected in ((0.0, (-4.0, 0.0)), (90.0, (0.0, 4.0)), (-90.0, (0.0, -4.0))):
        editor.show_class(image, centering_session.Choice(0.0, 0.0, psi, 1.0, "mass", False), BOX)
        _, after = editor.halves()
        at, way = after.center().toPoint(), round(4 * after.width() / BOX)
        QTest.mousePress(editor, Qt.MouseButton.LeftButton, pos=at)
        QTest.mouseMove(editor, at + QPoint(way, 0))
        np.testing.assert_allclose(editor.centre, expected, atol=0.2)
        # the engine places the object of this centre where the mouse has it
        there = centred(blobs([(0.0, 0.0)]), -np.array([editor.centre]), np.array([psi]))[0]
        np.testing.assert_allclose(np.unravel_index(there.argmax(), there.shape), (BOX // 2, BOX // 2 + 4), atol=0)
        QTest.mouseRelease(editor, Qt.MouseButton.LeftButton, pos=at + QPoint(way, 0))


BY_HAND = centering_session.Choice(7.0, 1.5, 0.0, 1.0, "hand", False, "accepted")


def test_what_a_person_changed_is_read_as_far_as_it_can_be(result):
    def choices():
        return centering_read.read_centering(result, {"job": "center"}, {}).info[centering_session.KEY].choices

    kept, found = result / centering_read.HAND_FILE, centering_session.choices_of(read_result(result).found)
    centering_read.write_changes(result, {1: BY_HAND})
    (entry,) = json.loads(kept.read_text())["classes"]
    bad = ["x", 5, None, [1], {"row": 0}, entry | {"row": -1}, entry | {"row": 99}, entry | {"row": 0, "x_px": "a"}]
    kept.write_text(json.dumps({"classes": [*bad, entry]}))
    assert choices() == [found[0], BY_HAND, *found[2:]]
    for text in ("[]", "5", '{"classes": 3}', "{"):
        kept.write_text(text)
        assert choices() == found


def test_what_a_person_changed_is_kept_when_the_disk_is_full(tmp_path, monkeypatch):
    kept = tmp_path / centering_read.HAND_FILE
    centering_read.write_changes(tmp_path, {1: BY_HAND})
    before = kept.read_text()

    def full(path, text, *rest, **more):
        with path.open("w") as file:
            file.write(text[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    centering_read.write_changes(tmp_path, {1: BY_HAND, 2: BY_HAND})
    assert list(tmp_path.iterdir()) == [kept] and kept.read_text() == before


def test_doubts_of_the_map_are_shown(qtbot, window, result, monkeypatch):
    from emviewer.engine.jobs import center_again

    panel = open_panel(qtbot, window, result)
    panel.go_to(0)
    exact = center_again.estimate

    def doubtful(*args, warn, map_path, **more):
        warn("the map was made by nobody")
        return exact(*args, **more)

    monkeypatch.setattr(center_again, "estimate", doubtful)
    job = panel.estimate("mass", "some.mrc")
    qtbot.waitUntil(lambda: not job.active, timeout=10000)
    qtbot.waitUntil(lambda: "found again" in panel.notice.label.text())
    assert panel.notice.label.text().endswith("by mass. The map was made by nobody.")
    assert panel.notice.property("level") == "warn"
