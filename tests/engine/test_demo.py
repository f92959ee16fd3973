"""The example says the truth about itself: places, poses, CTF, classes and their members fit the images."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy import ndimage

from emviewer.engine import conventions, ctf, fft, files, mrc, star
from emviewer.engine.errors import OutputError
from emviewer.engine.jobs import demo
from emviewer.engine.project import Projector
from emviewer.engine.task import Cancelled


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    return demo.example(tmp_path_factory.mktemp("demo") / "example")


def table_of(path, block):
    return star.read_star(path)[block]


def columns(table, *names):
    return np.stack([star.numbers(table, name) for name in names], axis=1)


def kinds_of(example):
    with example.truth.open() as file:
        return np.array([row["kind"] for row in csv.DictReader(file)])


def correlation(a, b):
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def test_every_file_opens_as_what_it_is(example):
    assert files.kind_of(example.map) == "map"
    for path, n in ((example.particles, 320), (example.members, 320), (example.classes, 40)):
        images = files.open_any(path)
        assert images.stack.n == n
        assert images.stack.shape == (demo.BOX, demo.BOX)
        assert images.stack.pixel_size_A == pytest.approx(demo.PIXEL_A)
        assert np.isfinite(images.stack[:]).all()
    assert "2NWL" in (example.folder / "ABOUT.txt").read_text()
    assert "CC0" in (example.folder / "ABOUT.txt").read_text()


def test_the_map_has_its_symmetry_about_z(example):
    volume = mrc.read_map(example.map)
    assert volume.is_cubic
    projector = Projector(volume)
    third, other = conventions.euler_to_matrix([120.0, 60.0], [0.0, 0.0], [0.0, 0.0])
    top, turned, wrong = projector.project(np.stack([np.eye(3), third, other]))
    assert correlation(top, turned) > 0.9999
    assert correlation(top, wrong) < 0.9


def test_particles_are_cut_where_their_coordinates_say_and_inverted(example):
    table = table_of(example.particles, "particles")
    images = mrc.read_stack(example.folder / "particles.mrcs")
    half = demo.BOX // 2
    for row in (0, 200):
        micrograph = mrc.read_stack(example.folder / table["rlnMicrographName"][row])[0]
        x, y = columns(table, "rlnCoordinateX", "rlnCoordinateY")[row].astype(int)
        cut = micrograph[y - half : y + half, x - half : x + half]
        assert correlation(images[row], cut) == pytest.approx(-1, abs=1e-5)


def poses(table):
    matrices = conventions.euler_to_matrix(*columns(table, "rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi").T)
    return matrices, columns(table, "rlnOriginXAngst", "rlnOriginYAngst") / demo.PIXEL_A


def test_particles_show_the_map_at_their_poses_with_their_ctf(example):
    table = table_of(example.particles, "particles")
    rows = np.flatnonzero(kinds_of(example)[star.numbers(table, "rlnClassNumber").astype(int) - 1] == "target")[:60]
    images = mrc.read_stack(example.folder / "particles.mrcs")[rows]
    matrices, origins = poses(table)
    contrast = ctf.CTF(*columns(table, "rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle")[rows].T, amplitude_contrast=0.1)
    projector = Projector(mrc.read_map(example.map))

    def mean_cc(shift_sign, ctf_sign=1, psi=0.0):
        turned = conventions.euler_to_matrix(0.0, 0.0, psi).reshape(3, 3) @ matrices[rows]
        views = projector.project(turned, shift_sign * origins[rows])
        seen = fft.irfft2(fft.rfft2(views) * ctf_sign * ctf.transfer(contrast, demo.BOX, demo.PIXEL_A), views.shape[1:])
        return np.mean([correlation(a, b) for a, b in zip(images, seen, strict=True)])

    right = mean_cc(1)
    assert right > 0.2
    assert mean_cc(0) < 0.9 * right
    assert mean_cc(-1) < 0.8 * right
    assert mean_cc(1, psi=20.0) < 0.8 * right
    assert mean_cc(1, ctf_sign=-1) < 0


def test_members_turned_and_shifted_by_their_table_add_up_to_their_class(example):
    table = table_of(example.members, "particles")
    images = mrc.read_stack(example.folder / "particles.mrcs")
    classes = mrc.read_stack(example.class_images)[:]
    number = star.numbers(table, "rlnClassNumber").astype(int) - 1
    psi = np.radians(star.numbers(table, "rlnAnglePsi"))
    origins = columns(table, "rlnOriginXAngst", "rlnOriginYAngst") / demo.PIXEL_A
    kinds, c = kinds_of(example), demo.BOX // 2

    def average(k, sign=1, turned=1):
        members = np.flatnonzero(number == k)
        total = np.zeros((demo.BOX, demo.BOX))
        for i in members:  # the point p of the class lies at R p - origin of the member
            cos, sin = np.cos(psi[i]), turned * np.sin(psi[i])
            turn = np.array([[cos, sin], [-sin, cos]])
            matrix = turn[::-1, ::-1]  # for (y, x)
            offset = c - matrix @ (c, c) - sign * origins[i][::-1]
            total += ndimage.affine_transform(images[i], matrix, offset, order=1)
        return ndimage.gaussian_filter(total, 2)

    def mean_cc(kind, **wrong):
        shown = [k for k in np.flatnonzero(kinds == kind) if (number == k).sum() >= 5]
        assert shown
        return np.mean([correlation(average(k, **wrong), classes[k]) for k in shown])

    for kind in ("target", "off-centre"):
        assert mean_cc(kind) > 0.75
        assert mean_cc(kind, turned=-1) < 0.7
    assert mean_cc("off-centre", sign=-1) < 0.5


def test_planted_classes_are_where_the_truth_says(example):
    kinds = kinds_of(example)
    classes = mrc.read_stack(example.class_images)[:]
    bright = np.maximum(ndimage.gaussian_filter(classes, (0, 2, 2)) - 0.8, 0)
    y, x = np.indices(bright.shape[1:]) - demo.BOX // 2
    mass = bright.sum(axis=(1, 2))
    off = np.hypot(*[(bright * a).sum(axis=(1, 2)) / np.maximum(mass, 1e-9) for a in (x, y)])
    assert mass[kinds == "empty"].max() < 0.02 * mass[kinds == "target"].min()
    assert off[kinds == "off-centre"].min() > 6
    assert off[kinds == "target"].max() < 5
    assert mass[kinds == "monomer"].max() < 0.6 * mass[kinds == "target"].min()
    assert {k: int((kinds == k).sum()) for k in set(kinds)} == {
        "target": 28, "off-centre": 4, "monomer": 3, "other": 2, "junk": 2, "empty": 1
    }  # fmt: skip


def test_the_example_is_the_same_each_time_and_made_once(example, tmp_path):
    said = []
    again = demo.example(tmp_path / "again", progress=said.append)
    assert len(said) >= 4
    for path in sorted(example.folder.iterdir()):
        other = again.folder / path.name
        if path.suffix in (".mrc", ".mrcs"):
            a, b = (np.frombuffer(p.read_bytes()[1024:], "<f4") for p in (path, other))
            np.testing.assert_allclose(a, b, atol=1e-4 * np.abs(a).max())
        else:
            assert path.read_text() == other.read_text()
    said.clear()
    before = again.map.stat().st_mtime_ns
    assert demo.example(tmp_path / "again", progress=said.append) == again
    assert said == []
    assert again.map.stat().st_mtime_ns == before


def test_a_cancelled_example_leaves_nothing(tmp_path):
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        demo.example(tmp_path / "example", check)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        demo.example(tmp_path / "file" / "example")
