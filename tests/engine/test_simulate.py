"""Phantoms and atoms as density: closed forms, gemmi's own density and the definition of the resolution as oracles."""

from __future__ import annotations

from pathlib import Path

import gemmi
import numpy as np
import pytest

from emviewer.engine import conventions, simulate
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.model import Model
from emviewer.engine.rotations import random_rotations
from emviewer.engine.symmetry import point_group


def model_of(elements: list[str], positions: list[list[float]], occupancy: list[float] | None = None) -> Model:
    n = len(elements)
    return Model(
        elements=np.array(elements),
        positions_A=np.array(positions, float).reshape(-1, 3),
        bfactors=np.full(n, 20.0),
        occupancy=np.ones(n) if occupancy is None else np.array(occupancy),
        source=Path("few.pdb"),
        name="few",
        chains=np.full(n, "A"),
        residues=np.full(n, "ALA"),
    )


def overlap(a: simulate.GaussianPhantom, b: simulate.GaussianPhantom) -> float:
    """Return the integral of the product of two phantoms, in closed form."""
    width = a.sigmas_px[:, None] ** 2 + b.sigmas_px[None] ** 2
    mass = (a.amplitudes * a.sigmas_px**3)[:, None] * (b.amplitudes * b.sigmas_px**3)[None]
    away = ((a.centres_px[:, None] - b.centres_px[None]) ** 2).sum(axis=-1)
    return float((mass * np.exp(-away / (2 * width)) / width**1.5).sum())


def moved(blobs: simulate.GaussianPhantom, matrix: np.ndarray) -> simulate.GaussianPhantom:
    return simulate.GaussianPhantom(blobs.centres_px @ matrix.T, blobs.sigmas_px, blobs.amplitudes)


@pytest.mark.parametrize("box", [32, 33])
def test_line_sums_of_the_density_are_the_exact_projection(box):
    rng = np.random.default_rng(1)
    blobs = simulate.GaussianPhantom(rng.uniform(-6, 6, (12, 3)), rng.uniform(1, 1.6, 12), rng.uniform(0.5, 1.5, 12))
    density = blobs.density(box)
    assert density.shape == (box, box, box)
    image = blobs.project(np.eye(3), box)
    np.testing.assert_allclose(density.sum(axis=0), image, atol=1e-6 * image.max())
    from_x = blobs.project(conventions.euler_to_matrix(0, 90, 0).reshape(3, 3), box)
    z = np.arange(1, box)  # image x is the map's -z, image y its y
    np.testing.assert_allclose(from_x[:, 2 * (box // 2) - z], density.sum(axis=2)[z].T, atol=1e-6 * image.max())


def test_a_point_lands_where_the_pose_says():
    blob = simulate.GaussianPhantom(np.array([[5.0, 3.0, -7.0]]), np.array([1.5]), np.array([1.0]))
    peak = np.unravel_index(blob.project(np.eye(3), 32).argmax(), (32, 32))
    assert peak == (16 + 3, 16 + 5)
    shifted = blob.project(np.eye(3)[None], 32, [[2.0, -4.0]])[0]
    assert np.unravel_index(shifted.argmax(), (32, 32)) == (16 + 3 + 4, 16 + 5 - 2)
    assert shifted.sum() == pytest.approx((2 * np.pi) ** 1.5 * 1.5**3, rel=1e-6)


@pytest.mark.parametrize("name", simulate.PHANTOMS)
def test_phantoms_have_their_symmetry_and_no_other(name):
    blobs, group = simulate.phantom_blobs(name, 64), point_group(name)
    itself = overlap(blobs, blobs)
    for rotation in group.rotations:
        assert overlap(blobs, moved(blobs, rotation)) == pytest.approx(itself, rel=1e-9)
    more = {"C1": "C2", "C4": "D4", "D2": "D4", "D7": "D14", "T": "O", "O": "Oh", "I": "Ih"}[name]
    others = [
        *point_group(more).operations,
        *point_group("C8").rotations,
        *random_rotations(60, np.random.default_rng(2)),
    ]
    others += [np.diag([1.0, 1.0, -1.0]) @ r for r in random_rotations(60, np.random.default_rng(3))]
    for matrix in others:
        if not np.isclose(matrix, group.rotations, atol=1e-6).all(axis=(1, 2)).any():
            assert overlap(blobs, moved(blobs, matrix)) < 0.97 * itself


@pytest.mark.parametrize("name", simulate.PHANTOMS)
def test_phantoms_fit_into_their_box_at_any_size(name):
    for box in (40, 65):
        volume = simulate.phantom(name.lower(), box, 2.5)
        assert volume.shape == (box,) * 3
        assert volume.pixel_size_A == 2.5
        assert volume.symmetry == point_group(name).name
        z, y, x = np.indices(volume.shape) - box // 2
        outside = np.sqrt(x**2 + y**2 + z**2) > box / 2 - 2
        assert volume.data[outside].max() < 1e-3 * volume.data.max()


def test_phantoms_differ_by_seed_and_repeat_by_seed():
    a, b, c = (simulate.phantom("D2", 32, seed=s).data for s in (0, 0, 1))
    assert np.array_equal(a, b)
    assert np.corrcoef(a.ravel(), c.ravel())[0, 1] < 0.9


def test_an_unknown_phantom_is_refused_with_the_list():
    with pytest.raises(ParameterError, match="C1, C4, D2, D7, T, O, I"):
        simulate.phantom("D3")


@pytest.mark.parametrize("element", ["C", "S", "Zn"])
def test_an_atom_has_the_density_that_gemmi_gives_it(element):
    resolution, pixel, box = 5.0, 1.25, 25
    volume = simulate.density_from_model(model_of([element], [[4.0, -3.0, 9.0]]), resolution, pixel, box)
    line = volume.data[box // 2, box // 2, box // 2 :]
    factors = gemmi.Element(element).c4322
    expected = [
        simulate.VOLT_A2 * factors.calculate_density_iso((pixel * i) ** 2, 4 * resolution**2) for i in range(len(line))
    ]
    np.testing.assert_allclose(line[:4], expected[:4], rtol=1e-5)
    np.testing.assert_allclose(line, expected, atol=1e-3 * expected[0])


def test_the_transform_falls_to_a_share_of_e_at_the_resolution():
    resolution, pixel, box = 6.0, 1.5, 64
    volume = simulate.density_from_model(model_of(["C"], [[0, 0, 0]]), resolution, pixel, box)
    spectrum = np.abs(np.fft.fftn(volume.data))[0, 0]
    factors = gemmi.Element("C").c4322
    k = round(box * pixel / resolution)
    at = k / (box * pixel)
    assert at == pytest.approx(1 / resolution)
    sharp = factors.calculate_sf(at**2 / 4) / factors.calculate_sf(0.0)
    assert spectrum[k] / spectrum[0] / sharp == pytest.approx(np.exp(-1), rel=0.01)
    assert spectrum[0] * pixel**3 == pytest.approx(simulate.VOLT_A2 * factors.calculate_sf(0.0), rel=2e-3)


@pytest.mark.parametrize("box", [None, 41])
def test_a_model_stands_with_its_centre_of_mass_on_the_centre_voxel_and_its_origin_over_the_model(box):
    rng = np.random.default_rng(4)
    model = model_of(["C", "N", "O", "S"] * 20, rng.normal([100, -50, 30], 8, (80, 3)).tolist())
    volume = simulate.density_from_model(model, 5.0, 1.7, box)
    weight = volume.data.astype(float)
    z, y, x = np.indices(volume.shape)
    centre = np.array([(a * weight).sum() / weight.sum() for a in (x, y, z)])
    np.testing.assert_allclose(centre, volume.box // 2, atol=0.01)
    a, _ = simulate.electron_factors([str(e) for e in model.elements])
    expected = np.average(model.positions_A, axis=0, weights=a.sum(axis=1))
    np.testing.assert_allclose(np.array(volume.origin_A) + 1.7 * centre, expected, atol=0.02)


def test_the_models_own_frame_can_be_kept():
    volume = simulate.density_from_model(model_of(["O"], [[6.0, -4.0, 2.0]]), 4.0, 2.0, 32, frame="model")
    z, y, x = np.unravel_index(volume.data.argmax(), volume.shape)
    assert (x, y, z) == (16 + 3, 16 - 2, 16 + 1)
    assert volume.origin_A == (-32.0, -32.0, -32.0)


def test_the_automatic_box_holds_the_model_in_every_orientation():
    model = model_of(["C", "C"], [[-40.0, 0, 0], [40.0, 0, 0]])
    volume = simulate.density_from_model(model, 6.0)
    assert volume.pixel_size_A == 2.0
    assert volume.box % 2 == 0
    assert 80 + 4 * 2 * 6 / 4.44 < volume.box * 2.0 < 1.5 * 120
    small = simulate.density_from_model(model, 6.0, box=32)
    assert any("beyond" in note for note in small.notes)
    assert not any("beyond" in note for note in volume.notes)


def test_occupancy_counts_and_an_unknown_element_is_taken_as_carbon():
    whole = simulate.density_from_model(model_of(["C"], [[0, 0, 0]]), 5.0, 1.5, 24).data
    half = simulate.density_from_model(model_of(["C"], [[0, 0, 0]], [0.5]), 5.0, 1.5, 24).data
    unknown = simulate.density_from_model(model_of(["X"], [[0, 0, 0]]), 5.0, 1.5, 24).data
    np.testing.assert_allclose(half, whole / 2, rtol=1e-5)
    np.testing.assert_array_equal(unknown, whole)


def test_density_does_not_depend_on_the_number_of_threads():
    from emviewer.engine import threads

    rng = np.random.default_rng(5)
    model = model_of(["C"] * 300, rng.normal(0, 15, (300, 3)).tolist())
    before = threads.threads()
    try:
        made = [threads.set_threads(k) and simulate.density_from_model(model, 4.0).data for k in (1, 3)]
    finally:
        threads.set_threads(before)
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize(
    ("resolution", "pixel", "positions", "error", "says"),
    [
        (0.0, None, [[0, 0, 0]], ParameterError, "resolution 0.0"),
        (float("nan"), None, [[0, 0, 0]], ParameterError, "not positive"),
        (4.0, 3.0, [[0, 0, 0]], ParameterError, "half the resolution"),
        (4.0, 0.0, [[0, 0, 0]], ParameterError, "pixel size"),
        (4.0, None, [], DataError, "no atoms"),
        (4.0, None, [[0, np.nan, 0]], DataError, "not numbers"),
        (1.0, 0.1, [[-100, 0, 0], [100, 0, 0]], ParameterError, "larger pixel"),
    ],
)
def test_what_cannot_become_a_map_is_said(resolution, pixel, positions, error, says):
    with pytest.raises(error, match=says):
        simulate.density_from_model(model_of(["C"] * len(positions), positions), resolution, pixel)


def test_a_density_can_be_stopped():
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        simulate.density_from_model(model_of(["C"], [[0, 0, 0]]), 4.0, check=check)


def test_noise_has_the_ratio_asked_for():
    rng = np.random.default_rng(6)
    images = simulate.phantom_blobs("D7", 48).project(random_rotations(40, rng), 48).astype(np.float32)
    kept = images.copy()
    noisy = simulate.add_noise(images, 0.25, rng)
    np.testing.assert_array_equal(images, kept)
    noise = noisy - images
    assert images.var(axis=(1, 2)).mean() / noise.var() == pytest.approx(0.25, rel=0.02)
    assert abs(np.corrcoef(noise.ravel(), images.ravel())[0, 1]) < 0.02
    disc = simulate.signal_variance(images, 20.0)
    y, x = np.ogrid[:48, :48]
    inside = (y - 24) ** 2 + (x - 24) ** 2 <= 400
    assert disc == pytest.approx(np.mean([image[inside].var() for image in images]), rel=1e-4)
    in_disc = simulate.add_noise(images, 0.25, rng, radius_px=20.0) - images
    assert in_disc.var() == pytest.approx(disc / 0.25, rel=0.02)
    with pytest.raises(ParameterError, match="--snr"):
        simulate.add_noise(images, 0.0, rng)
