"""Shell correlations and difference maps: planted signal and noise, thresholds, blobs, sentences."""

from __future__ import annotations

import errno
import json

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from emviewer.__main__ import main
from emviewer.engine import fsc, mrc
from emviewer.engine.difference import robust_line, subtract
from emviewer.engine.filters import lowpass, soft_ball
from emviewer.engine.fsc_transform import half_transform, randomise, real_map, shell_sums
from emviewer.engine.simulate_phantom import GaussianPhantom

N, PIXEL = 48, 3.0


def signal(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    p = GaussianPhantom(rng.uniform(-0.2, 0.2, (60, 3)) * N, rng.uniform(0.9, 1.6, 60), rng.uniform(0.5, 1.5, 60))
    return p.density(N)


def noisy(seed: int, level: float) -> np.ndarray:
    data = signal()
    return data + np.random.default_rng(seed).normal(0, level * data.std(), data.shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(12, 12, 12), (9, 14, 11)])
def test_half_transforms_are_numpys(shape):
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    half = half_transform(data)
    assert np.allclose(half, np.fft.rfftn(data), atol=1e-4)
    assert np.allclose(real_map(half.copy(), shape), data, atol=1e-5)
    sums = shell_sums(half, half, shape)
    assert sums[3].sum() <= data.size
    assert np.allclose(sums[0], sums[1])


def test_random_phases_keep_amplitudes_and_low_shells():
    shape = (12, 11, 14)
    data = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = half_transform(data)
    after = before.copy()
    randomise(after, shape, 3, 7)
    assert np.allclose(np.abs(after), np.abs(before), rtol=1e-4)
    back = np.fft.rfftn(real_map(after.copy(), shape))
    assert np.allclose(back, after, atol=1e-3)  # so the mates were turned alike
    changed = np.abs(after - before) > 1e-3
    assert changed.any()
    z, y, x = np.meshgrid(*(np.abs(np.fft.fftfreq(n)) for n in shape[:2]), np.fft.rfftfreq(shape[2]), indexing="ij")
    assert not changed[np.sqrt(x**2 + y**2 + z**2) * 14 < 2.4].any()


def test_curve_of_known_signal_to_noise():
    rng = np.random.default_rng(1)
    common, a, b = (rng.normal(size=(40,) * 3).astype(np.float32) for _ in range(3))
    curve = fsc.correlate(common + a, common + b, 2.0)
    assert curve.fsc[8:].mean() == pytest.approx(0.5, abs=0.02)
    assert curve.corrected is None
    assert curve.frequency_inv_A[0] == pytest.approx(1 / 80)
    assert curve.frequency_inv_A[-1] == pytest.approx(1 / 4)


def test_correction_takes_away_what_the_mask_correlates():
    rng = np.random.default_rng(2)
    a, b = (lowpass(signal(), PIXEL, 15) + 0.1 * rng.normal(size=(N,) * 3).astype(np.float32) for _ in range(2))
    tight = (signal() > 0.02 * signal().max()).astype(np.float32)
    curve = fsc.correlate(a.astype(np.float32), b.astype(np.float32), PIXEL, tight)
    high = (curve.frequency_inv_A > 1 / 11) & (curve.frequency_inv_A < 1 / 8)
    assert curve.masked[high].mean() > 0.2
    assert abs(curve.corrected[high].mean()) < 0.5 * curve.masked[high].mean()


def test_thresholds():
    f = np.array([0.1, 0.2, 0.3, 0.4])
    assert fsc.crossing(f, [1, 0.6, 0.4, 0.2], 0.5) == pytest.approx(1 / 0.25)
    assert fsc.crossing(f, [1, 1, 0.9, 0.8], 0.5) is None
    assert fsc.crossing(f, [0.1, 0, 0, 0], 0.5) == pytest.approx(10)
    assert fsc.half_bit(1e9) == pytest.approx(0.1716, abs=1e-3)
    assert fsc.ceiling([1.0, 0.5], [1.0, 0.5]) == pytest.approx([1, 2 / 3])


def test_planted_difference_is_found_and_nothing_else(tmp_path):
    reference, extra = signal(), np.zeros((N,) * 3, np.float32)
    extra[30, 22, 17] = 1
    extra = ndimage.gaussian_filter(extra, 1.6) * 1.2 * reference.max() / 0.0155 / 4
    one, two = noisy(3, 0.1) + extra, 5 * noisy(4, 0.1) + 7
    mrc.write_map(tmp_path / "ref.mrc", one, PIXEL, (100.0, 0.0, -50.0))
    mrc.write_map(tmp_path / "map.mrc", two, PIXEL)
    words = ["difference", tmp_path / "ref.mrc", tmp_path / "map.mrc", "--out", tmp_path / "out", "--quiet"]
    assert main([*map(str, words)]) == 0
    table = pd.read_csv(tmp_path / "out/blobs.csv")
    assert list(table) == ["sign", "volume_A3", "x_A", "y_A", "z_A", "peak_z", "mass_fraction"]
    assert len(table) == 1
    first = table.iloc[0]
    assert first["sign"] == 1
    wanted = np.array([17, 22, 30]) * PIXEL + [100, 0, -50]
    assert np.abs(first[["x_A", "y_A", "z_A"]].to_numpy(float) - wanted).max() < PIXEL
    assert first["mass_fraction"] == pytest.approx(extra.sum() / one[one > 0].sum(), rel=0.5)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["scale"] > 0
    assert not summary["misregistered"]
    assert (tmp_path / "out/report.png").exists()
    assert mrc.read_map(tmp_path / "out/difference.mrc").origin_A == pytest.approx((100, 0, -50))
    assert (tmp_path / "out/difference_z.mrc").exists()


def test_a_full_disk_keeps_the_difference_that_was_written(tmp_path, monkeypatch, capsys):
    mrc.write_map(tmp_path / "ref.mrc", noisy(3, 0.1), PIXEL)
    mrc.write_map(tmp_path / "map.mrc", noisy(4, 0.1), PIXEL)
    original = mrc.write_map

    def write(path, *rest):
        original(path, *rest)
        if path.name == "difference_z.mrc":
            path.unlink()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(mrc, "write_map", write)
    words = ["difference", tmp_path / "ref.mrc", tmp_path / "map.mrc", "--out", tmp_path / "out", "--quiet"]
    assert main([*map(str, words)]) == 2
    assert "the disk is full" in capsys.readouterr().err
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert kept == ["difference.mrc", "job.json", "summary.json"]
    assert json.loads((tmp_path / "out/job.json").read_text())["status"] == "partial"


def halved(data: np.ndarray) -> np.ndarray:
    out = data.copy()
    out[N // 2 :] = 0
    return out


@pytest.mark.parametrize(
    ("other", "unrelated"),
    [
        (lambda: signal(5), True),
        (lambda: np.roll(signal(), 8, axis=2), True),
        (lambda: signal().transpose(2, 0, 1).copy(), True),
        (lambda: noisy(4, 1.0), False),
        (lambda: halved(signal()), False),
        (lambda: lowpass(signal(), PIXEL, 15), False),
    ],
    ids=["other particle", "shifted", "turned", "noise", "half of it", "low resolution"],
)
@pytest.mark.parametrize("band", [[], ["--lowpass", "12"]], ids=["own band", "given band"])
def test_maps_that_have_nothing_in_common_are_said(tmp_path, other, unrelated, band):
    mrc.write_map(tmp_path / "ref.mrc", noisy(3, 0.1), PIXEL)
    mrc.write_map(tmp_path / "map.mrc", other(), PIXEL)
    words = ["difference", tmp_path / "ref.mrc", tmp_path / "map.mrc", "--out", tmp_path / "out", "--quiet"]
    assert main([*map(str, words), "--report", "none", *band]) == 0
    warnings = json.loads((tmp_path / "out/job.json").read_text())["warnings"]
    assert any("hardly resemble each other" in sentence for sentence in warnings) == unrelated
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert (summary["agree_to_A"] or 0) > 20 if unrelated else (summary["agree_to_A"] or 0) < 20
    assert summary["correlation"] < 0.9 if unrelated else summary["correlation"] > 0.5


def test_half_maps_give_the_noise():
    one, two = noisy(5, 0.3), noisy(6, 0.3)
    halves = [noisy(s, 0.3 * np.sqrt(2)) for s in (7, 8, 9, 10)]
    noise = [np.asarray((halves[i] - halves[i + 1]) / 2, np.float32) for i in (0, 2)]
    mask = soft_ball((N,) * 3, 18, 4)
    found = subtract(one, two, PIXEL, mask, noise_ref=noise[0], noise_map=noise[1])
    assert found.noise == "half maps"
    assert found.z[mask > 0.99].std() == pytest.approx(1, abs=0.25)


def test_a_shifted_map_is_said_to_be_misregistered(tmp_path):
    data = noisy(11, 0.02)
    mrc.write_map(tmp_path / "ref.mrc", data, PIXEL)
    moved = ndimage.shift(data, (0, 0, 0.7), order=3).astype(np.float32)
    mrc.write_map(tmp_path / "map.mrc", moved, PIXEL)
    words = ["difference", tmp_path / "ref.mrc", tmp_path / "map.mrc", "--report", "none", "--quiet"]
    assert main([*map(str, words), "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out/summary.json").read_text())["misregistered"] is True


def test_plain_and_local_subtraction():
    a, b = noisy(12, 0.1), noisy(13, 0.1)
    plain = subtract(a, b, PIXEL, match="none")
    assert np.allclose(plain.data, a - b, atol=1e-5)
    assert plain.resolution_A == 0
    weak = a.copy()
    weak[:, :, : N // 2] *= 0.5
    mask = soft_ball((N,) * 3, 18, 4)
    rms = [np.sqrt(np.mean(subtract(a, weak, PIXEL, mask, match=m).data ** 2)) for m in ("radial", "local")]
    assert rms[1] < 0.7 * rms[0]


def test_outliers_hardly_move_the_line():
    x = np.random.default_rng(0).normal(size=5000).astype(np.float32)
    y = 2 * x + 1
    y[:400] += 10
    scale, offset = robust_line(x, y.astype(np.float32))
    assert scale == pytest.approx(2, abs=0.02)
    assert offset == pytest.approx(1, abs=0.02)


def test_fsc_job(tmp_path):
    for name, seed in (("h1", 1), ("h2", 2)):
        mrc.write_map(tmp_path / f"{name}.mrc", noisy(seed, 0.5), PIXEL)
    mrc.write_map(tmp_path / "mask.mrc", soft_ball((N,) * 3, 16, 6), PIXEL)
    words = ["fsc", tmp_path / "h1.mrc", tmp_path / "h2.mrc", "--quiet"]
    assert main([*map(str, words), "--out", str(tmp_path / "plain"), "--threshold", "0.3"]) == 0
    table = pd.read_csv(tmp_path / "plain/fsc.csv")
    assert list(table)[:4] == ["frequency_inv_A", "fsc", "fsc_masked", "fsc_corrected"]
    assert table["fsc_masked"].isna().all()
    plain = json.loads((tmp_path / "plain/summary.json").read_text())
    assert plain["fsc_0.5_A"] > plain["fsc_threshold_A"] > plain["fsc_0.143_A"]
    halves = ["--half1", tmp_path / "h1.mrc", "--half1", tmp_path / "h1.mrc", "--half2", tmp_path / "h2.mrc",
              "--half2", tmp_path / "h2.mrc"]  # fmt: skip
    more = ["--mask", tmp_path / "mask.mrc", "--report", "none", *halves, "--out", tmp_path / "masked"]
    assert main([*map(str, [*words, *more])]) == 0
    masked = pd.read_csv(tmp_path / "masked/fsc.csv")
    assert masked["fsc_masked"].mean() > masked["fsc"].mean()
    assert "fsc_ceiling" in masked
    better = json.loads((tmp_path / "masked/summary.json").read_text())
    assert better["fsc_0.5_A"] < plain["fsc_0.5_A"]
    same = ["fsc", tmp_path / "h1.mrc", tmp_path / "h1.mrc", "--report", "none", "--quiet", "--out", tmp_path / "same"]
    assert main([*map(str, same)]) == 0
    assert json.loads((tmp_path / "same/summary.json").read_text())["fsc_0.143_A"] is None


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fsc", "{d}/a.mrc", "{d}/b.mrc"], "12 × 12 × 12"),
        (["fsc", "{d}/a.mrc", "{d}/a.mrc", "--mask", "{d}/b.mrc"], "the mask has"),
        (["difference", "{d}/a.mrc", "{d}/a.mrc", "--half1", "{d}/a.mrc"], "come in pairs"),
        (["difference", "{d}/a.mrc", "{d}/a.mrc", "--half1", "{d}/b.mrc", "--half2", "{d}/b.mrc"], "another grid"),
    ],
)
def test_bad_input_is_one_sentence(words, expected, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name, n in (("a", 16), ("b", 12)):
        mrc.write_map(tmp_path / f"{name}.mrc", rng.random((n,) * 3, np.float32), PIXEL)
    assert main([*(w.format(d=tmp_path) for w in words), "--out", str(tmp_path / "out"), "--quiet"]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert len(said.strip().splitlines()) == 1
