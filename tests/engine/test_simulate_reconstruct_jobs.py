"""The simulate and reconstruct jobs: the truth in the table is the truth, and gives the map back."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import conventions, files, mrc, sources
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import reconstruct, simulate
from emviewer.engine.jobs.reconstruct_params import ReconstructParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.jobs.simulate_params import SimulateParams
from emviewer.engine.jobs.simulate_views import draw_shifts, draw_views
from emviewer.engine.params import validated
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import drain


def simulated(out, **options):
    values = {"map": "phantom:C1", "n": 40, "report": "none", **options}
    drain(run_job(simulate.SPEC, validated(SimulateParams, values), out))
    return files.read_images(out / "particles.star")


def rebuilt(out, particles, **options):
    values = {"particles": particles, "report": "none", **options}
    drain(run_job(reconstruct.SPEC, validated(ReconstructParams, values), out))
    return mrc.read_map(out / "map.mrc").data, json.loads((out / "summary.json").read_text())


def test_the_truth_gives_the_map_back_with_shifts_and_ctf(tmp_path):
    images = simulated(tmp_path / "sim", n=300, shift_px=2.0, defocus="8000:16000")
    assert images.poses is not None and images.ctf is not None
    assert images.ctf["defocus_u_A"].between(8000, 16000).all() and images.ctf["defocus_u_A"].nunique() == 300
    found, summary = rebuilt(tmp_path / "rec", tmp_path / "sim" / "particles.star", ctf=True)
    truth = sources.open_map("phantom:C1").data
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.99
    assert summary["fsc_0.143_A"] is None or summary["fsc_0.143_A"] < 10
    curve = pd.read_csv(tmp_path / "rec" / "fsc.csv")
    assert list(curve.columns) == ["frequency_inv_A", "fsc", "fsc_masked", "fsc_corrected"]
    assert curve["fsc"].iloc[:8].min() > 0.9 and curve["fsc_masked"].isna().all()
    without, _ = rebuilt(tmp_path / "no", tmp_path / "sim" / "particles.star")
    assert np.corrcoef(without.ravel(), truth.ravel())[0, 1] < 0.9


def test_symmetry_and_resolution_limit(tmp_path):
    simulated(tmp_path / "sim", map="phantom:D2", n=60, sym="D2")
    found, _ = rebuilt(tmp_path / "rec", tmp_path / "sim" / "particles.star", sym="D2", max_res=20.0)
    truth = sources.open_map("phantom:D2").data
    assert np.corrcoef(found.ravel(), truth.ravel())[0, 1] > 0.9
    power = np.abs(np.fft.fftn(found)) ** 2
    k = np.fft.fftfreq(64) / 3.0
    r = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    assert power[r > 1 / 15].sum() < 0.02 * power[(r > 1 / 40) & (r < 1 / 20)].sum()


@pytest.mark.parametrize(("options", "over"), [({"shift_px": 2.0}, 0), ({"shift_px": 1e4}, 40), ({"box": 24}, 40)])
def test_particles_that_reach_over_the_edge_are_counted(tmp_path, options, over):
    simulated(tmp_path / "sim", **options)
    warnings = json.loads((tmp_path / "sim" / "job.json").read_text())["warnings"]
    assert [w.split(":")[0] for w in warnings] == [f"{over} of 40 particles reach over the edge of their images"] * (
        over > 0
    )


def test_noise_has_the_ratio_asked_for(tmp_path):
    clean = simulated(tmp_path / "clean", seed=3)
    for region in ("box", "disc"):
        noisy = simulated(tmp_path / region, seed=3, snr=0.5, snr_region=region)
        noise = (noisy.stack[:] - clean.stack[:]).var()
        radius = json.loads((tmp_path / region / "summary.json").read_text())["disc_radius_px"]
        y, x = np.ogrid[-32:32, -32:32]
        inside = np.ones((64, 64), bool) if region == "box" else x * x + y * y <= radius**2
        signal = clean.stack[:][:, inside].var(axis=1).mean()
        assert signal / noise == pytest.approx(0.5, rel=0.05)


def test_coverages():
    rng, c1 = np.random.default_rng(0), point_group("C1")
    views = {name: draw_views(name, 4000, c1, rng) for name in ("so3", "euler", "half", "quarter", "preferred:20")}
    cosine = {name: np.cos(np.radians(angles[:, 1])) for name, angles in views.items()}
    assert abs(cosine["so3"].mean()) < 0.03 and cosine["so3"].var() == pytest.approx(1 / 3, abs=0.02)
    assert views["euler"][:, 1].var() == pytest.approx(180**2 / 12, rel=0.05)
    assert cosine["half"].min() >= 0 and views["half"][:, 0].max() > 350
    assert cosine["quarter"].min() >= 0 and views["quarter"][:, 0].max() <= 180
    assert cosine["preferred:20"].mean() == pytest.approx(1 / np.tanh(20) - 1 / 20, abs=0.01)
    d7 = point_group("D7")
    inside = draw_views("so3", 300, d7, rng)
    assert d7.in_asymmetric_unit(conventions.euler_to_matrix(*inside.T)[:, 2]).all()
    assert np.abs(draw_shifts("triangular", 5.0, 4000, rng)).max() <= 5
    assert draw_shifts("triangular", 5.0, 4000, rng).std() == pytest.approx(5 / np.sqrt(6), rel=0.05)
    assert draw_shifts("gaussian", 5.0, 4000, rng).std() == pytest.approx(5, rel=0.05)


@pytest.mark.parametrize("wrong", [{"coverage": "some"}, {"coverage": "preferred"}, {"snr": 0}, {"defocus": "9:3"}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(EmviewerError):
        validated(SimulateParams, {"map": "phantom:C1", **wrong})


def test_a_table_without_views_is_refused(tmp_path):
    simulated(tmp_path / "sim", n=5)
    with pytest.raises(EmviewerError, match="no orientations"):
        rebuilt(tmp_path / "rec", tmp_path / "sim" / "particles.mrcs")
    with pytest.raises(EmviewerError, match="--ctf"):
        rebuilt(tmp_path / "rec", tmp_path / "sim" / "particles.star", ctf=True)


def test_a_map_without_pixel_size_is_refused_unless_it_is_given(tmp_path):
    np.save(tmp_path / "map.npy", sources.open_map("phantom:C1").data[16:48, 16:48, 16:48])
    with pytest.raises(EmviewerError, match=r"pixel size.*give --pixel-size") as refused:
        simulated(tmp_path / "sim", map=tmp_path / "map.npy", n=2)
    assert str(tmp_path / "map.npy") in str(refused.value)
    images = simulated(tmp_path / "told", map=tmp_path / "map.npy", n=2, pixel_size=2.5)
    assert images.pixel_size_A == 2.5
