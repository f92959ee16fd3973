"""Projections: closed forms, conventions, options, and what does not change them."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from oracles import Gaussians, errors, rotations

from emviewer.engine import fft, mrc, threads
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.errors import ParameterError
from emviewer.engine.project import Projector
from emviewer.engine.task import Cancelled
from emviewer.engine.types import Map3D

METHODS = ("fourier", "real", "shears")
WORST = {  # the most that the issue allows, worst of 25 random views
    ("fourier", "best"): 8e-4,
    ("fourier", "cubic"): 8e-4,
    ("fourier", "linear"): 3e-2,
    ("real", "best"): 1.5e-2,
    ("real", "linear"): 1.5e-2,
    ("shears", "best"): 5e-4,
}


def volume(data: np.ndarray, pixel: float = 1.0) -> Map3D:
    return Map3D(np.ascontiguousarray(data, np.float32), pixel)


@pytest.mark.parametrize("box", [64, 65])
@pytest.mark.parametrize(("method", "interp"), list(WORST))
def test_accuracy_on_the_phantom_of_forty_gaussians(box, method, interp):
    phantom = Gaussians.random(box, seed=box)
    views = rotations(25, seed=3)
    truth = np.array([phantom.project(a, box) for a in views])
    images = Projector(volume(phantom.density(box)), method=method, interp=interp).project(views)
    assert errors(images, truth).max() < WORST[method, interp]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("pad", [1.0, 1.25, 1.5, 2.0])
def test_best_stays_accurate_at_every_padding_and_for_other_phantoms(seed, pad):
    phantom = Gaussians.random(64, seed=seed)
    views = rotations(8, seed=seed)
    truth = np.array([phantom.project(a, 64) for a in views])
    assert errors(Projector(volume(phantom.density(64)), pad=pad).project(views), truth).max() < 8e-4


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box", [20, 21])
def test_a_point_lands_where_the_rotation_takes_it(method, box):
    centre = np.array([[4.0, -2.0, 3.0]])
    phantom = Gaussians(centre, np.array([1.6]), np.array([1.0]))
    views = rotations(6, seed=1)
    images = Projector(volume(phantom.density(box)), method=method).project(views)
    y, x = np.mgrid[:box, :box] - box // 2
    for image, a in zip(images, views, strict=True):
        mass = image.sum()
        assert (image * x).sum() / mass == pytest.approx((a @ centre[0])[0], abs=0.02)
        assert (image * y).sum() / mass == pytest.approx((a @ centre[0])[1], abs=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box", [24, 25])
def test_straight_views_are_plain_sums_along_the_axes(method, box):
    data = Gaussians(np.array([[2.0, -1, 3], [-3, 2, 1]]), np.array([1.6, 1.8]), np.ones(2)).density(box)
    along_z, along_x = np.eye(3), np.array([[0.0, 1, 0], [0, 0, 1], [1, 0, 0]])
    images = Projector(volume(data), method=method, pad=2).project(np.array([along_z, along_x]))
    np.testing.assert_allclose(images[0], data.sum(axis=0), atol=1e-3 * images.max())
    np.testing.assert_allclose(images[1], data.sum(axis=2), atol=1e-3 * images.max())


@pytest.mark.parametrize("method", METHODS)
def test_ones_in_a_box_of_n_give_n(method):
    n = 24
    image = Projector(volume(np.ones((n, n, n))), method=method, pad=2).project(np.eye(3))[0]
    inside = image[6:-6, 6:-6]
    assert inside.mean() == pytest.approx(n, rel=3e-3)
    assert np.abs(inside / n - 1).max() < 2e-2  # the band limit rings at the faces of the box


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box", [64, 65])
def test_shifts_are_in_the_sense_of_the_pose_and_exact(method, box):
    phantom = Gaussians.random(box, seed=2, spread=0.15)
    views = rotations(4, seed=2)
    shifts = np.array([[3.37, -1.52], [-0.5, 0.25], [0.01, 0.0], [0.0, -7.0]])
    truth = np.array([phantom.project(a, box, s) for a, s in zip(views, shifts, strict=True)])
    projector = Projector(volume(phantom.density(box)), method=method)
    images = projector.project(views, shifts_px=shifts)
    moved = np.array([phantom.project(a, box, [s[0] + 0.01, s[1] + 0.01]) for a, s in zip(views, shifts, strict=True)])
    assert (errors(images, truth) < 0.5 * errors(moved.astype(np.float32), truth)).all()


@pytest.mark.parametrize("method", METHODS)
def test_projection_is_linear_and_keeps_the_sign(method):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 20, 20, 20)).astype(np.float32)
    views = rotations(3, seed=0)
    one = [Projector(volume(v), method=method, pad=1.5, box=20).project(views) for v in (a, b, 2 * a - b)]
    np.testing.assert_allclose(2 * one[0] - one[1], one[2], atol=1e-3)


def test_the_whole_mass_stays_in_the_image():
    phantom = Gaussians.random(64, seed=9, spread=0.2)
    data = phantom.density(64)
    for method in METHODS:
        images = Projector(volume(data), method=method, box=96).project(rotations(5, seed=9))
        assert images.shape == (5, 96, 96)
        np.testing.assert_allclose(images.sum(axis=(1, 2)), data.sum(dtype=np.float64), rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("box", [40, 41, 64, 90, 91])
def test_other_boxes_are_the_same_image_cut_or_padded(method, box):
    phantom = Gaussians.random(64, seed=4, spread=0.2)
    views = rotations(4, seed=4)
    truth = np.array([phantom.project(a, box) for a in views])
    images = Projector(volume(phantom.density(64)), method=method, box=box).project(views)
    assert images.shape == truth.shape
    assert np.abs(images - truth).max() < 2e-3 * truth.max()


@pytest.mark.parametrize("method", METHODS)
def test_maps_that_are_not_cubes_stand_in_the_middle_of_a_cube(method):
    phantom = Gaussians.random(64, seed=6, spread=0.12)
    views = rotations(3, seed=6)
    truth = np.array([phantom.project(a, 64) for a in views])
    images = Projector(volume(phantom.density((49, 58, 64))), method=method).project(views)
    assert errors(images, truth).max() < 1e-3


def test_nothing_wraps_around():
    phantom = Gaussians(np.array([[25.0, 0, 0]]), np.array([1.6]), np.array([1.0]))
    turned = np.array([[np.sqrt(0.5), np.sqrt(0.5), 0], [-np.sqrt(0.5), np.sqrt(0.5), 0], [0, 0, 1]])
    corner = Gaussians(np.array([[25.0, 25.0, 0]]), np.array([1.6]), np.array([1.0]))
    data = phantom.density(64) + corner.density(64)
    image = Projector(volume(data)).project(turned)[0]
    truth = phantom.project(turned, 64) + corner.project(turned, 64)
    assert np.abs(image - truth).max() < 2e-3 * truth.max()


@pytest.mark.parametrize("method", METHODS)
def test_maximum_resolution_removes_what_is_finer_and_nothing_coarser(method):
    rng = np.random.default_rng(1)
    box, pixel, cut = 32, 1.5, 6.0
    y, x = np.mgrid[:box, :box] - box // 2
    window = np.exp(-(x**2 + y**2) / 40)
    data = rng.normal(size=(box, box, box)) * window * window[:, box // 2, None, None]
    views = np.eye(3)[None]
    whole = Projector(volume(data, pixel), method=method, pad=2).project(views)
    cut_off = Projector(volume(data, pixel), method=method, pad=2, max_res_A=cut).project(views)
    k = np.hypot(np.fft.fftfreq(box, pixel)[:, None], np.fft.rfftfreq(box, pixel))
    a, b = np.abs(np.fft.rfft2(whole[0])), np.abs(np.fft.rfft2(cut_off[0] - whole[0]))
    c = np.abs(np.fft.rfft2(cut_off[0]))
    assert c[k > 1 / cut + 0.01].max() < 5e-3 * a.max()
    assert b[k < 1 / cut - 4 / (box * pixel)].max() < 5e-3 * a.max()


@pytest.mark.parametrize("method", METHODS)
def test_ctf_multiplies_the_transform(method):
    phantom = Gaussians.random(64, seed=7, spread=0.15)
    views = rotations(3, seed=7)
    ctf = CTF(defocus_u_A=[8000, 9000, 12000], defocus_v_A=[8000, 8500, 11000], defocus_angle_deg=[0, 20, 70])
    projector = Projector(volume(phantom.density(64), 2.0), method=method, box=64)
    plain, seen = projector.project(views), projector.project(views, ctf=ctf)
    expected = np.fft.irfft2(np.fft.rfft2(plain) * transfer(ctf, 64, 2.0), s=(64, 64))
    middle = np.s_[:, 16:48, 16:48]  # the Fourier frame may be larger than the box: its rings do not wrap
    assert np.abs(seen - expected)[middle].max() < 0.02 * np.abs(expected).max()


def test_one_ctf_serves_all_views_and_two_do_not_serve_three():
    projector = Projector(volume(Gaussians.random(32, 0, n=3).density(32)))
    views = rotations(3, seed=7)
    same = CTF(defocus_u_A=[9000] * 3, defocus_v_A=[9000] * 3)
    np.testing.assert_array_equal(projector.project(views, ctf=CTF(9000, 9000)), projector.project(views, ctf=same))
    with pytest.raises(ParameterError, match="2 CTFs for 3 views"):
        projector.project(views, ctf=same.take([0, 1]))


def test_the_result_does_not_depend_on_threads_or_batches():
    projector = Projector(volume(Gaussians.random(48, 1).density(48)))
    views = rotations(23, seed=8)
    together = projector.project(views)
    before = threads.threads()
    try:
        threads.set_threads(1)
        apart = np.concatenate([projector.project(a) for a in views])
    finally:
        threads.set_threads(before)
    np.testing.assert_array_equal(together, apart)


def test_several_threads_may_project_at_once():
    projector = Projector(volume(Gaussians.random(48, 1).density(48)))
    views = rotations(40, seed=8)
    expected = projector.project(views)
    results: list[np.ndarray] = []
    workers = [threading.Thread(target=lambda: results.append(projector.project(views))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


def test_writes_where_it_is_told():
    projector = Projector(volume(Gaussians.random(32, 1).density(32)))
    views = rotations(3, seed=8)
    out = np.full((3, 32, 32), np.nan, np.float32)
    assert projector.project(views, out=out) is out
    np.testing.assert_array_equal(out, projector.project(views))


@pytest.mark.parametrize("method", METHODS)
def test_preparing_can_be_cancelled(method):
    calls = []

    def check() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        Projector(volume(np.ones((64, 64, 64))), method=method, check=check)


@pytest.mark.parametrize("method", METHODS)
def test_projecting_can_be_cancelled(method):
    projector = Projector(volume(np.ones((32, 32, 32))), method=method)

    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        projector.project(rotations(20, seed=0), check=check)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pad": 0.5}, "padding"),
        ({"interp": "sinc"}, "interpolation"),
        ({"method": "magic"}, "method"),
        ({"box": -3}, "box"),
        ({"max_res_A": -1.0}, "resolution"),
    ],
)
def test_wrong_options_are_refused_in_words(wrong, said):
    with pytest.raises(ParameterError, match=said):
        Projector(volume(np.ones((8, 8, 8))), **wrong)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 2, 2), (3, 5, 4)])
@pytest.mark.parametrize("method", METHODS)
def test_tiny_maps_do_not_break(method, shape):
    images = Projector(volume(np.ones(shape)), method=method).project(rotations(2, seed=0))
    assert images.shape == (2, max(shape), max(shape))
    assert np.isfinite(images).all()


def test_no_views_are_no_images():
    assert Projector(volume(np.ones((8, 8, 8)))).project(np.empty((0, 3, 3))).shape == (0, 8, 8)


def test_plans_are_given_back_even_after_an_error():
    with pytest.raises(ZeroDivisionError), fft.lend("r2c", (4, 6), (0, 1)) as lent:
        raise ZeroDivisionError
    with fft.lend("r2c", (4, 6), (0, 1)) as again:
        assert again is lent


@pytest.mark.parametrize(
    "name",
    [
        "map_betagal_D2_real/betaGal.mrc",
        "map_groel_D7_real_emd1080/emd_1080_groel_11.5A.mrc",
        "map_hemoglobin_C2_real_emd3488/emd_3488.mrc",
        "map_trpv1_C4_real_and_10_particles/trpv1_volume.mrc",
        "map_ribosome70S_C1/clean70SRibosome_vol_65p.mrc",
        "map_formats_small_real/EMD-3001.map",
        "sim_t20s_relion_class2d/target_map.mrc",
    ],
)
def test_all_methods_agree_on_real_maps(shared_data, name):
    real_map = mrc.read_map(shared_data / name, 1.0)
    views = rotations(6, seed=11)
    fourier, real, shears = (Projector(real_map, method=m).project(views).reshape(6, -1) for m in METHODS)
    for other, least in ((real, 0.999), (shears, 0.998)):
        assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(fourier, other, strict=True)) > least
        gain = (fourier * other).sum() / (other * other).sum()
        assert gain == pytest.approx(1, abs=1e-2)
