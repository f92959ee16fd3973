"""Training of a distance, where torch is installed: parity with numpy, progress, the seed, cancelling, the job."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import learned, learned_train
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.run import run_job
from emviewer.engine.learned_cells import Cells, softmax
from emviewer.engine.learned_draw import Conditions, Draws
from emviewer.engine.learned_network import Shape, arrays_of, initial
from emviewer.engine.learned_train import Settings, Trainer, torch_score
from emviewer.engine.params import validated
from emviewer.engine.rotations import angle_modulo_deg, random_rotations
from emviewer.engine.simulate_phantom import phantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Cancelled

torch = pytest.importorskip("torch", reason="torch (extra learned) is not installed")

SMALL = {"map": "phantom:C1", "n": 256, "passes": 4, "channels": 16, "blocks": 1, "step": 30, "box": 32, "snr": "1:4",
         "report": "none"}  # fmt: skip


@pytest.fixture(scope="module")
def draws():
    return Draws(phantom("C1"), Conditions((1.0, 4.0)), 32)


def trainer(draws, images=2560, seed=0):
    cells = Cells(30.0, 16, point_group("C1"))
    return Trainer(draws, cells, Settings(images, 128, 16, 1, 4, np.radians(20), seed=seed, warm_up=5))


def test_torch_and_numpy_say_the_same(draws):
    shape = Shape(24, 24, 64, 20, 2, 7, 30)
    network = initial(shape, np.random.default_rng(0))
    orders, _, _ = draws.batch(9, np.random.default_rng(1))
    weights = {name: torch.from_numpy(value) for name, value in arrays_of(network).items()}
    found = torch_score(torch, weights, torch.from_numpy(orders), shape).numpy()
    np.testing.assert_allclose(network.score(orders), found, atol=1e-4)
    assert found.std() > 0.1


def test_training_learns_and_the_seed_decides(draws):
    first, second, other = trainer(draws), trainer(draws), trainer(draws, seed=1)
    told = list(first.run())
    list(second.run())
    list(other.run())
    assert told[-1].step == told[-1].steps == 20
    held_out = [p.held_out for p in told if p.held_out is not None]
    assert held_out[-1] < held_out[0] - 0.1
    assert first.best == min(held_out)
    for name, value in arrays_of(first.network).items():
        np.testing.assert_array_equal(value, arrays_of(second.network)[name])
    assert not np.array_equal(first.network.head, other.network.head)


@pytest.mark.parametrize("name", ["C1", "D2"])
def test_a_trained_network_finds_views_it_has_not_seen(name):
    group, draws = point_group(name), Draws(phantom(name), Conditions((1.0, 4.0)), 32)
    settings = Settings(128 * 80, 128, 24, 2, 6, np.radians(15), rate=5e-3, warm_up=10)
    cells = Cells(24.0, 24, group)
    one = Trainer(draws, cells, settings)
    list(one.run())
    rng = np.random.default_rng(9)
    views = random_rotations(100, rng)
    orders = draws.reader.read(draws.images(views, np.full(100, 4.0), rng))
    found, certainty = cells.settle(softmax(one.network.score(orders)))
    assert np.median(angle_modulo_deg(views, found, group.rotations)) < 15
    noise = draws.reader.read(rng.standard_normal((100, draws.box, draws.box), dtype=np.float32))
    assert np.median(certainty) > 1.5 * np.median(cells.settle(softmax(one.network.score(noise)))[1])


def test_noise_on_the_training_grid_is_that_of_the_maps_own_pixels():
    """White noise of the map's pixels, Fourier-cropped, has the power with which coarser images are drawn."""
    volume = phantom("C1")
    fine = Draws(volume, Conditions((1.0, 1.0)), 96)
    coarse = Draws(volume, Conditions((1.0, 1.0)), 24)
    assert coarse.pixel_size_A > 1.3 * fine.pixel_size_A
    views, rng = random_rotations(40, np.random.default_rng(0)), np.random.default_rng(1)
    clean = [d.images(views, np.full(40, np.inf), rng) for d in (fine, coarse)]
    ratio = coarse.pixel_size_A / fine.pixel_size_A
    # line sums in Å agree at the peak, noise power an area of the image does too
    signal = [np.abs(c).max() * d.pixel_size_A for c, d in zip(clean, (fine, coarse), strict=True)]
    assert abs(signal[0] / signal[1] - 1) < 0.15
    noise = [d.noise_sd_at_1 * d.pixel_size_A**2 for d in (fine, coarse)]
    assert abs(noise[0] / noise[1] - 1) < 0.01
    assert ratio > 1


def test_ctf_flips_phases_back_or_leaves_them():
    volume = phantom("C1")
    views = random_rotations(3, np.random.default_rng(0))
    made = []
    for flipped in (True, False):
        draws = Draws(volume, Conditions((1.0, 1.0), defocus_A=(60000.0, 60000.0), flipped=flipped), 48)
        made.append(draws.images(views, np.full(3, np.inf), np.random.default_rng(1)))
    plain = Draws(volume, Conditions((1.0, 1.0)), 48).images(views, np.full(3, np.inf), np.random.default_rng(1))
    same = [np.corrcoef(m.ravel(), plain.ravel())[0, 1] for m in made]
    assert same[0] > same[1] + 0.02
    spectra = [np.abs(np.fft.rfft2(m)) for m in made]
    np.testing.assert_allclose(spectra[0], spectra[1], atol=1e-3 * spectra[0].max())


def run(values, out):
    spec = registry.spec("train-distance")
    job = run_job(spec, validated(spec.params, values), out)
    batches = []
    try:
        while True:
            batches.append(next(job))
    except StopIteration as stop:
        return batches, stop.value


def test_the_job_writes_a_model_with_its_badge(tmp_path):
    batches, outcome = run(SMALL, tmp_path / "out")
    assert outcome.status == "complete"
    found = learned.load(tmp_path / "out" / "model.npz")
    assert found.badge == outcome.summary["trained_on"]
    assert found.badge["map"]
    assert len(found.badge["map_sha256"]) == 16
    assert (found.badge["symmetry"], found.badge["snr"], found.badge["ctf"]) == ("C1", [1.0, 4.0], None)
    assert found.badge["images_drawn"] == 1024
    curve = pd.read_csv(tmp_path / "out" / "loss.csv")
    assert list(curve.columns) == ["step", "loss", "held_out_loss"]
    assert curve.step.iloc[-1] == 8
    live = [b.extra["loss"] for b in batches if "loss" in b.extra]
    np.testing.assert_allclose(curve.loss, live, rtol=1e-4)
    # so short a training teaches little, and that is said
    assert any("better than guesses" in w for w in outcome.warnings) is (
        min(level["mae_rad"] for level in outcome.summary["by_snr"]) > learned.GUESSED_RAD
    )
    pairs = pd.read_csv(tmp_path / "out" / "pairs.csv")
    off = np.abs(pairs.truth_rad - pairs.estimate_rad).mean()
    assert abs(off - outcome.summary["mae_rad"]) < 0.05


def test_cancelling_keeps_the_best_so_far(tmp_path):
    spec = registry.spec("train-distance")
    stop = False

    def check():
        if stop:
            raise Cancelled

    job = run_job(spec, validated(spec.params, SMALL | {"passes": 400}), tmp_path / "out", check=check)
    told = 0
    try:
        while True:
            told += "loss" in next(job).extra
            stop = told == 2
    except StopIteration as end:
        outcome = end.value
    assert outcome.status == "partial"
    found = learned.load(tmp_path / "out" / "model.npz")
    assert found.badge["complete"] is False
    assert 0 < found.badge["steps"] < 800
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["steps"] == found.badge["steps"]


def test_particles_with_orientations_train_on_their_map(tmp_path):
    spec = registry.spec("simulate")
    params = validated(spec.params, {"map": "phantom:C1", "n": 60, "snr": "2", "report": "none"})
    list(run_job(spec, params, tmp_path / "set"))
    values = SMALL | {"map": str(tmp_path / "set" / "particles.star"), "n": 128, "passes": 1}
    _, outcome = run(values, tmp_path / "out")
    assert any("map of the 60 particles" in w for w in outcome.warnings)
    assert learned.load(tmp_path / "out" / "model.npz").badge["map"] == "set/particles"


def test_training_gives_torch_its_threads_back(draws):
    before = torch.get_num_threads()
    list(trainer(draws, 256).run())
    assert torch.get_num_threads() == before
    assert learned_train.require_torch() is torch
