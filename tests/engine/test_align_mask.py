"""The masks that an alignment makes by itself, and the small tables it writes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from emviewer.engine import kernels_mask as kk
from emviewer.engine.align3d_mask import coarse_mask, distances
from emviewer.engine.difference_blobs import blobs, find_blobs
from emviewer.engine.jobs.align_table import write_table
from emviewer.engine.types import Map3D


def test_pieces_are_those_of_scipy():
    above = np.random.default_rng(0).random((14, 11, 17)) > 0.68
    labels = np.empty(above.shape, np.int32)
    count = kk.label(above, labels)
    wanted, number = ndimage.label(above)
    assert count == number
    assert np.array_equal(labels, wanted)
    sizes, bounds = kk.boxes(labels, count)
    assert np.array_equal(sizes[1:], np.bincount(wanted.ravel())[1:])
    for found, place in zip(bounds[1:], ndimage.find_objects(wanted), strict=True):
        assert found.tolist() == [[s.start, s.stop] for s in place]


def test_distances_are_those_of_scipy_up_to_the_reach():
    kept = np.random.default_rng(1).random((16, 13, 15)) > 0.99
    wanted = ndimage.distance_transform_edt(~kept)
    near = wanted <= 5
    assert np.allclose(distances(kept, 5)[near], wanted[near], atol=1e-5)
    assert (distances(kept, 5)[~near] > 5).all()


def test_the_mask_fills_holes_and_leaves_specks():
    z, y, x = np.mgrid[:48, :48, :48] - 24
    radius = np.sqrt(x**2 + y**2 + z**2)
    data = ((radius < 14) & (radius > 9)).astype(np.float32)
    data[4:6, 24, 24] = 1
    mask, pixel = coarse_mask(Map3D(data, 4.0))
    assert pixel == 4.0
    assert mask[24, 24, 24] == 1
    assert mask[radius < 13].min() == 1
    assert mask[5, 24, 24] == 0
    assert mask[radius > 21].max() == 0


def test_blobs_without_and_with_pandas(tmp_path):
    z = np.zeros((20, 20, 20), np.float32)
    z[3:7, 4:8, 5:9], z[12:15, 12:15, 12:15] = 6, -9
    table = find_blobs(z, z, np.ones_like(z), 2.0, 4.0, (10.0, 0.0, -5.0))
    assert table["sign"].tolist() == [1, -1]
    assert table["volume_A3"].tolist() == [64 * 8, 27 * 8]
    assert [table[f"{a}_A"][0] for a in "xyz"] == [10 + 6.5 * 2, 5.5 * 2, -5 + 4.5 * 2]
    assert table["peak_z"].tolist() == [6, -9]
    write_table(tmp_path / "blobs.csv", table)
    assert np.allclose(pd.read_csv(tmp_path / "blobs.csv"), blobs(z, z, np.ones_like(z), 2.0, 4.0, (10.0, 0.0, -5.0)))
    nothing = find_blobs(z, np.zeros_like(z), z, 2.0, 4.0)
    write_table(tmp_path / "none.csv", nothing)
    assert list(pd.read_csv(tmp_path / "none.csv")) == list(table)


def test_what_is_not_a_number_stays_empty(tmp_path):
    write_table(tmp_path / "t.csv", {"a": np.array([1, 2]), "b": np.array([0.5, np.nan]), "c": None})
    assert (tmp_path / "t.csv").read_text() == "a,b,c\n1,0.5,\n2,,\n"
