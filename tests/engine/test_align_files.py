"""What belongs to a map and under which name: nothing is written twice, and a mask moves as a mask."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emviewer.engine import mrc
from emviewer.engine.jobs.align import _open
from emviewer.engine.jobs.align_inputs import Member, Opener, looks_like_mask
from emviewer.engine.jobs.align_params import AlignParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.task import never

BOX, PIXEL = 16, 4.0


@pytest.fixture
def folder(tmp_path):
    made = ResultFolder(tmp_path / "out")
    yield made
    made.discard()


def write(path: Path, data: np.ndarray | None = None) -> Path:
    path.parent.mkdir(exist_ok=True)
    if data is None:
        data = np.random.default_rng(0).normal(size=(BOX,) * 3)
    mrc.write_map(path, data.astype(np.float32), PIXEL)
    return path


def ball(soft: float = 0.0) -> np.ndarray:
    axis = np.arange(BOX) - BOX // 2
    radius = np.sqrt(sum(np.square(a) for a in np.meshgrid(axis, axis, axis)))
    return np.clip((6 + soft - radius) / max(soft, 1e-6), 0, 1)


def members(folder: ResultFolder, reference: Path, *maps: Path, **more: object) -> list[Member]:
    return _open(AlignParams(reference=reference, maps=list(maps), **more), folder, never)[1]


def names(found: list[Member]) -> list[list[str]]:
    return [[m.name, *(name for name, _ in m.siblings)] for m in found]


def test_a_map_that_is_given_is_nobodys_sibling(tmp_path, folder):
    ref, a, sharp = (write(tmp_path / f"{name}.mrc") for name in ("ref", "a", "a_sharp"))
    write(tmp_path / "a_half1.mrc")
    found = members(folder, ref, Path(folder.path) / ".." / "a.mrc", sharp)
    assert names(found) == [["a", "a_half1"], ["a_sharp", "a_half1_2"]]
    assert names(members(folder, a, sharp)) == [["a_sharp", "a_half1"]]


def test_siblings_of_one_name_are_told_apart(tmp_path, folder):
    ref = write(tmp_path / "ref.mrc")
    maps = [write(tmp_path / where / name) for where, name in (("x", "p.mrc"), ("y", "q.mrc"), ("z", "half1.mrc"))]
    for where in "xy":
        write(tmp_path / where / "half1.mrc")
    assert names(members(folder, ref, *maps)) == [["p", "half1_2"], ["q", "half1_3"], ["half1"]]


def test_names_of_maps_are_unique_whatever_they_are(tmp_path, folder):
    opener = Opener(folder, None, None)
    assert [opener.name(Path(p)) for p in ("a_2.mrc", "a.mrc", "x/a.mrc", "y/a.mrc")] == ["a_2", "a", "a_3", "a_4"]


def test_a_mask_that_is_added_moves_as_a_mask(tmp_path, folder):
    ref, a, b = (write(tmp_path / f"{name}.mrc") for name in ("ref", "a", "b"))
    odd, named = write(tmp_path / "odd.mrc", ball(2.0)), write(tmp_path / "core_mask.mrc", 0.5 * ball())
    density = write(tmp_path / "more.mrc", np.random.default_rng(1).random((BOX,) * 3))
    also = [(1, odd), (1, density), (2, odd), (2, named)]
    first, second = members(folder, ref, a, b, also=also)
    assert names([first, second]) == [["a", "more"], ["b"]]
    for member in (first, second):
        assert member.mask is not None and str(member.mask.source) == str(odd)
        assert not member.mask_given
    assert (first.masks, second.masks) == ([], [("core_mask", named)])


@pytest.mark.parametrize("kind", ["binary", "soft", "density", "signed", "all zero"])
def test_values_tell_a_mask(kind):
    rough = np.random.default_rng(0).random((BOX,) * 3)
    data = {"binary": ball(), "soft": ball(3.0), "density": rough / rough.max() * (ball() > 0), "signed": ball() - 0.1,
            "all zero": 0 * ball()}[kind]  # fmt: skip
    assert looks_like_mask(data.astype(np.float32)) == (kind in ("binary", "soft"))
