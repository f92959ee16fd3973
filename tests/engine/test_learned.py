"""A trained distance without torch: what it reads, how it turns, its calibration, its file, and what it refuses."""

from __future__ import annotations

import errno
import json
import sys
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from emviewer.engine import learned, simulate
from emviewer.engine.errors import DataError, EmviewerError, FileError
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import run_job
from emviewer.engine.jobs.train_distance_source import name_of, open_training_map
from emviewer.engine.learned import LearnedDistance
from emviewer.engine.learned_calibrate import Calibration, fit, isotonic, pair_certainty
from emviewer.engine.learned_cells import Cells, softmax
from emviewer.engine.learned_draw import Conditions, Draws, particle_radius_A
from emviewer.engine.learned_network import Shape, initial
from emviewer.engine.learned_rings import RingReader, Rings
from emviewer.engine.params import validated
from emviewer.engine.resample import resize_box
from emviewer.engine.rotations import angle_deg, angle_modulo_deg, random_rotations
from emviewer.engine.simulate_phantom import phantom, phantom_blobs
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import drain, never

BOX, PIXEL = 48, 3.0
BADGE = {
    "map": "thing", "map_sha256": "0" * 16, "symmetry": "C1", "pixel_size_A": PIXEL, "box_A": BOX * PIXEL,
    "snr": [0.1, 1.0], "snr_region": "box", "ctf": None, "certainty": {"snr": [0.1, 1.0], "median": [0.6, 0.9]},
}  # fmt: skip


def straight() -> Calibration:
    """The calibration that changes nothing."""
    knots = np.linspace(0, np.pi, 5)[None]
    return Calibration(np.array([0.5]), knots, knots, np.full((1, 5), 0.1))


@pytest.fixture(scope="module")
def model() -> LearnedDistance:
    """A network of random weights: what it says is worth nothing, how it says it is what counts here."""
    rings, cells = Rings(55.0, 8, 6), Cells(30.0, 16, point_group("C1"))
    shape = Shape(8, 6, 16, 12, 2, 4, cells.directions)
    return LearnedDistance(initial(shape, np.random.default_rng(0)), rings, cells, straight(), BADGE)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    views = Rotation.random(6, random_state=1).as_matrix()
    return phantom_blobs("C1", BOX).project(views, BOX).astype(np.float32)


def test_turning_an_image_turns_the_phases_of_its_orders(images):
    odd = images[:, 1:, 1:]  # a box whose quarter turn keeps the centre
    reader = RingReader(Rings(55.0, 12, 10), odd.shape[1], PIXEL)
    before, after = reader.read(odd), reader.read(np.rot90(odd, axes=(1, 2)))
    # rot90 brings what stands at angle a to a - 90° when rows grow downwards in angle
    turned = before * np.exp(1j * np.pi / 2 * np.arange(11))[:, None]
    np.testing.assert_allclose(after, turned, atol=2e-4 * np.abs(before).max())


def test_orders_do_not_depend_on_box_pixel_size_or_gray_values(images):
    rings = Rings(55.0, 10, 10)
    before = RingReader(rings, BOX, PIXEL).read(images)
    finer = np.stack([_twice(i) for i in images])
    np.testing.assert_allclose(RingReader(rings, 2 * BOX, PIXEL / 2).read(finer), before, atol=0.03)
    wider = np.pad(images, ((0, 0), (8, 8), (8, 8)))
    np.testing.assert_allclose(RingReader(rings, BOX + 16, PIXEL).read(wider), before, atol=0.02)
    np.testing.assert_allclose(RingReader(rings, BOX, PIXEL).read(7 * images + 3), before, atol=1e-3)


def _twice(image: np.ndarray) -> np.ndarray:
    """Twice as many pixels by Fourier padding, centre n//2 kept."""
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(image)))
    padded = np.fft.ifftshift(np.pad(spectrum, BOX // 2))
    return np.fft.fftshift(np.fft.ifft2(padded).real).astype(np.float32) * 4


def test_an_empty_image_is_read_as_nothing_and_stays_finite(model):
    blank = np.zeros((2, BOX, BOX), np.float32)
    seen = model.embed(blank, PIXEL)
    assert np.isfinite(seen.views).all()
    assert (seen.certainty < 0.5).all()


def test_scores_turn_with_the_image(model, images):
    orders = model.reader(BOX, PIXEL).read(images)
    scores = model.network.score(orders).reshape(len(images), 16, -1)
    phase = np.exp(-2j * np.pi * 3 * np.arange(7) / 16)[:, None]  # three of sixteen turns towards larger angles
    turned = model.network.score((orders * phase).astype(np.complex64)).reshape(scores.shape)
    np.testing.assert_allclose(turned, np.roll(scores, 3, axis=1), atol=1e-4)


def test_a_view_turned_in_its_plane_is_the_cell_turned(model):
    cells = model.cells
    views = cells.views.reshape(16, -1, 3, 3).astype(float)
    # a feature at angle a stands at a + t when the image turns by t; the score of turn j then moves to j + t
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # takes image x to y: a feature at 0° goes to 90°
    np.testing.assert_allclose(quarter @ views[0], views[4], atol=1e-6)


@pytest.mark.parametrize("name", ["C1", "C4", "D2"])
def test_probabilities_settle_on_the_planted_view(name):
    group, rng = point_group(name), np.random.default_rng(2)
    cells = Cells(12.0, 64, group)
    views = random_rotations(40, rng)
    wanted = cells.targets(views, np.radians(9))
    np.testing.assert_allclose(wanted.sum(axis=1), 1, atol=1e-4)
    found, certainty = cells.settle(wanted)
    error = angle_modulo_deg(views, found, group.rotations)
    assert np.median(error) < 1.0
    assert error.max() < (1.5 if name == "C1" else 3.5)  # copies of cells crowd where asymmetric units meet
    assert certainty.min() > 0.8
    again = cells.targets(views @ np.asarray(group.rotations[-1]), np.radians(9))
    np.testing.assert_allclose(again, wanted, atol=1e-5)


def test_doubtful_probabilities_are_not_certain():
    cells = Cells(20.0, 32, point_group("C1"))
    a, b = cells.targets(random_rotations(2, np.random.default_rng(0)), np.radians(8))
    _, certainty = cells.settle(np.stack([0.55 * a + 0.45 * b, np.full_like(a, 1 / len(a))]))
    assert 0.4 < certainty[0] < 0.7
    assert certainty[1] < 0.05


@pytest.mark.parametrize("name", ["C1", "C3", "D2"])
def test_distances_are_those_of_the_nearest_equivalents(name):
    rng, group = np.random.default_rng(4), np.asarray(point_group(name).rotations)
    views = random_rotations(12, rng)
    found = learned.folded_angles(views, group)
    slow = [[min(float(angle_deg(a, b @ g)) for g in group) for b in views] for a in views]
    np.testing.assert_allclose(np.degrees(found), slow, atol=1e-4)


def test_the_isotonic_curve_is_the_least_squares_one():
    rng = np.random.default_rng(0)
    y, w = np.arange(40) / 10 + rng.normal(size=40), rng.uniform(0.5, 2, 40)
    np.testing.assert_allclose(isotonic(y, w), optimize.isotonic_regression(y, weights=w).x, atol=1e-9)


def test_calibration_takes_a_planted_bias_away_and_tells_the_spread():
    rng = np.random.default_rng(1)
    truth = np.arccos(1 - 2 * rng.uniform(size=40_000))
    sure = rng.uniform(size=len(truth))
    error = np.where(sure > 0.5, 0.05, 0.3)
    said = 0.8 * truth + rng.normal(size=len(truth)) * error * 0.8
    curve = fit(np.clip(said, 0, np.pi), truth, sure)
    assert (np.diff(curve.distance, axis=1) >= 0).all()
    probe = np.array([0.8, 1.6, 2.2])
    distance, spread = curve.read(0.8 * probe, np.full(3, 0.95))
    np.testing.assert_allclose(distance, probe, atol=0.04)
    np.testing.assert_allclose(spread, 0.05, atol=0.02)
    assert (curve.read(0.8 * probe, np.full(3, 0.1))[1] > 0.2).all()


def test_calibration_of_noise_says_the_middle_and_that_it_is_wide():
    rng = np.random.default_rng(2)
    truth, said = (np.arccos(1 - 2 * rng.uniform(size=8000)) for _ in range(2))
    distance, spread = fit(said, truth, np.full(8000, 0.1)).read(np.array([0.6, 1.5, 2.6]), np.full(3, 0.1))
    np.testing.assert_allclose(distance, np.pi / 2, atol=0.25)
    assert (spread > 0.5).all()


def test_a_saved_distance_is_the_same_when_opened(model, images, tmp_path):
    model.save(tmp_path / "model.npz")
    again = learned.load(tmp_path / "model.npz")
    assert again.badge == json.loads(json.dumps(BADGE)) == learned.read_badge(tmp_path / "model.npz")
    a, b = (m.distances(m.embed(images, PIXEL)) for m in (model, again))
    np.testing.assert_array_equal(a[0], b[0])
    assert a[0].shape == (6, 6)
    assert (np.diag(a[0]) == 0).all()
    np.testing.assert_allclose(a[0], a[0].T)


def _parts(model, tmp_path):
    model.save(tmp_path / "whole.npz")
    with np.load(tmp_path / "whole.npz") as found:
        return {name: found[name] for name in found.files}


def _told(**values):
    """What says otherwise in a file."""
    return lambda parts: parts | {"meta": np.array(json.dumps(json.loads(str(parts["meta"])) | values))}


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_told(version=99), "format 99"),
        (_told(cells=[0.001, 16, "C1"]), "out of range"),
        (_told(cells=[30.0, 16, "C0"]), "not a point group"),
        (_told(cells=[30.0, 18, "C1"]), "do not fit together"),
        (_told(badge=[1, 2]), "damaged"),
        (lambda p: p | {"spread": p["spread"][:, :-1]}, "calibration do not fit together"),
        (lambda p: p | {"certainty": np.array([0.1, 0.9])}, "calibration do not fit together"),
        (lambda p: p | {"w_head": p["w_head"] * np.nan}, "not numbers"),
        (lambda p: p | {"w_head": p["w_head"][:-1]}, "of shape"),
        (lambda p: {k: v for k, v in p.items() if k != "w_out"}, "missing"),
        (lambda p: p | {"distance": p["distance"] + np.nan}, "not numbers"),
        (lambda p: {"array": np.zeros(3)}, "no trained distance"),
        (lambda p: p | {"meta": np.array('{"format": "else"}')}, "no trained distance"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(model, tmp_path, spoil, said):
    np.savez(tmp_path / "wrong.npz", **spoil(_parts(model, tmp_path)))
    with pytest.raises(FileError) as caught:
        learned.load(tmp_path / "wrong.npz")
    assert said in str(caught.value)
    assert "wrong.npz" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("keep", [0, 20, 2000, -30])
def test_a_file_that_was_cut_short_is_refused_in_a_sentence(model, tmp_path, keep):
    model.save(tmp_path / "whole.npz")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:keep])
    with pytest.raises(FileError, match=r"cut short|damaged|no trained"):
        learned.load(tmp_path / "cut.npz")


def test_a_distance_that_finds_no_room_leaves_the_earlier_one(model, tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    model.save(path)
    before = path.read_bytes()

    def full(file, **arrays):
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        model.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_and_a_plain_array_are_refused(tmp_path):
    with pytest.raises(FileError, match="not there"):
        learned.load(tmp_path / "nothing.npz")
    np.save(tmp_path / "array.npz.npy", np.zeros(3))
    with pytest.raises(FileError, match="no trained distance"):
        learned.load(tmp_path / "array.npz.npy")


def test_images_smaller_than_the_particle_are_refused(model):
    with pytest.raises(DataError, match=r"smaller than the particle.*110 Å"):
        model.embed(np.zeros((1, 24, 24), np.float32), PIXEL)


def test_doubts_name_what_differs(model, images):
    seen = model.embed(images, PIXEL)
    sure = learned.Embedding(seen.views, np.full(6, 0.9))
    assert model.doubts(BOX, PIXEL, sure, "C1", 0.5) == []
    for change, said in [
        ((BOX, PIXEL, sure, "C4", 0.5), "C1, not C4"),
        ((BOX // 3, 9.0, sure, "C1", 0.5), "coarser"),
        ((4 * BOX, PIXEL, sure, "C1", 0.5), "144 Å"),
        ((BOX, PIXEL, sure, "C1", 0.01), "noisier"),
        ((BOX, PIXEL, learned.Embedding(seen.views, np.full(6, 0.1)), "C1", 0.5), "may not show that structure"),
    ]:
        found = model.doubts(*change)
        assert len(found) == 1, found
        assert said in found[0]


def test_less_certainty_is_asked_of_images_whose_places_are_sought(model, images):
    views = model.embed(images, PIXEL).views
    for share, sought, doubted in ((0.86, False, False), (0.78, False, True), (0.78, True, False), (0.65, True, True)):
        seen = learned.Embedding(views, np.full(6, share * 0.9), sought)
        assert bool(model.doubts(BOX, PIXEL, seen, "C1", 1.0)) is doubted


@pytest.mark.parametrize(("snr", "doubted"), [(1.0, False), (0.1, True), (None, True)])
def test_a_network_that_knows_too_little_of_its_own_map_is_doubted(model, images, snr, doubted):
    little = replace(model, badge=BADGE | {"held_out_mae_rad": {"snr": [0.1, 1.0], "mae_rad": [0.45, 0.2]}})
    found = little.doubts(BOX, PIXEL, learned.Embedding(model.embed(images, PIXEL).views, np.full(6, 0.9)), "C1", snr)
    assert any("better than guesses: off by 0.45 rad" in d for d in found) is doubted
    assert len(found) == doubted


def test_distances_of_many_images_need_little_more_than_their_own_memory(model):
    n = 600
    rng = np.random.default_rng(3)
    seen = learned.Embedding(random_rotations(n, rng), rng.uniform(size=n))
    model.distances(seen)
    tracemalloc.start()
    try:
        model.distances(seen)
        assert tracemalloc.get_traced_memory()[1] < 2 * n * n * 8 + 8e6
    finally:
        tracemalloc.stop()


def test_certainty_of_a_pair_is_that_both_are_right():
    np.testing.assert_allclose(pair_certainty(np.array([1.0, 0.5]), np.array([0.5, 0.2])), [[0.5, 0.2], [0.25, 0.1]])


def test_softmax_holds_for_large_scores():
    out = softmax(np.array([[1000.0, 999.0], [-1000.0, -1000.0]], np.float32))
    np.testing.assert_allclose(out, [[1 / (1 + np.exp(-1)), 1 / (1 + np.e)], [0.5, 0.5]], rtol=1e-5)


def test_without_torch_training_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch", None)
    spec = registry.spec("train-distance")
    with pytest.raises(EmviewerError, match=r"pip install \"emviewer\[learned\]\""):
        drain(run_job(spec, validated(spec.params, {"map": "phantom:C1"}), tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_symmetry_that_only_a_file_tells_is_refused(tmp_path):
    (tmp_path / "c2.sym").write_text("rot_axis 2 0 0 1\n")
    spec = registry.spec("train-distance")
    values = {"map": "phantom:C2", "sym": str(tmp_path / "c2.sym")}
    with pytest.raises(EmviewerError, match=r"named point group.*c2\.sym.*C4"):
        drain(run_job(spec, validated(spec.params, values), tmp_path / "out"))


def test_a_map_that_does_not_tell_its_pixel_size_is_refused(tmp_path):
    np.save(tmp_path / "map.npy", phantom("C1").data[16:48, 16:48, 16:48])
    params = registry.params("train-distance")
    with pytest.raises(EmviewerError, match=r"pixel size.*give --pixel-size"):
        open_training_map(validated(params, {"map": tmp_path / "map.npy"}), ResultFolder(tmp_path / "out"), never)
    told = validated(params, {"map": tmp_path / "map.npy", "pixel_size": 2.5})
    assert open_training_map(told, ResultFolder(tmp_path / "out"), never).pixel_size_A == 2.5


def test_the_map_of_a_result_is_called_after_its_folder(tmp_path):
    volume = replace(phantom("C1"), name="map")
    assert name_of(tmp_path / "found" / "map.mrc", volume) == "map"
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "job.json").write_text("{}")
    assert name_of(tmp_path / "found" / "map.mrc", volume) == "found/map"


@pytest.mark.parametrize(("value", "said"), [("0:1", "--snr"), ("2:1", "--snr"), ("1:2:3", "--snr"), ("x", "--snr")])
def test_ratios_out_of_order_are_refused(value, said):
    with pytest.raises(EmviewerError, match=said):
        validated(registry.params("train-distance"), {"map": "phantom:C1", "snr": value})


def test_rotating_a_picture_by_any_angle_agrees_with_the_phases(images):
    reader = RingReader(Rings(40.0, 8, 6), BOX, PIXEL)
    centre = np.array([BOX // 2, BOX // 2])
    angle = np.radians(20.0)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])  # of (y, x), output to input
    turned = np.stack(
        [ndimage.affine_transform(i, turn, centre - turn @ centre, order=5) for i in images.astype(float)]
    )
    phase = np.exp(1j * angle * np.arange(7))[:, None]
    before, after = reader.read(images), reader.read(turned.astype(np.float32))
    best = min(np.abs(after - before * p).max() for p in (phase, phase.conj()))
    assert best < 0.05 * np.abs(before).max()


def test_noise_of_a_reconstruction_does_not_count_as_particle():
    volume = simulate.phantom("C1")
    clean = particle_radius_A(volume)
    noise = np.random.default_rng(0).normal(0, volume.data.std() / 2, volume.shape)
    noisy = replace(volume, data=(volume.data + noise + 3).astype(np.float32))
    assert abs(particle_radius_A(noisy) / clean - 1) < 0.15
    draws = Draws(noisy, Conditions((1.0, 1.0)), 32)
    assert draws.rings.radius_A < 0.4 * volume.box * volume.pixel_size_A
    with pytest.raises(DataError, match="no density above its rim"):
        particle_radius_A(replace(volume, data=np.ones(volume.shape, np.float32)))


def test_a_particle_that_fills_its_box_can_be_drawn():
    volume = simulate.phantom("C1")
    edge = volume.box
    tight = resize_box(volume.data, (int(0.62 * edge),) * 3)
    draws = Draws(replace(volume, data=tight), Conditions((1.0, 1.0), shift_A=20.0), 24)
    orders, _, _ = draws.batch(3, np.random.default_rng(0))
    assert np.isfinite(orders).all()
