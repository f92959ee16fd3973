"""The micrograph panel beside others: the members of a centring, classes chosen elsewhere, tables of the particles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from emviewer.engine import star
from emviewer.engine.jobs.center import SPEC
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc import StackWriter
from emviewer.engine.params import validated
from emviewer.engine.task import drain
from emviewer.ui import centering_session
from emviewer.ui.opening import read_document
from emviewer.ui.panels.micrograph import MicrographPanel
from emviewer.ui.workspace import Workspace

BOX, PIXEL, MIC_PIXEL, SIZE = 48, 3.0, 1.5, 600
CENTRES = ((5.0, -3.0), (0.0, 2.0), (-4.0, 0.0))
NUMBERS = [1, 1, 2, 2, 3, 9, 1]
ON = ["a", "a", "a", "b", "b", "b", "b"]
ORIGIN_A = [3.0, 0.0, 0.0, -6.0, 0.0, 0.0, 0.0]


@pytest.fixture(scope="module")
def centred(tmp_path_factory):
    """Members of three classes on two micrographs, centred once; the folder of the project."""
    folder = tmp_path_factory.mktemp("centred")
    y, x = np.indices((BOX, BOX)) - BOX // 2
    averages = np.array([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 60) for a, b in CENTRES], np.float32)
    with StackWriter(folder / "classes.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(averages)
    for name in "ab":
        with StackWriter(folder / f"{name}.mrc", (SIZE, SIZE), MIC_PIXEL) as writer:
            writer.append(np.random.default_rng(0).normal(size=(1, SIZE, SIZE)).astype(np.float32))
    n = len(NUMBERS)
    table = {
        "rlnCoordinateX": [f"{80 + 70 * i}.0" for i in range(n)],
        "rlnCoordinateY": ["300.0"] * (n - 1) + ["1.0"],
        "rlnMicrographName": [f"{name}.mrc" for name in ON],
        "rlnClassNumber": [str(c) for c in NUMBERS],
        "rlnAnglePsi": ["0.0"] * n,
        "rlnOriginXAngst": [str(v) for v in ORIGIN_A],
        "rlnOriginYAngst": ["0.0"] * n,
        "rlnDefocusU": [str(10_000 + i) for i in range(n)],
        "rlnOpticsGroup": ["1"] * n,
    }
    optics = {"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnMicrographPixelSize": ["1.5"],
              "rlnImageSize": ["48"]}  # fmt: skip
    star.write_star(folder / "particles.star", {"optics": pd.DataFrame(optics), "particles": pd.DataFrame(table)})
    given = {"classes": str(folder / "classes.mrcs"), "particles": str(folder / "particles.star"), "report": "none",
             "method": "mass"}  # fmt: skip
    drain(run_job(SPEC, validated(CenterParams, given), folder / "out"))
    return folder


@pytest.fixture
def panel(runner, qtbot):
    one = MicrographPanel(Workspace(), runner)
    qtbot.addWidget(one)
    one.resize(900, 600)
    one.show()
    return one


@pytest.fixture
def document(qtbot, panel, centred):
    found = panel.workspace.add(read_document(centred / "out"))
    panel.show_document(found)
    qtbot.waitUntil(lambda: panel.shown is not None, timeout=10_000)
    return found


def test_a_centring_shows_what_it_moved_and_the_whole_way_from_the_pick(qtbot, panel, document):
    boxes, moved = panel.painter.boxes, centering_session.of(document).moved
    np.testing.assert_allclose(boxes.after, moved.centre_px[:3])
    np.testing.assert_allclose(boxes.after - boxes.before, moved.moved_px[:3], atol=1e-9)
    assert [b.text() for b in (panel.bar.before, panel.bar.after)] == ["Before", "Centred"]
    assert panel.boxes_form.start.isVisibleTo(panel.boxes_form)
    np.testing.assert_allclose(np.hypot(*moved.moved_px[:3].T).mean(), panel.source.picks.mean_length_px[0])
    panel.boxes_form.start.setCurrentIndex(1)
    qtbot.waitUntil(lambda: panel.bar.before.text() == "Picked")
    np.testing.assert_allclose(panel.painter.boxes.before, [[80, 300], [150, 300], [220, 300]])
    np.testing.assert_allclose(panel.painter.boxes.after, moved.centre_px[:3])


def test_a_click_finds_particle_and_class(panel, document):
    heard = []
    centering_session.links(panel.workspace).particle_changed.connect(heard.append)
    place = panel.painter.boxes.after[1]
    QTest.mouseClick(
        panel.canvas, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        panel.canvas.to_widget(*place).toPoint(),
    )  # fmt: skip
    assert centering_session.of(document).particle == 1
    assert heard == [document]
    assert panel.workspace.row(document) == 0  # class 1 is the first average
    assert panel.painter.boxes.current_text.startswith("#2  class 1")
    assert not panel.painter.boxes.faint.any()


def test_a_particle_chosen_elsewhere_is_shown(qtbot, panel, document):
    centering_session.links(panel.workspace).set_particle(document, 4)
    qtbot.waitUntil(lambda: panel.plate.text == "b.mrc")
    assert panel.painter.boxes.positions[panel.painter.boxes.current] == 4
    assert panel.class_list.list.currentItem().text().startswith("class 3")


def test_a_class_chosen_elsewhere_stands_out(panel, document):
    panel.workspace.set_row(document, 1)
    np.testing.assert_array_equal(panel.painter.boxes.faint, [True, True, False])
    assert panel.class_list.list.currentItem().text().startswith("class 2")
    panel.workspace.select(document, [0])
    np.testing.assert_array_equal(panel.painter.boxes.faint, [False, False, True])
    panel.workspace.select(document, [])
    panel.set_particle(2)
    assert not panel.painter.boxes.faint.any()


def test_a_click_in_the_list_of_classes_goes_round(panel, document):
    names = [panel.class_list.list.item(i).text().split("  ")[0] for i in range(4)]
    panel.class_list.chosen.emit(names.index("class 2"))
    assert panel.workspace.row(document) == 1
    np.testing.assert_array_equal(panel.painter.boxes.faint, [True, True, False])


def test_selected_particles_lead_to_their_classes(panel, document):
    panel.select(np.array([0, 3, 5]))
    np.testing.assert_array_equal(panel.painter.boxes.selected, [True, False, False])
    assert panel.bar.count.text() == "3 particles, 1 selected, 3 in all"
    assert panel.workspace.selection(document).tolist() == []
    menu = panel.context_menu()
    next(a for a in menu.actions() if a.text() == "Select their classes").trigger()
    menu.deleteLater()
    assert panel.workspace.selection(document).tolist() == [0, 1]  # the sixth has no average


def test_open_tables_of_the_same_particles_follow(qtbot, panel, document, centred):
    given = panel.workspace.add(read_document(centred / "particles.star"), make_current=False)
    written = panel.workspace.add(read_document(centred / "out/particles_in_place.star"), make_current=False)
    panel.set_particle(4)
    panel.select(np.array([1, 2]))
    for table in (given, written):
        assert panel.workspace.row(table) == 4
        assert panel.workspace.selection(table).tolist() == [1, 2]
    panel.show_document(given)
    qtbot.waitUntil(lambda: panel.source is not None and panel.source.rows is not None)
    panel.set_particle(3)
    assert centering_session.of(document).particle == 3


def test_a_centre_set_by_hand_moves_the_boxes_at_once(qtbot, panel, document):
    before = panel.painter.boxes.after.copy()
    centering = centering_session.of(document)
    choice = replace(centering.choices[0], x_px=centering.choices[0].x_px + 6, method="hand")
    panel.workspace.edited.connect(lambda text, again, back: again())
    centering_session.links(panel.workspace).choose(document, "Set the centre", [0], [choice])
    qtbot.waitUntil(lambda: not np.allclose(panel.painter.boxes.after, before))
    np.testing.assert_allclose((panel.painter.boxes.after - before)[:, 0], [12, 12, 0], atol=1e-6)
    assert panel.index == 0


def test_particles_leaving_the_micrograph_are_marked(qtbot, panel, document):
    panel.do("next")
    qtbot.waitUntil(lambda: panel.plate.text == "b.mrc")
    np.testing.assert_array_equal(panel.painter.boxes.positions[panel.painter.boxes.outside], [6])
    assert "outside the micrograph" in panel._particle_text(6)


def test_members_can_be_coloured_by_their_own_columns(panel, document):
    panel.colour_by("rlnDefocusU")
    assert panel.colouring.title == "defocus U (Å)"
    panel.colour_by("moved by centring (px)")
    moved = panel.source.columns["moved by centring (px)"]
    assert moved[5] == 0 < moved[0]  # without a class it stays where it is
    assert panel.colouring.words[5] != panel.colouring.words[0]


def test_members_that_are_gone_are_said(qtbot, panel, centred, tmp_path):
    import shutil

    shutil.copytree(centred, tmp_path / "copy")
    summary = tmp_path / "copy/out/summary.json"
    for name in ("job.json", "summary.json"):
        path = tmp_path / "copy/out" / name
        path.write_text(path.read_text().replace(str(centred), str(tmp_path / "copy")))
    assert summary.is_file()
    (tmp_path / "copy/particles.star").unlink()
    document = panel.workspace.add(read_document(tmp_path / "copy/out"))
    panel.show_document(document)
    qtbot.waitUntil(lambda: "cannot be read" in panel.message.text(), timeout=10_000)
    assert panel.pages.currentIndex() == 0
