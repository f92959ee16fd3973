"""Contour surfaces: where they lie, that they are lit from outside, and that nothing is offered without OpenGL."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.task import never
from emviewer.engine.types import Map3D, RigidTransform
from emviewer.ui.panels.align_volumes import Told
from emviewer.ui.panels.surface import SurfacePanel, has_gl
from emviewer.ui.panels.surface_mesh import Source, contour, mesh, normals_of, prepare
from emviewer.ui.results_align import KEY, Alignment
from emviewer.ui.workspace import Document, Workspace

CENTRE_A, RADIUS_A = np.array([10.0, -6.0, 4.0]), 14.0


def ball() -> Map3D:
    """Return a soft ball off the centre of a box that is not cubic."""
    z, y, x = np.meshgrid(*(np.arange(n) - n // 2 for n in (40, 44, 48)), indexing="ij")
    distance = np.sqrt(sum((2.0 * v - c) ** 2 for v, c in zip((x, y, z), CENTRE_A, strict=True)))
    return Map3D((1 / (1 + np.exp(distance - RADIUS_A))).astype(np.float32), 2.0)


needs_gl = pytest.mark.skipif(importlib.util.find_spec("OpenGL") is None, reason="PyOpenGL (extra gl) is missing")


@needs_gl
@pytest.mark.parametrize("flip", [False, True])
def test_a_surface_lies_where_the_motion_puts_it_and_is_lit_from_outside(flip):
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ np.diag([1, 1, -1 if flip else 1])
    motion = RigidTransform(turn, np.array([3.0, 0, -1]))
    small = prepare(ball(), never)
    percent = 100 * 4 / 3 * np.pi * RADIUS_A**3 / (40 * 44 * 48 * 8)
    made = mesh(*contour(small, percent), motion)
    outward = made.vertexes() - (turn @ CENTRE_A + motion.translation_A)
    distance = np.linalg.norm(outward, axis=1)
    assert np.all(np.abs(distance - RADIUS_A) < 1.0)
    cosine = np.sum(made.vertexNormals() * outward, axis=1) / distance
    assert np.median(np.abs(cosine)) > 0.95
    assert np.all(np.sign(cosine) == np.sign(np.median(cosine)))
    straight = mesh(*contour(small, percent), None)
    own = np.sum(straight.vertexNormals() * (straight.vertexes() - CENTRE_A), axis=1)
    assert np.sign(np.median(own)) == np.sign(np.median(cosine))


def test_the_coarse_copy_lies_in_the_same_place():
    small = prepare(ball(), never)
    percent = 100 * 4 / 3 * np.pi * RADIUS_A**3 / small.volume_A3
    vertices, faces = contour(small.coarse, percent)
    assert small.coarse.step_A == 2 * small.step_A and len(faces) < 0.5 * len(contour(small, percent)[1])
    assert np.all(np.abs(np.linalg.norm(vertices - CENTRE_A, axis=1) - RADIUS_A) < 2.5)


def test_normals_point_away_from_a_ball_and_are_none_where_nothing_is():
    vertices, faces = contour(prepare(ball(), never), 100 * 4 / 3 * np.pi * RADIUS_A**3 / (40 * 44 * 48 * 8))
    lonely = np.concatenate([vertices, [[0, 0, 0]]]).astype(np.float32)
    normals = normals_of(lonely, faces)
    outward = vertices - CENTRE_A
    cosine = np.sum(normals[:-1] * outward, axis=1) / np.linalg.norm(outward, axis=1)
    assert np.median(np.abs(cosine)) > 0.97 and abs(np.mean(np.sign(cosine))) == 1 and not normals[-1].any()


def test_a_map_of_a_file_is_read_as_it_was_said(tmp_path):
    mrc.write_map(tmp_path / "ball.mrc", ball().data, 2.0)
    place = tmp_path / "ball.mrc"
    found = Source(place, Told(3.0, None, (str(place),)), size=1.5).read(never)
    assert found.step_A == found.pixel_size_A == pytest.approx(4.5) and Source(ball()).read(never).step_A == 2.0


@needs_gl
def test_a_level_that_nothing_exceeds_has_no_surface():
    flat = prepare(Map3D(np.zeros((12, 12, 12), np.float32), 1.0), never)
    assert mesh(*contour(flat, 1.0), None) is None


def test_a_large_map_is_contoured_small_and_in_its_place():
    data = np.zeros((230, 230, 230), np.float32)
    data[105:126, 105:126, 145:166] = 1
    small = prepare(Map3D(data, 1.0), never)
    assert max(small.data.shape) <= 112
    vertices, _ = contour(small, 0.05)
    middle = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    np.testing.assert_allclose(middle, [40, 0, 0], atol=1.5)


class Item:
    """Stands for a surface of the view."""

    seen = False

    def setVisible(self, on):
        self.seen = on

    def setMeshData(self, meshdata):
        self.data = meshdata


class Lane:
    """Stands for the runner: keeps what is asked for."""

    def __init__(self):
        self.asked = {}

    def view(self, key, work, then, fail=None, slow=False):
        self.asked[key] = (then, fail)

    def drop_views(self, owner):
        for key in [k for k in self.asked if owner in (k, k[0])]:
            del self.asked[key]


@pytest.fixture
def panel(qtbot, monkeypatch):
    """Return a surface panel with two surfaces of an alignment in it, and without OpenGL."""
    monkeypatch.setattr(SurfacePanel, "accepts", classmethod(lambda cls, document: True))
    panel = SurfacePanel(Workspace(), Lane())
    qtbot.addWidget(panel)
    panel.view, panel.items = SimpleNamespace(setCameraPosition=lambda **given: None), [Item(), Item()]
    found = Alignment(reference=Path("reference.mrc"), shown="m")
    found.add("m").moving = Path("m.mrc")
    panel.show_document(Document("result", "aligned", info={KEY: found}))
    show(panel, prepare(ball(), never), prepare(ball(), never))
    assert [item.seen for item in panel.items] == [True, True]
    return panel


def show(panel, *maps):
    """Answer what the panel asked for with maps, and with a surface for each."""
    panel.runner.asked[id(panel), "maps"][0](maps)
    surface = SimpleNamespace(vertexes=lambda: np.ones((3, 3)))
    panel.runner.asked[id(panel), "surface"][0]([None if small is None else surface for small in maps])


def test_a_single_map_is_seen_whatever_was_unticked_in_an_alignment(panel):
    panel.shows[0].setChecked(False)
    assert [item.seen for item in panel.items] == [False, True]
    panel.show_document(Document("map", "single", volume=ball()))
    show(panel, prepare(ball(), never), None)
    assert [item.seen for item in panel.items] == [True, False]


def test_surfaces_of_an_earlier_map_are_gone_while_the_next_is_read_and_when_it_cannot_be(panel):
    panel.slider.setValue(600)  # contouring the earlier maps is under way
    panel.show_document(Document("map", "single", volume=ball()))
    assert [item.seen for item in panel.items] == [False, False] and panel.said.text() == "Reading…"
    assert (id(panel), "surface") not in panel.runner.asked
    panel.runner.asked[id(panel), "maps"][1](ValueError("no map"))
    panel.shows[1].setChecked(False)
    panel.shows[1].setChecked(True)
    assert [item.seen for item in panel.items] == [False, False] and panel.said.text() == "no map"


def test_without_opengl_the_panel_is_not_offered(qapp):
    if has_gl():
        pytest.skip("a context with OpenGL can be made here")
    assert not SurfacePanel.accepts(Document("map", "m", volume=ball()))
