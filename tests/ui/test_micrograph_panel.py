"""The micrograph panel as a person uses it: boxes, arrows, colours, classes, stepping, clicking, selecting, saving."""

from __future__ import annotations

import json
import threading

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor
from PySide6.QtTest import QTest

from emviewer.engine import cryosparc, mrc, star
from emviewer.engine.figure import render
from emviewer.engine.figure_spec import parse
from emviewer.engine.task import message
from emviewer.ui import micrograph_folders
from emviewer.ui.micrograph_boxes import AFTER, BEFORE, Boxes, BoxStyle, arrow_growth, nearest_box
from emviewer.ui.micrograph_colours import CLASS, UNKNOWN, WAY, Classes, by_values
from emviewer.ui.micrograph_list import short_names
from emviewer.ui.opening import read_document
from emviewer.ui.panels.micrograph import MicrographPanel
from emviewer.ui.runner import JobHandle
from emviewer.ui.workspace import Document, Workspace

LEFT, MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
PLAIN, SHIFT, ALT = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.AltModifier
CTRL = Qt.KeyboardModifier.ControlModifier
HEIGHT, WIDTH, PIXEL = 300, 400, 2.0
PLACES = np.array([[60, 60], [200, 60], [340, 60], [60, 220], [200, 220], [340, 220], [100, 100], [300, 100]], float)
ORIGIN_A = np.array([[8, 0], [-12, 4], [0, 0], [6, -6], [0, 10], [2, 2], [40, 0], [0, 0]], float)
CLASS_OF = [3, 1, 3, 1, 3, 2, 2, 0]
ON = ["a", "a", "a", "a", "a", "a", "b", "b"]


def write_micrographs(folder):
    """Dark discs at the places, the same pictures that are expected on the canvas."""
    folder.mkdir(parents=True, exist_ok=True)
    y, x = np.indices((HEIGHT, WIDTH))
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        image = rng.normal(scale=0.2, size=(HEIGHT, WIDTH)) + 10
        for (px, py), (ox, oy), on in zip(PLACES, ORIGIN_A, ON, strict=True):
            if on == name:
                image -= 5 * (np.hypot(x - px + ox / PIXEL, y - py + oy / PIXEL) < 9)
        with mrc.StackWriter(folder / f"{name}_dw.mrc", (HEIGHT, WIDTH), PIXEL) as writer:
            writer.append(image[None].astype(np.float32))


def write_table(path, origins=True, **more):
    table = {
        "rlnCoordinateX": [f"{v:.1f}" for v in PLACES[:, 0]],
        "rlnCoordinateY": [f"{v:.1f}" for v in PLACES[:, 1]],
        "rlnMicrographName": [f"Micrographs/{n}_dw.mrc" for n in ON],
        "rlnClassNumber": [str(c) for c in CLASS_OF],
        "rlnDefocusU": [str(10000 + 100 * i) for i in range(8)],
        "rlnOpticsGroup": ["1"] * 8,
        **more,
    }
    if origins:
        table |= {f"rlnOrigin{a}Angst": [str(v) for v in ORIGIN_A[:, i]] for i, a in enumerate("XY")}
    optics = {"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["4.0"], "rlnMicrographPixelSize": ["2.0"],
              "rlnImageSize": ["20"]}  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    star.write_star(path, {"optics": pd.DataFrame(optics), "particles": pd.DataFrame(table)})
    return path


@pytest.fixture
def project(tmp_path):
    write_micrographs(tmp_path / "Micrographs")
    write_table(tmp_path / "Class2D/run_data.star")
    return tmp_path


@pytest.fixture
def panel(runner, qtbot):
    one = MicrographPanel(Workspace(), runner)
    qtbot.addWidget(one)
    one.resize(900, 560)
    one.show()
    one.picture_form.low_pass.setValue(0)
    return one


def show(qtbot, panel, path):
    document = panel.workspace.add(read_document(path))
    assert MicrographPanel.accepts(document)
    panel.show_document(document)
    qtbot.waitUntil(lambda: panel.index >= 0 and (panel.shown is not None or panel.canvas.blank))
    return document


def stepped(qtbot, panel, act, name):
    act()
    qtbot.waitUntil(lambda: panel.plate.text == name)


def at(panel, x, y) -> QPoint:
    return panel.canvas.to_widget(x, y).toPoint()


def drag(panel, points, modifiers=PLAIN, button=LEFT):
    QTest.mousePress(panel.canvas, button, modifiers, points[0])
    for point in points[1:]:
        QTest.mouseMove(panel.canvas, point)
    QTest.mouseRelease(panel.canvas, button, modifiers, points[-1])


# what is shown ------------------------------------------------------------------------------------------------------
def test_boxes_stand_before_and_after_where_extraction_takes_them(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    boxes = panel.painter.boxes
    np.testing.assert_array_equal(boxes.positions, np.arange(6))
    np.testing.assert_allclose(boxes.before, PLACES[:6])
    np.testing.assert_allclose(boxes.after, PLACES[:6] - ORIGIN_A[:6] / PIXEL)
    assert panel.painter.style.edge_px == 40  # 20 pixels of 4 Å on micrographs of 2 Å
    rect = panel.painter.rects(panel.canvas, boxes.before[:1])[0]
    corner, other = panel.canvas.to_image(rect.topLeft()), panel.canvas.to_image(rect.bottomRight())
    assert (corner.x(), corner.y(), other.x(), other.y()) == pytest.approx((40, 40, 80, 80))


def test_the_particle_lies_in_the_middle_of_its_centred_box_on_the_screen(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    for button in (panel.bar.before, panel.bar.after, panel.bar.arrows):
        button.setChecked(False)
    panel.legend.shown = panel.mean.shown = False
    panel.plate.text = ""
    panel.canvas.show_scale_bar = False
    picture = panel.canvas.grab().toImage()
    ratio = picture.width() / panel.canvas.width()
    for place in panel.painter.boxes.after:
        rect = panel.painter.rects(panel.canvas, place[None])[0]
        xs = np.arange(int(rect.left()), int(rect.right()))
        ys = np.arange(int(rect.top()), int(rect.bottom()))
        dark = np.array([[255 - picture.pixelColor(int(x * ratio), int(y * ratio)).red() for x in xs] for y in ys])
        dark = np.where(dark > 150, dark, 0)
        found = QPointF((dark.sum(0) @ (xs + 0.5)) / dark.sum(), (dark.sum(1) @ (ys + 0.5)) / dark.sum())
        there = panel.canvas.to_image(found)
        assert (there.x(), there.y()) == pytest.approx((place[0] + 0.5, place[1] + 0.5), abs=0.8)


def colours_near(picture, point, reach=3):
    return [picture.pixelColor(point.x() + i, point.y() + j)
            for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]  # fmt: skip


def has(picture, point, colour: QColor) -> bool:
    return any(
        abs(c.red() - colour.red()) + abs(c.green() - colour.green()) + abs(c.blue() - colour.blue()) < 60
        for c in colours_near(picture, point)
    )


def test_toggles_show_what_they_say(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    edge = panel.painter.style.edge_px / 2
    before = at(panel, PLACES[1, 0] - edge, PLACES[1, 1])
    after = at(panel, (PLACES - ORIGIN_A / PIXEL)[1, 0] + edge, PLACES[1, 1])
    for toggles, wanted in (
        ((True, True), (True, True)),
        ((True, False), (True, False)),
        ((False, True), (False, True)),
    ):
        panel.bar.before.setChecked(toggles[0])
        panel.bar.after.setChecked(toggles[1])
        picture = panel.canvas.grab().toImage()
        assert (has(picture, before, BEFORE), has(picture, after, AFTER)) == wanted
    QTest.keyPress(panel.canvas, Qt.Key.Key_B)  # held: the picked ones alone
    picture = panel.canvas.grab().toImage()
    assert (has(picture, before, BEFORE), has(picture, after, AFTER)) == (True, False)
    QTest.keyRelease(panel.canvas, Qt.Key.Key_B)
    assert has(panel.canvas.grab().toImage(), after, AFTER)


def test_blinking_goes_on_by_itself_until_it_is_switched_off(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel._blinking.setInterval(10)
    panel.bar.blink.setChecked(True)
    qtbot.waitUntil(lambda: not panel.painter.style.after)
    qtbot.waitUntil(lambda: panel.painter.style.after)
    panel.bar.blink.setChecked(False)
    assert not panel._blinking.isActive()
    assert panel.painter.style.after


def test_arrows_grow_until_they_are_seen_and_the_legend_says_so(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    boxes = panel.painter.boxes
    assert arrow_growth(boxes, BoxStyle(40, growth=7), 1.0) == 7
    assert arrow_growth(boxes, BoxStyle(400), 0.2) > arrow_growth(boxes, BoxStyle(400), 1.0) >= 1
    assert arrow_growth(boxes, BoxStyle(400), 0.2) > arrow_growth(boxes, BoxStyle(40), 0.2)  # not beyond small boxes
    assert arrow_growth(boxes, BoxStyle(40), 30.0) == 1
    panel.boxes_form.growth.setCurrentIndex(panel.boxes_form.growth.findData(10))
    assert any(text == "shift, 10 times" for _, _, text in panel.legend.lines)


def test_particles_without_shifts_have_one_box_and_no_arrows(qtbot, panel, project):
    show(qtbot, panel, write_table(project / "picked.star", origins=False))
    assert panel.painter.boxes.after is None
    assert not panel.bar.after.isVisible()
    assert not panel.bar.arrows.isVisible()
    assert [text for _, _, text in panel.legend.lines] == ["picked"]


def test_what_stands_outside_is_marked_and_counted(qtbot, panel, project):
    outside = ["0", "0", "1", "0", "0", "0", "0", "0"]
    show(qtbot, panel, write_table(project / "marked.star", emvOutOfBounds=outside))
    np.testing.assert_array_equal(np.flatnonzero(panel.painter.boxes.outside), [2])
    assert "outside the micrograph" in [text for _, _, text in panel.legend.lines]
    model = panel.list.model
    assert model.headerData(3, Qt.Orientation.Horizontal) == "out"
    assert model.data(model.index(0, 3)) == "1"


def test_the_box_size_is_given_in_angstrom_or_pixels(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    form = panel.boxes_form
    assert (form.unit.currentText(), form.size.value()) == ("Å", 80)
    form.size.setValue(120)
    assert panel.painter.style.edge_px == 60
    form.unit.setCurrentIndex(1)
    form.unit.activated.emit(1)
    assert form.size.value() == 60
    form.size.setValue(30)
    assert panel.painter.style.edge_px == 30
    assert form.edge() == (60, 30)


def test_the_common_shift_is_said_when_picks_are_off_as_a_whole(qtbot, panel, tmp_path):
    rng = np.random.default_rng(1)
    place = rng.uniform(50, 900, (60, 2))
    table = {f"rlnCoordinate{a}": place[:, i] for i, a in enumerate("XY")}
    table |= {"rlnOriginXAngst": rng.normal(-12, 1, 60), "rlnOriginYAngst": rng.normal(0, 1, 60)}
    optics = pd.DataFrame({"rlnOpticsGroup": [1], "rlnImagePixelSize": [2.0], "rlnMicrographPixelSize": [2.0]})
    frame = pd.DataFrame(table | {"rlnMicrographName": "m.mrc", "rlnOpticsGroup": 1})
    star.write_star(tmp_path / "p.star", {"optics": optics, "particles": frame})
    show(qtbot, panel, tmp_path / "p.star")
    assert panel.mean.clear
    assert panel.mean.x == pytest.approx(6, abs=0.5)
    assert "stand beside the particles" in panel.hint_notice.label.text()
    assert "(+6." in panel.hint_notice.label.text() or "(+5.9" in panel.hint_notice.label.text()


# colours and classes ------------------------------------------------------------------------------------------------
def test_boxes_are_coloured_by_class_shift_or_column(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.colour_by(CLASS)
    words = panel.painter.boxes.colours
    assert words[0] == words[2] == words[4] != words[1]
    assert len(set(words.tolist())) == 3
    panel.colour_by(WAY)
    assert panel.colouring.low == 0
    assert panel.painter.boxes.colours[1] != panel.painter.boxes.colours[2]
    panel.colour_by("rlnDefocusU")
    assert panel.legend.colouring.title == "defocus U (Å)"
    assert len(set(panel.painter.boxes.colours.tolist())) == 6


def test_values_without_number_are_grey():
    found = by_values("x", np.array([1.0, np.nan, 2.0]), "x")
    assert found.words[1] == UNKNOWN
    assert found.words[0] != found.words[2] != UNKNOWN
    assert by_values("x", np.array([np.nan]), "x").words.tolist() == [UNKNOWN]
    assert by_values("x", np.full(3, 4.0), "x").low == 4.0


def test_classes_are_listed_by_size_and_hidden_by_their_ticks(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    numbers = panel.source.classes.numbers.tolist()
    assert numbers[0] == 3
    assert set(numbers) == {3, 1, 2, -1}
    texts = [panel.class_list.list.item(i).text() for i in range(4)]
    assert texts[0] == "class 3   3 of 3"
    assert "no class   0 of 1" in texts
    panel.class_list.list.item(0).setCheckState(Qt.CheckState.Unchecked)
    np.testing.assert_array_equal(panel.painter.boxes.hidden, [True, False, True, False, True, False])
    assert "3 hidden" in panel.bar.count.text()
    assert nearest_box(panel.painter.boxes, panel.painter.style, QPointF(60, 60), 5) == -1
    panel.show_only_class_of(0)
    np.testing.assert_array_equal(panel.painter.boxes.hidden, [False, True, False, True, False, True])
    panel.class_list.all_button.click()
    assert not panel.painter.boxes.hidden.any()
    panel.hide_class_of(1)
    assert panel.class_list.hidden_numbers() == [1]


def test_classes_are_ranked_by_their_members():
    found = Classes.of(np.array([7, -1, 7, 2, 2, 2]), 6)
    assert found.numbers.tolist() == [2, 7, -1]
    assert found.counts.tolist() == [3, 2, 1]
    assert found.rank.tolist() == [1, 2, 1, 0, 0, 0]
    assert found.words()[2] == UNKNOWN


def test_the_legend_names_the_classes_that_are_seen(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.colour_by(CLASS)
    named = [text for _, kind, text in panel.legend.lines if kind == "fill"]
    assert named == ["class 3 (3)", "class 1 (2)", "class 2 (1)"]
    panel.hide_class_of(0)
    assert [text for _, kind, text in panel.legend.lines if kind == "fill"] == ["class 1 (2)", "class 2 (1)"]
    assert panel.figure_spec()["key"][0] == [f"#{panel.painter.boxes.colours[1] & 0xFFFFFF:06x}", "class 1 (2)"]


# going from one to the next -----------------------------------------------------------------------------------------
def test_the_next_micrograph_comes_with_its_particles(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    assert panel.bar.place.text() == "1 of 2"
    stepped(qtbot, panel, panel.bar.next.click, "b_dw.mrc")
    np.testing.assert_array_equal(panel.painter.boxes.positions, [6, 7])
    assert panel.bar.place.text() == "2 of 2"
    panel.do("next")
    assert panel.index == 1
    panel.canvas.setFocus()
    stepped(qtbot, panel, lambda: QTest.keyClick(panel.canvas, Qt.Key.Key_Left), "a_dw.mrc")
    stepped(qtbot, panel, lambda: panel.do("last"), "b_dw.mrc")
    stepped(qtbot, panel, lambda: panel.do("first"), "a_dw.mrc")


def test_zoom_and_place_stay_from_one_micrograph_to_the_next(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.canvas.zoom(3.0)
    scale, centre = panel.canvas.scale, panel.canvas.centre
    stepped(qtbot, panel, panel.do_next, "b_dw.mrc")
    assert (panel.canvas.scale, panel.canvas.centre) == (scale, centre)


def test_the_list_is_searched_and_sorted(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    model = panel.list.model
    rows = [[model.data(model.index(r, c)) for c in range(3)] for r in range(2)]
    assert [row[:2] for row in rows] == [["a_dw.mrc", "6"], ["b_dw.mrc", "2"]]
    mean = np.hypot(*(ORIGIN_A / PIXEL).T)
    assert [float(row[2]) for row in rows] == pytest.approx([mean[:6].mean(), mean[6:].mean()], abs=0.05)
    panel.list._sorted(2)
    assert model.data(model.index(0, 0)) == "b_dw.mrc"
    assert panel.bar.place.text() == "1 of 2"
    panel.list._sorted(2)
    assert model.data(model.index(0, 0)) == "a_dw.mrc"
    panel.list.search.setText("B_")
    assert [model.data(model.index(r, 0)) for r in range(model.rowCount())] == ["b_dw.mrc"]
    assert panel.list.count.text() == "1 of 2 micrographs"
    stepped(qtbot, panel, lambda: QTest.keyClick(panel.list.search, Qt.Key.Key_Return), "b_dw.mrc")
    panel.list.search.setText("nothing")
    assert panel.list.neighbour(1) == -1


def test_long_names_are_shown_without_what_they_share():
    full = [f"MotionCorr/job002/Falcon_2012_06_12-{i}_33_35_patch_aligned.mrc" for i in (14, 15, 17)]
    assert short_names(full) == ["…14…", "…15…", "…17…"]
    assert short_names(["M/a.mrc", "M/b.mrc"]) == ["a.mrc", "b.mrc"]
    assert short_names(["same_name_twice_in_folders.mrc"] * 2) == ["same_name_twice_in_folders.mrc"] * 2


# pictures -----------------------------------------------------------------------------------------------------------
def test_missing_pictures_leave_the_boxes_on_an_empty_field(qtbot, panel, tmp_path):
    show(qtbot, panel, write_table(tmp_path / "Class2D/run_data.star"))
    assert panel.canvas.blank
    assert panel.canvas.world_size() == (384, 256)  # as far as the particles reach
    said = panel.picture_notice.label.text()
    assert "Micrographs/a_dw.mrc was not found" in said
    assert "384 × 256 pixels, as far as the particles reach" in said
    assert not panel.canvas.grab().isNull()


def test_a_chosen_folder_is_searched_and_remembered(qtbot, panel, tmp_path):
    path = write_table(tmp_path / "Class2D/run_data.star")
    write_micrographs(tmp_path / "elsewhere/deep")
    document = show(qtbot, panel, path)
    panel.set_folder(tmp_path / "elsewhere/deep")
    qtbot.waitUntil(lambda: panel.shown is not None)
    assert not panel.canvas.blank
    assert micrograph_folders.folder_of(path) == tmp_path / "elsewhere/deep"
    assert panel.picture_notice.isHidden()
    panel.show_document(None)
    panel.show_document(document)
    qtbot.waitUntil(lambda: panel.shown is not None)
    panel.set_folder(None)
    qtbot.waitUntil(lambda: panel.canvas.blank)
    assert micrograph_folders.folder_of(path) is None


def test_a_damaged_micrograph_is_said_and_the_next_is_shown(qtbot, panel, project):
    broken = project / "Micrographs/a_dw.mrc"
    broken.write_bytes(broken.read_bytes()[:5000])
    show(qtbot, panel, project / "Class2D/run_data.star")
    assert panel.canvas.blank
    assert "cut short" in panel.picture_notice.label.text()
    stepped(qtbot, panel, panel.do_next, "b_dw.mrc")
    assert panel.shown is not None
    assert panel.picture_notice.isHidden()


def test_a_micrograph_that_takes_its_time_is_named_while_the_one_before_is_shown(qtbot, panel, project, monkeypatch):
    import threading

    from emviewer.ui import micrograph_picture

    show(qtbot, panel, project / "Class2D/run_data.star")
    qtbot.waitUntil(lambda: len(panel.pictures.kept.shown) == 2)
    go, real = threading.Event(), micrograph_picture.filtered
    monkeypatch.setattr(micrograph_picture, "filtered", lambda *a: go.wait(10) and real(*a))
    panel._late.setInterval(1)
    panel.picture_form.low_pass.setValue(40)  # what was kept is of no use then
    panel.do_next()
    qtbot.waitUntil(lambda: panel.plate.late == "opening b_dw.mrc…")
    assert panel.plate.text == "a_dw.mrc"
    assert len(panel.painter.boxes) == 6
    go.set()
    qtbot.waitUntil(lambda: panel.plate.text == "b_dw.mrc")
    assert panel.plate.late == ""


def test_looking_closer_brings_a_sharper_piece_in_the_greys_of_the_overview(qtbot, panel, tmp_path, monkeypatch):
    monkeypatch.setattr("emviewer.engine.micrograph_view.overview_factor", lambda shape: 5)
    write_micrographs(tmp_path / "Micrographs")
    show(qtbot, panel, write_table(tmp_path / "Class2D/run_data.star"))
    assert panel.shown.factor == 5
    panel.canvas.zoom(4.0, QPointF(300, 200))
    qtbot.waitUntil(lambda: panel.canvas.piece is not None and not panel.pictures.busy)
    piece = panel.canvas.piece
    assert piece.factor == 1
    seen = panel.canvas.visible()
    assert piece.x <= seen.left()
    assert piece.right >= seen.right()
    rows = panel.shown.micrograph.rows[piece.y : piece.bottom, piece.x : piece.right]
    assert np.corrcoef(piece.picture.ravel(), rows.ravel())[0, 1] > 0.9999
    assert panel.canvas.wanted_piece(0.0) is None  # it is there
    assert panel.canvas.wanted_piece(100.0) is None  # and not needed where the picture is that smooth
    panel.picture_form.low_pass.setValue(30)
    qtbot.waitUntil(lambda: panel.shown.finest_px == 15)
    assert panel.canvas.piece is None or panel.canvas.piece is not piece


def test_an_even_background_takes_a_gradient_away(qtbot, panel, tmp_path):
    image = np.random.default_rng(0).normal(size=(600, 800)) + np.linspace(0, 60, 800)
    with mrc.StackWriter(tmp_path / "m.mrc", (600, 800), 1.5) as writer:
        writer.append(image[None].astype(np.float32))
    show(qtbot, panel, tmp_path / "m.mrc")
    assert np.ptp(panel.shown.picture.mean(axis=0)) > 50
    first = panel.shown
    panel.picture_form.flat.setChecked(True)
    qtbot.waitUntil(lambda: panel.shown is not first)
    assert np.ptp(panel.shown.picture.mean(axis=0)[100:-100]) < 2


def test_contrast_set_by_hand_goes_along_to_the_next_micrograph(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    automatic = panel.levels.contrast
    assert (automatic.low, automatic.high) == (panel.shown.distribution.auto_low, panel.shown.distribution.auto_high)
    panel.do("black_up")
    s = panel.shown.spread
    wanted = (panel.levels.contrast.low - s.middle) / s.half_width
    stepped(qtbot, panel, panel.do_next, "b_dw.mrc")
    s = panel.shown.spread
    assert (panel.levels.contrast.low - s.middle) / s.half_width == pytest.approx(wanted)
    panel.do("auto_contrast")
    stepped(qtbot, panel, panel.do_previous, "a_dw.mrc")
    assert panel.levels.contrast.low == pytest.approx(automatic.low)


def test_tiff_micrographs_of_relion_are_turned(qtbot, panel, tmp_path):
    import tifffile

    write_micrographs(tmp_path / "Micrographs")
    for name in ("a_dw", "b_dw"):
        image = mrc.read_stack(tmp_path / f"Micrographs/{name}.mrc")[0]
        (tmp_path / f"Micrographs/{name}.mrc").unlink()
        tifffile.imwrite(tmp_path / f"Micrographs/{name}.tif", image[::-1])  # as RELION would have read it
    names = [f"Micrographs/{n}_dw.tif" for n in ON]
    show(qtbot, panel, write_table(tmp_path / "p.star", rlnMicrographName=names))
    assert "last row first" in panel.picture_notice.label.text()
    x, y = (int(v) for v in panel.painter.boxes.after[0])
    assert panel.shown.picture[y, x] < 7 < panel.shown.picture[HEIGHT - 1 - y, x]
    first = panel.shown
    panel.picture_form.turn.setCurrentIndex(0)
    qtbot.waitUntil(lambda: panel.shown is not first)
    assert panel.shown.picture[y, x] > 7


# hands --------------------------------------------------------------------------------------------------------------
def test_a_click_makes_the_particle_current_and_names_its_class(qtbot, panel, project):
    document = show(qtbot, panel, project / "Class2D/run_data.star")
    QTest.mouseClick(panel.canvas, LEFT, PLAIN, at(panel, 196, 214))
    assert panel.workspace.row(document) == 4
    assert panel.painter.boxes.current == 4
    assert panel.painter.boxes.current_text == "#5  class 3  5.0 px"
    assert panel.class_list.list.currentRow() == 0
    QTest.mouseClick(panel.canvas, LEFT, PLAIN, at(panel, 130, 130))
    assert panel.workspace.row(document) is None


def test_a_row_chosen_elsewhere_is_shown_on_its_micrograph(qtbot, panel, project):
    document = show(qtbot, panel, project / "Class2D/run_data.star")
    stepped(qtbot, panel, lambda: panel.workspace.set_row(document, 7), "b_dw.mrc")
    assert panel.painter.boxes.current == 1
    panel.canvas.zoom(8.0)
    panel.canvas.centre_on(40, 250)
    panel.workspace.set_row(document, 6)
    assert panel.canvas.visible().contains(QPointF(80, 100))
    panel.workspace.select(document, [0, 7])
    np.testing.assert_array_equal(panel.painter.boxes.selected, [False, True])
    assert panel.bar.count.text().endswith("1 selected, 2 in all")


def test_n_and_p_go_through_the_particles_most_displaced_first(qtbot, panel, project):
    document = show(qtbot, panel, project / "Class2D/run_data.star")
    order = np.argsort(-np.hypot(*ORIGIN_A[:6].T), kind="stable")
    panel.canvas.zoom(6.0)
    for wanted in order[:3]:
        panel.do("next_worst")
        assert panel.workspace.row(document) == wanted
        assert panel.canvas.visible().contains(QPointF(*panel.painter.boxes.after[wanted]))
    panel.do("previous_worst")
    assert panel.workspace.row(document) == order[1]


def test_what_is_drawn_around_is_selected(qtbot, panel, project):
    document = show(qtbot, panel, project / "Class2D/run_data.star")

    def chosen():
        return panel.workspace.selection(document).tolist()

    panel.set_tool("rectangle")
    drag(panel, [at(panel, 20, 20), at(panel, 240, 100)])
    assert chosen() == [0, 1]
    drag(panel, [at(panel, 150, 180), at(panel, 390, 260)], SHIFT)
    assert chosen() == [0, 1, 4, 5]
    drag(panel, [at(panel, 150, 20), at(panel, 240, 260)], ALT)
    assert chosen() == [0, 5]
    panel.set_tool("lasso")
    drag(panel, [at(panel, *p) for p in ((20, 20), (390, 20), (390, 110), (280, 110), (280, 90), (20, 90))])
    assert chosen() == [0, 1, 2]
    panel.set_tool("pan")
    before = panel.canvas.centre
    drag(panel, [at(panel, 100, 150), at(panel, 150, 150)])
    assert chosen() == [0, 1, 2]
    assert panel.canvas.centre.x() == pytest.approx(before.x() - 50, abs=1.5)
    panel.do("zoom_fit")
    drag(panel, [at(panel, 20, 180), at(panel, 100, 260)], SHIFT)
    assert chosen() == [3]
    panel.do("select_all")
    assert chosen() == [0, 1, 2, 3, 4, 5]
    QTest.mouseClick(panel.canvas, LEFT, CTRL, at(panel, *(PLACES - ORIGIN_A / PIXEL)[2]))
    assert chosen() == [0, 1, 3, 4, 5]
    panel.do("select_inverse")
    assert chosen() == [2]
    panel.do("select_none")
    assert chosen() == []


def test_the_wheel_zooms_at_the_mouse_and_with_ctrl_goes_on(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    fitted = panel.canvas.scale
    panel.canvas.zoom(2.0)
    assert panel.canvas.scale == pytest.approx(2 * fitted)
    panel.canvas.stepped.emit(1)
    qtbot.waitUntil(lambda: panel.plate.text == "b_dw.mrc")


def test_hovering_tells_place_value_and_particle(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    said = []
    panel.status.connect(said.append)
    panel.colour_by("rlnDefocusU")
    panel.canvas.hovered.emit((206, 58))
    assert said[-1].startswith("x 206 y 58 (412.0, 116.0 Å)")
    assert "#2  class 1  shift (+6.0, -2.0), 6.3 px  defocus U (Å) 10100" in said[-1]
    panel.canvas.hovered.emit(None)
    assert said[-1] == ""


def test_nearest_box_prefers_the_nearest_middle():
    boxes = Boxes(np.arange(2), np.array([[50.0, 50], [60, 50]]), hidden=np.zeros(2, bool))
    style = BoxStyle(40)
    assert nearest_box(boxes, style, QPointF(58, 50), 0) == 1
    assert nearest_box(boxes, style, QPointF(52, 52), 0) == 0
    assert nearest_box(boxes, style, QPointF(120, 50), 0) == -1
    assert nearest_box(boxes, style, QPointF(120, 50), 70) == 1
    assert nearest_box(Boxes(), style, QPointF(0, 0), 9) == -1


def test_the_figure_is_of_what_is_shown(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    spec = panel.figure_spec()
    parsed = parse(json.loads(json.dumps(spec)))
    assert parsed.size == (WIDTH, HEIGHT)
    assert parsed.crop is None
    assert parsed.box_px == 40
    np.testing.assert_allclose(parsed.before, PLACES[:6])
    np.testing.assert_allclose(parsed.after, (PLACES - ORIGIN_A / PIXEL)[:6], atol=0.01)
    assert parsed.arrows >= 1
    panel.hide_class_of(0)
    panel.bar.before.setChecked(False)
    panel.colour_by(WAY)
    panel.canvas.zoom(2.0)
    spec = panel.figure_spec()
    parsed = parse(json.loads(json.dumps(spec)))
    assert parsed.before == []
    assert len(parsed.after) == len(parsed.colours) == 3
    assert parsed.arrows == 0
    assert parsed.scale[0] == "shift (px)"
    assert parsed.crop == pytest.approx(panel.canvas.visible().getRect())
    render(spec | {"dpi": 60}, project / "f.png")
    assert (project / "f.png").stat().st_size > 2000


# saving -------------------------------------------------------------------------------------------------------------
def saved(qtbot, panel, path, after):
    panel.save_coordinates(path, after)
    qtbot.waitUntil(path.exists)
    qtbot.waitUntil(lambda: path.name in panel.picture_notice.label.text())
    return panel.picture_notice.label.text()


def test_coordinates_of_the_micrograph_are_saved(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    said = saved(qtbot, panel, project / "out.star", after=True)
    assert said == "6 aligned places were written as out.star."
    table = next(iter(star.read_star(project / "out.star").values()))
    np.testing.assert_allclose(star.numbers(table, "rlnCoordinateX"), (PLACES - ORIGIN_A / PIXEL)[:6, 0])
    np.testing.assert_array_equal(star.numbers(table, "rlnClassNumber"), CLASS_OF[:6])
    panel.hide_class_of(0)
    panel.select(np.array([1, 3, 7]))
    said = saved(qtbot, panel, project / "out.box", after=False)
    assert said == "2 picked places were written as out.box; 4 that are hidden or not selected were left out."
    np.testing.assert_array_equal(np.loadtxt(project / "out.box"), [[180, 40, 40, 40], [40, 200, 40, 40]])


def test_coordinates_of_all_micrographs_are_saved_without_hidden_classes(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.save_all_coordinates(project / "all", ".coord")
    qtbot.waitUntil(lambda: panel.picture_notice.label.text() == "2 files were written into all.")
    places = PLACES - ORIGIN_A / PIXEL
    np.testing.assert_allclose(np.loadtxt(project / "all/a_dw.coord"), places[:6])
    np.testing.assert_allclose(np.loadtxt(project / "all/b_dw.coord"), places[6:])
    panel.hide_class_of(0)
    panel.save_all_coordinates(project / "some", ".box")
    qtbot.waitUntil(lambda: "hidden classes were left out" in panel.picture_notice.label.text())
    assert len(np.loadtxt(project / "some/a_dw.box")) == 3


def test_files_that_are_there_are_not_overwritten_by_those_of_all_micrographs(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    (project / "b_dw.coord").write_text("picked by hand")
    panel.save_all_coordinates(project, ".coord")
    qtbot.waitUntil(lambda: "b_dw.coord would be overwritten" in panel.picture_notice.label.text())
    assert (project / "b_dw.coord").read_text() == "picked by hand"
    assert not (project / "a_dw.coord").exists()


def test_coordinates_are_still_saved_when_the_panel_is_closed_meanwhile(qtbot, panel, runner, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    gate = threading.Event()

    def hold(check):
        gate.wait(5)
        yield message("held")

    before = runner.submit(JobHandle("before", hold))
    one = panel.save_coordinates(project / "one.coord", True)
    everything = panel.save_all_coordinates(project / "all", ".coord")
    panel.close()
    gate.set()
    qtbot.waitUntil(lambda: not runner.active, timeout=5000)
    assert [job.state for job in (before, one, everything)] == ["complete"] * 3
    assert (project / "one.coord").exists() and len(list((project / "all").iterdir())) == 2


def test_a_table_that_was_read_again_is_shown_anew(qtbot, panel, project):
    document = show(qtbot, panel, project / "Class2D/run_data.star")
    panel.canvas.zoom(2.0)
    scale = panel.canvas.scale
    write_table(project / "Class2D/run_data.star", rlnCoordinateX=[str(v + 5) for v in PLACES[:, 0]])
    document.table = read_document(document.path).table
    panel.workspace.touch(document)
    qtbot.waitUntil(lambda: panel.painter.boxes.before[0, 0] == 65)
    assert panel.canvas.scale == scale


def test_places_that_cannot_be_saved_are_one_sentence(qtbot, panel, project):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.save_coordinates(project / "nowhere/out.star", True)
    qtbot.waitUntil(lambda: "could not be saved" in panel.picture_notice.label.text())


def test_copying_gives_places_as_text(qtbot, panel, project, qapp):
    show(qtbot, panel, project / "Class2D/run_data.star")
    panel.select(np.array([1]))
    panel.do("copy")
    lines = qapp.clipboard().text().splitlines()
    assert lines[0] == "#\tx (px)\ty (px)\tx after (px)\ty after (px)"
    assert lines[1:] == ["2\t200.00\t60.00\t206.00\t58.00"]


# other tables -------------------------------------------------------------------------------------------------------
def test_cryosparc_particles_find_their_passthrough_or_ask_for_it(qtbot, panel, project):
    n = len(PLACES)
    rows = np.zeros(n, [("uid", "<u8"), ("alignments2D/class", "<u4"), ("blob/psize_A", "<f4")])
    rows["uid"], rows["alignments2D/class"], rows["blob/psize_A"] = np.arange(n), CLASS_OF, 4.0
    where = [("micrograph_path", "S40"), ("micrograph_shape", "<u4", (2,)), ("micrograph_psize_A", "<f4"),
             ("center_x_frac", "<f4"), ("center_y_frac", "<f4")]  # fmt: skip
    places = np.zeros(n, [("uid", "<u8"), *((f"location/{name}", *kind) for name, *kind in where)])
    places["uid"] = rows["uid"]
    places["location/micrograph_path"] = [f"Micrographs/{i}_dw.mrc".encode() for i in ON]
    places["location/micrograph_shape"], places["location/micrograph_psize_A"] = (HEIGHT, WIDTH), PIXEL
    places["location/center_x_frac"], places["location/center_y_frac"] = (PLACES / [WIDTH, HEIGHT]).T
    cryosparc.write_cs(project / "particles.cs", rows)
    document = panel.workspace.add(read_document(project / "particles.cs"))
    panel.show_document(document)
    qtbot.waitUntil(lambda: panel.ask_passthrough.isVisible())
    assert "passthrough" in panel.message.text()
    cryosparc.write_cs(project / "passthrough.cs", places)
    panel.show_document(None)
    panel.show_document(document)
    qtbot.waitUntil(lambda: panel.shown is not None)
    np.testing.assert_allclose(panel.painter.boxes.before, PLACES[:6], atol=1e-3)
    assert panel.hint_notice.label.text() == "Places come from passthrough.cs"
    assert panel.source.classes.numbers.tolist()[0] == 3


def test_a_result_with_places_is_shown_too(qtbot, panel, project):
    images = read_document(project / "Class2D/run_data.star")
    table = images.table.assign(outlier_score=np.arange(8.0))
    document = panel.workspace.add(
        Document("result", "compared", project / "out", table=table, info={"job": "compare"})
    )
    assert MicrographPanel.accepts(document)
    panel.show_document(document)
    qtbot.waitUntil(lambda: panel.shown is not None)
    panel.colour_by("outlier_score")
    assert len(set(panel.painter.boxes.colours.tolist())) == 6


def test_a_table_of_micrographs_shows_them_without_boxes(qtbot, panel, project):
    table = pd.DataFrame({"rlnMicrographName": ["Micrographs/a_dw.mrc", "Micrographs/b_dw.mrc"]})
    star.write_star(project / "micrographs.star", {"micrographs": table})
    show(qtbot, panel, project / "micrographs.star")
    assert panel.shown.micrograph.shape == (HEIGHT, WIDTH)
    assert panel.list.model.columns == [0]
    assert not panel.bar.before.isVisible()
    stepped(qtbot, panel, panel.do_next, "b_dw.mrc")


def test_a_table_without_places_is_not_accepted_and_leaves_the_panel_empty(qtbot, panel, tmp_path):
    star.write_star(tmp_path / "p.star", {"particles": pd.DataFrame({"rlnDefocusU": ["1", "2"]})})
    document = panel.workspace.add(read_document(tmp_path / "p.star"))
    assert not MicrographPanel.accepts(document)
    panel.show_document(document)
    assert panel.document is None
    assert panel.pages.currentIndex() == 0
    for action in ("next", "select_all", "zoom_fit", "copy", "select_inverse", "auto_contrast"):
        assert panel.do(action)
    assert panel.state() == {}


def test_a_coordinate_that_is_no_number_is_one_sentence(qtbot, panel, project):
    path = write_table(project / "odd.star", rlnCoordinateX=["1", "x", "3", "4", "5", "6", "7", "8"])
    document = panel.workspace.add(read_document(path))
    panel.show_document(document)
    qtbot.waitUntil(lambda: "row 2" in panel.message.text())
    assert panel.pages.currentIndex() == 0


def test_a_session_brings_back_what_was_shown(qtbot, panel, project, runner):
    show(qtbot, panel, project / "Class2D/run_data.star")
    stepped(qtbot, panel, panel.do_next, "b_dw.mrc")
    panel.colour_by(CLASS)
    panel.hide_class_of(6)
    panel.boxes_form.size.setValue(50)
    panel.picture_form.flat.setChecked(True)
    panel.bar.arrows.setChecked(False)
    panel.set_tool("lasso")
    panel.do("invert")
    panel.canvas.zoom(2.5)
    kept = panel.state()
    assert kept == json.loads(json.dumps(kept))
    other = MicrographPanel(panel.workspace, runner)
    qtbot.addWidget(other)
    other.resize(panel.size())
    other.show()
    other.restore(kept)
    other.show_document(panel.document)
    qtbot.waitUntil(lambda: other.shown is not None)
    assert other.plate.text == "b_dw.mrc"
    assert other.state() == kept
    assert other.canvas.tool == "lasso"
    assert other.levels.contrast.inverted
    assert not other.painter.style.arrows
