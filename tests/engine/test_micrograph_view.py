"""How micrographs are looked at: pieces in the greys of the overview, even backgrounds, the way up."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import micrograph_view, mrc
from emviewer.engine.micrograph import spread
from emviewer.engine.micrograph_picks import Picks, typical_distance
from emviewer.engine.micrograph_view import Look, filtered, piece_of, read_binned

H, W, FACTOR = 480, 640, 4


@pytest.fixture
def path(tmp_path):
    """Noise with a bright disc on a slope."""
    y, x = np.indices((H, W))
    image = np.random.default_rng(0).normal(size=(H, W)) + 0.02 * x + 4.0 * (np.hypot(x - 400, y - 150) < 40)
    with mrc.StackWriter(tmp_path / "m.mrc", (H, W), 2.0) as writer:
        writer.append(image[None].astype(np.float32))
    return tmp_path / "m.mrc"


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(micrograph_view, "overview_factor", lambda shape: FACTOR)


def test_the_low_pass_is_in_angstrom_or_in_pixels(path):
    source = read_binned(path, None)
    assert filtered(source, Look(40.0, 12.0), 2.0).finest_px == 20.0
    assert filtered(source, Look(40.0, 12.0), 0.0).finest_px == 12.0
    assert filtered(source, Look(0.0, 0.0), 2.0).finest_px == 0.0
    smooth, rough = (filtered(source, Look(r), 2.0).picture for r in (80.0, 0.0))
    assert np.abs(np.diff(smooth)).mean() < 0.3 * np.abs(np.diff(rough)).mean()


def test_a_piece_has_the_middle_and_spread_of_the_overview(path):
    shown = filtered(read_binned(path, None), Look(0.0), 2.0)
    spreads = {}
    piece = piece_of(shown, ((0, 0), (W, H), 1), spreads)
    own = spread(piece.picture)
    assert own.middle == pytest.approx(shown.spread.middle, abs=0.1 * shown.spread.half_width)
    assert own.half_width == pytest.approx(shown.spread.half_width, rel=0.1)
    raw = shown.micrograph.rows
    assert np.corrcoef(piece.picture.ravel(), raw.ravel())[0, 1] > 0.9999
    assert set(spreads) == {1}


def test_an_even_background_is_even_in_pieces_too(path):
    shown = filtered(read_binned(path, None), Look(30.0, flat=True), 2.0)
    assert shown.ground is not None
    whole = piece_of(shown, ((0, 0), (W, H), 2), {}).picture
    slope = np.polyfit(np.arange(40, 280), whole.mean(axis=0)[40:280], 1)[0] * 240
    assert abs(slope) < 0.3  # of the 9.6 that it was before
    coarse = whole.reshape(H // 4, 2, W // 4, 2).mean(axis=(1, 3))
    assert np.corrcoef(coarse[10:-10, 10:-10].ravel(), shown.picture[10:-10, 10:-10].ravel())[0, 1] > 0.97


def test_only_tiff_is_turned_by_itself(path, tmp_path):
    import tifffile

    rows = read_binned(path, None).micrograph.rows
    tifffile.imwrite(tmp_path / "m.tif", np.asarray(rows))
    for name, wish, turned in (("m.mrc", None, False), ("m.mrc", True, True), ("m.tif", None, True),
                               ("m.tif", False, False)):  # fmt: skip
        found = read_binned(tmp_path / name, wish)
        assert found.turned == turned
        np.testing.assert_array_equal(found.micrograph.rows, rows[::-1] if turned else rows)


def test_the_typical_distance_is_that_to_the_next_neighbour():
    x, y = np.meshgrid(np.arange(6) * 100.0, np.arange(5) * 140.0)
    place = np.c_[x.ravel(), y.ravel()]
    none = np.zeros(30, bool)
    picks = Picks(["a"], np.zeros(30, np.int64), place, None, None, none, np.ones(1), np.full((1, 2), np.nan))
    assert typical_distance(picks) == 100.0
    alone = Picks(["a"], np.zeros(1, np.int64), place[:1], None, None, none[:1], np.ones(1), np.full((1, 2), np.nan))
    assert typical_distance(alone) == 0.0
