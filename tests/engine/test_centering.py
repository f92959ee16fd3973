"""Estimators of the centre on planted classes: symmetric, without symmetry, with neighbours, junk, empty."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from emviewer.engine.centering import find_centres, left_alone
from emviewer.engine.centering_move import centred, shifted
from emviewer.engine.mrc import read_stack
from emviewer.engine.simulate_phantom import GaussianPhantom, phantom_blobs

BOX = 64


def views(name: str, n: int, seed: int, neighbour: bool = False, off: float = 5.0):
    """Noisy projections of a phantom at known places, seen through a disc; neighbours are fainter and cut off."""
    blobs = phantom_blobs(name, BOX, 0)
    blobs = GaussianPhantom(blobs.centres_px * 0.85, blobs.sigmas_px, blobs.amplitudes)
    rng = np.random.default_rng(seed)
    centre = rng.uniform(-off, off, (n, 2))
    images = blobs.project(Rotation.random(n, random_state=seed).as_matrix(), BOX, -centre)
    if neighbour:
        angle = rng.uniform(0, 2 * np.pi, n)
        reach = 2 * np.percentile(np.linalg.norm(blobs.centres_px, axis=1), 95)
        beside = centre + reach * np.c_[np.cos(angle), np.sin(angle)]
        other = blobs.project(Rotation.random(n, random_state=seed + 1).as_matrix(), BOX, -beside)
        images = images + 0.7 * ndimage.gaussian_filter(other, (0, 2, 2))
    noise = ndimage.gaussian_filter(rng.normal(size=images.shape), (0, 1.2, 1.2))
    images = images + noise * (0.35 * images.std() / noise.std())
    r = np.hypot(*(np.indices((BOX, BOX)) - BOX // 2))
    return (images * np.clip((0.47 * BOX - r) / 3, 0, 1)).astype(np.float32), centre


def error(found, centre):
    return np.hypot(*(found.offset_px - centre).T)


@pytest.mark.parametrize(
    ("name", "neighbour", "limit"),
    [("D7", False, 0.4), ("D7", True, 0.5), ("C1", False, 0.8), ("C1", True, 1.0)],
)
def test_auto_finds_the_centre(name, neighbour, limit):
    images, centre = views(name, 16, 3, neighbour, off=3 if neighbour else 5)
    found = find_centres(images)
    assert np.median(error(found, centre)) <= limit
    assert not left_alone(found, BOX / 3).any()


def test_auto_uses_the_half_turn_only_where_there_is_one():
    symmetric, _ = views("D7", 8, 1)
    without, centre = views("C1", 12, 2)
    assert find_centres(symmetric).method.count("mirror") >= 6
    found = find_centres(without)
    assert found.method.count("mass") >= 5
    turned = np.array([m == "mirror" for m in found.method])
    forced = error(find_centres(without, method="mirror"), centre)
    assert np.median(forced[~turned]) > 2
    assert error(found, centre).max() < 2


def test_dark_particles_are_found_as_bright_ones_are():
    images, _ = views("C1", 6, 4)
    np.testing.assert_allclose(find_centres(-images).offset_px, find_centres(images).offset_px, atol=1e-4)


@pytest.mark.parametrize("name", ["D7", "C1"])
def test_a_second_run_moves_nothing(name):
    images, _ = views(name, 12, 5, neighbour=True)
    first = find_centres(images)
    moved = centred(images, -first.offset_px, np.zeros(len(images)))
    assert np.abs(find_centres(moved).offset_px).max() < 0.1


def test_empty_noise_and_ice_are_told():
    images, _ = views("C1", 8, 6)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(3, BOX, BOX)).astype(np.float32)
    y, x = np.indices((BOX, BOX)) - BOX // 2
    ice = 50 * np.exp(-((x - 4) ** 2 + y**2) / (2 * 12**2))[None].astype(np.float32)
    nan = np.full((1, BOX, BOX), np.nan, np.float32)
    found = find_centres(np.concatenate([images, np.zeros((1, BOX, BOX), np.float32), noise, ice, nan]))
    alone = left_alone(found, BOX / 3)
    assert not alone[:8].any()
    assert alone[8:].all()
    assert np.isfinite(found.offset_px).all()


def test_xmipps_procedure_centres_what_is_symmetric_and_turns_it_upright():
    y, x = np.indices((BOX, BOX)) - BOX // 2
    angle = np.radians(30)
    u, v = (x - 4) * np.cos(angle) + (y + 3) * np.sin(angle), (y + 3) * np.cos(angle) - (x - 4) * np.sin(angle)
    image = np.exp(-(u**2) / 200 - v**2 / 30).astype(np.float32)[None]
    found = find_centres(image, method="xmipp", rotate=True)
    np.testing.assert_allclose(found.offset_px[0], [4, -3], atol=0.75)  # its centre of an even box is half a pixel off
    upright = centred(image, -found.offset_px, found.psi_deg)[0]
    assert (upright * y**2).sum() > 3 * (upright * x**2).sum()


def test_turning_makes_the_long_axis_vertical():
    y, x = np.indices((BOX, BOX)) - BOX // 2
    for angle in np.radians([0, 35, 80, 120]):
        u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        image = np.exp(-(u**2) / 200 - v**2 / 30).astype(np.float32)[None]
        found = find_centres(image, method="mass", rotate=True)
        upright = centred(image, -found.offset_px, found.psi_deg)[0]
        assert abs((upright * x * y).sum()) < 0.03 * (upright * y**2).sum()
        assert (upright * y**2).sum() > 3 * (upright * x**2).sum()


def test_shifting_moves_by_parts_of_a_pixel_and_lets_nothing_in_from_the_other_side():
    image = np.zeros((1, 32, 32), np.float32)
    image[0, 16, 26:30] = 1
    image = ndimage.gaussian_filter(image, (0, 1.5, 1.5))
    moved = shifted(image, np.array([[-6.25, 2.5]]))[0]
    y, x = ndimage.center_of_mass(moved)
    np.testing.assert_allclose([x, y], [27.5 - 6.25, 18.5], atol=0.05)
    away = shifted(image, np.array([[9.0, 0.0]]))[0]
    assert np.abs(away[:, :8]).max() < 1e-3


def test_t20s_classes_within_the_limits_of_the_issue(shared_data):
    import pandas as pd

    folder = shared_data / "sim_t20s_relion_class2d"
    truth = pd.read_csv(folder / "truth_classes.csv")
    images = read_stack(folder / "Class2D/job010/run_it025_classes.mrcs")[:]
    found = find_centres(images)
    wrong = error(found, truth[["offset_x_px", "offset_y_px"]].to_numpy())
    for kind, limit in (("target", 0.5), ("target_offcentre", 0.6), ("target_neighbour", 0.7)):
        assert np.median(wrong[truth["kind"] == kind]) <= limit
    alone = left_alone(found, 0.3 * images.shape[1])
    assert set(truth["kind"][alone]) == {"junk", "empty"}
    assert alone.sum() == truth["kind"].isin(["junk", "empty"]).sum()
