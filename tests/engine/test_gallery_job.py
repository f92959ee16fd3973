import errno
import json

import mrcfile
import numpy as np
import pytest
import starfile
from scipy import ndimage

from emviewer.engine import conventions, mrc, sampling
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import gallery as gallery_module
from emviewer.engine.jobs.gallery import SPEC
from emviewer.engine.jobs.gallery_estimate import estimate
from emviewer.engine.jobs.gallery_experiment import particle_radius_px
from emviewer.engine.jobs.gallery_params import GalleryParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated
from emviewer.engine.project import Projector
from emviewer.engine.simulate import phantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Cancelled
from emviewer.engine.types import Map3D

BOX, PIXEL = 32, 4.5


@pytest.fixture(scope="module")
def volume():
    return phantom("C4", box=BOX, pixel_size_A=PIXEL, seed=1)


@pytest.fixture(scope="module")
def map_file(tmp_path_factory, volume):
    path = tmp_path_factory.mktemp("maps") / "c4.mrc"
    mrc.write_map(path, volume)
    return path


def drain(job):
    batches = []
    while True:
        try:
            batches.append(next(job))
        except StopIteration as end:
            return batches, end.value


def run(out, map_file, *, check=None, **values):
    params = validated(GalleryParams, {"map": map_file, "report": "none", **values})
    kw = {} if check is None else {"check": check}
    return drain(run_job(SPEC, params, out, **kw))


def images_of(out):
    with mrcfile.open(out / "projections.mrcs") as file:
        assert file.data.dtype == np.float32
        return np.array(file.data).reshape(-1, *file.data.shape[-2:]), float(file.voxel_size.x)


def particles_of(out):
    blocks = starfile.read(out / "projections.star", always_dict=True)
    return blocks["particles"], blocks["optics"]


def angles_of(table):
    return table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)


def recentred(image, origin_px):
    """Move an image by (x, y) pixels with the Fourier shift theorem."""
    n = len(image)
    ky, kx = np.fft.fftfreq(n)[:, None], np.fft.fftfreq(n)[None]
    return np.fft.ifft2(np.fft.fft2(image) * np.exp(-2j * np.pi * (kx * origin_px[0] + ky * origin_px[1]))).real


def test_the_folder_holds_the_views_that_the_table_tells(tmp_path, map_file, volume):
    batches, outcome = run(tmp_path / "out", map_file, step=15, sym="C4")
    images, pixel = images_of(tmp_path / "out")
    table, optics = particles_of(tmp_path / "out")
    n = len(table)
    assert images.shape == (n, BOX, BOX)
    assert pixel == pytest.approx(PIXEL, abs=1e-4)
    assert float(optics.rlnImagePixelSize.iloc[0]) == pytest.approx(PIXEL)
    assert int(optics.rlnImageSize.iloc[0]) == BOX
    assert int(optics.rlnImageDimensionality.iloc[0]) == 2
    assert set(table.rlnOpticsGroup) == {1}
    assert list(table.rlnImageName) == [f"{i + 1:06d}@projections.mrcs" for i in range(n)]
    assert np.allclose(angles_of(table), sampling.even(15, "C4"), atol=1e-6)
    wanted = Projector(volume).project(conventions.euler_to_matrix(*angles_of(table).T))
    assert np.abs(images - wanted).max() < 1e-3 * np.abs(wanted).max()

    rows = np.concatenate([b.rows for b in batches])
    assert rows.tolist() == list(range(n))
    tilts = np.concatenate([b.columns["tilt_deg"] for b in batches if len(b.rows)])
    assert np.allclose(tilts, table.rlnAngleTilt, atol=1e-6)
    last = batches[-1]
    assert (last.done, last.total) == (n, n)
    assert last.extra["n_views"] == n
    assert last.extra["pixel_size_A"] == PIXEL

    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary == outcome.summary
    assert summary["n_views"] == n
    assert summary["pixel_size_known"] is True
    assert summary["views_per_second"] > 0
    covering, separation = sampling.quality(angles_of(table), point_group("C4"))
    assert summary["covering_radius_deg"] == pytest.approx(covering)
    assert summary["min_separation_deg"] == pytest.approx(separation)
    assert outcome.warnings == []
    kept = json.loads((tmp_path / "out" / "job.json").read_text())
    assert set(kept["seconds"]) >= {"prepare", "views", "projector", "project"}
    assert kept["inputs"][0]["path"] == str(map_file)
    assert kept["parameters"]["box"] == BOX
    assert kept["parameters"]["max_res"] == 2 * PIXEL
    assert kept["parameters"]["pad"] >= 1
    assert kept["parameters"]["grid"] == "even"


def test_the_stack_is_readable_while_it_grows(tmp_path, map_file):
    params = validated(GalleryParams, {"map": map_file, "step": 8, "report": "none"})
    seen = 0
    for batch in run_job(SPEC, params, tmp_path / "out"):
        if len(batch.rows):
            with mrcfile.open(batch.extra["stack"]) as file:
                assert file.data.shape[0] == batch.done
                seen += 1
    assert seen >= 2


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"view": ["10,20,30", "-5,90,0"]}, [[10, 20, 30], [-5, 90, 0]]),
        ({"view": ["0,0,0"], "psi_step": 90}, [[0, 0, 0], [0, 0, 90], [0, 0, 180], [0, 0, 270]]),
        ({"rot": "0:90:45", "tilt": "30:60:30"}, [[r, t, 0] for t in (30, 60) for r in (0, 45, 90)]),
        ({"rot": "20:20:5", "tilt": "-60:60:60"}, [[20, -60, 0], [20, 0, 0], [20, 60, 0]]),
        ({"tilt_series": "90:-40:40:40"}, [[0, -40, 0], [0, 0, 0], [0, 40, 0]]),
    ],
)
def test_views_that_are_listed_come_in_their_order(tmp_path, map_file, values, wanted):
    run(tmp_path / "out", map_file, **values)
    assert np.allclose(angles_of(particles_of(tmp_path / "out")[0]), wanted, atol=1e-6)


@pytest.mark.parametrize(("step", "n"), [(5, 131), (10, 32)])
def test_xmipps_lists_have_xmipps_counts(tmp_path, map_file, step, n):
    _, outcome = run(tmp_path / "out", map_file, grid="xmipp", sym="d6", step=step)
    assert outcome.summary["n_views"] == n


def test_ranges_are_honoured_by_equivalents(tmp_path, map_file):
    _, outcome = run(tmp_path / "out", map_file, rot="0:180:10", tilt="90:180:10", sym="D2")
    angles = angles_of(particles_of(tmp_path / "out")[0])
    assert angles[:, 1].min() >= 90 - 1e-6
    assert angles[:, 0].min() >= -1e-6
    assert angles[:, 0].max() <= 180 + 1e-6
    assert outcome.summary["covering_radius_deg"] < 7.5


def test_random_views_are_random_orientations_by_seed(tmp_path, map_file):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run(tmp_path / name, map_file, random=40, seed=seed)
    a, b, c = (angles_of(particles_of(tmp_path / name)[0]) for name in "abc")
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)
    assert np.std(a[:, 2]) > 50


def test_one_view_has_no_separation(tmp_path, map_file):
    _, outcome = run(tmp_path / "out", map_file, view=["0,0,0"])
    assert outcome.summary["n_views"] == 1
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["min_separation_deg"] is None


def test_recorded_origins_recentre_the_images(tmp_path, map_file, volume):
    run(tmp_path / "out", map_file, step=30, shift_sigma=2.0, seed=7)
    images, pixel = images_of(tmp_path / "out")
    table, _ = particles_of(tmp_path / "out")
    origins = table[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float) / pixel
    assert 1.0 < origins.std() < 3.0
    centred = Projector(volume).project(conventions.euler_to_matrix(*angles_of(table).T))
    for image, origin, wanted in zip(images, origins, centred, strict=True):
        assert np.abs(recentred(image, origin) - wanted).max() < 0.01 * np.abs(wanted).max()


def test_angles_and_origins_of_a_table_are_used(tmp_path, map_file, volume):
    table = tmp_path / "angles.star"
    head = "data_particles\n\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n_rlnOriginXAngst\n_rlnOriginYAngst\n"
    table.write_text(head + "10 20 30 9.0 0\n50 60 70 0 -4.5\n")
    run(tmp_path / "out", map_file, angles=table)
    found, _ = particles_of(tmp_path / "out")
    assert np.allclose(angles_of(found), [[10, 20, 30], [50, 60, 70]])
    origins = found[["rlnOriginXAngst", "rlnOriginYAngst"]].to_numpy(float)
    assert np.allclose(origins, [[9.0, 0], [0, -4.5]])
    images, _ = images_of(tmp_path / "out")
    wanted = Projector(volume).project(conventions.euler_to_matrix(*angles_of(found).T), shifts_px=origins / PIXEL)
    assert np.allclose(images, wanted, atol=1e-3 * np.abs(wanted).max())
    # what the job wrote can be given back to it
    run(tmp_path / "again", map_file, angles=tmp_path / "out" / "projections.star")
    assert np.allclose(images_of(tmp_path / "again")[0], images, atol=1e-4 * np.abs(wanted).max())


def test_a_table_without_psi_takes_zero_and_says_so(tmp_path, map_file):
    (tmp_path / "angles.star").write_text("data_\n\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n10 20\n30 40\n")
    _, outcome = run(tmp_path / "out", map_file, angles=tmp_path / "angles.star")
    assert np.allclose(angles_of(particles_of(tmp_path / "out")[0]), [[10, 20, 0], [30, 40, 0]])
    assert "rlnAnglePsi" in outcome.warnings[0]


def test_noise_has_the_ratio_that_was_asked_for(tmp_path, map_file, volume):
    run(tmp_path / "clean", map_file, step=12)
    run(tmp_path / "noisy", map_file, step=12, snr=0.25)
    clean, noisy = images_of(tmp_path / "clean")[0], images_of(tmp_path / "noisy")[0]
    noise = noisy - clean
    y, x = np.ogrid[:BOX, :BOX]
    disc = (y - BOX // 2) ** 2 + (x - BOX // 2) ** 2 <= particle_radius_px(volume) ** 2
    signal = clean[:, disc].var(axis=1).mean()
    assert signal / noise.var() == pytest.approx(0.25, rel=0.03)
    assert abs(noise.mean()) < 0.02 * noise.std()
    neighbours = np.mean(noise[:, :, 1:] * noise[:, :, :-1]) / noise.var()
    assert abs(neighbours) < 0.02


def test_the_result_does_not_depend_on_the_size_of_batches(tmp_path, map_file, monkeypatch):
    values = {"step": 20, "shift_sigma": 1.0, "snr": 1.0, "seed": 3}
    run(tmp_path / "a", map_file, **values)
    monkeypatch.setattr(gallery_module, "BATCH_BYTES", 3 * 4 * BOX**2)
    run(tmp_path / "b", map_file, threads=1, **values)
    assert (tmp_path / "a" / "projections.star").read_bytes() == (tmp_path / "b" / "projections.star").read_bytes()
    a, b = images_of(tmp_path / "a")[0], images_of(tmp_path / "b")[0]
    assert np.abs(a - b).max() < 1e-5 * np.abs(a).max()
    run(tmp_path / "c", map_file, **{**values, "seed": 4})
    assert np.abs(images_of(tmp_path / "c")[0] - a).max() > 0.1 * np.abs(a).max()


def test_a_ctf_is_applied_and_recorded(tmp_path, map_file):
    run(tmp_path / "plain", map_file, step=45)
    run(tmp_path / "ctf", map_file, step=45, defocus="15000,14000,30", kv=200, cs=2.0, q0=0.07)
    table, optics = particles_of(tmp_path / "ctf")
    assert float(optics.rlnVoltage.iloc[0]) == 200
    assert float(optics.rlnSphericalAberration.iloc[0]) == 2.0
    assert float(optics.rlnAmplitudeContrast.iloc[0]) == pytest.approx(0.07)
    for label, value in (("rlnDefocusU", 15000), ("rlnDefocusV", 14000), ("rlnDefocusAngle", 30)):
        assert np.allclose(table[label], value)
    plain_table, plain_optics = particles_of(tmp_path / "plain")
    assert "rlnDefocusU" not in plain_table
    assert "rlnVoltage" not in plain_optics
    plain, changed = (np.fft.fft2(images_of(tmp_path / name)[0]) for name in ("plain", "ctf"))
    ky, kx = np.fft.fftfreq(BOX, PIXEL)[:, None], np.fft.fftfreq(BOX, PIXEL)[None]
    volts, q0 = 200e3, 0.07
    wavelength = 12.2643 / np.sqrt(volts * (1 + 0.978466e-6 * volts))
    k2, angle = kx * kx + ky * ky, np.arctan2(ky, kx) - np.deg2rad(30)
    defocus = 14500 + 500 * np.cos(2 * angle)
    phase = np.pi * wavelength * defocus * k2 - np.pi / 2 * 2.0e7 * wavelength**3 * k2**2
    wanted = np.sin(phase + np.arcsin(q0))  # RELION: positive at low frequency for underfocus
    strong = np.abs(plain) > 0.02 * np.abs(plain).max()
    inside = np.broadcast_to(np.sqrt(k2) < 0.8 * 0.5 / PIXEL, strong.shape) & strong
    ratio = (changed[inside] / plain[inside]).real
    assert inside.sum() > 200
    assert np.abs(ratio - np.broadcast_to(wanted, strong.shape)[inside]).max() < 0.05


def test_a_map_of_ones_gives_the_line_sum(tmp_path):
    mrc.write_map(tmp_path / "ones.mrc", np.ones((16, 16, 16), np.float32), 1.0)
    for method in ("fourier", "real"):
        run(tmp_path / method, tmp_path / "ones.mrc", view=["0,0,0"], method=method)
        assert images_of(tmp_path / method)[0][0, 8, 8] == pytest.approx(16, rel=0.02)


def test_an_unknown_pixel_size_goes_on_at_one_with_a_warning(tmp_path):
    mrc.write_map(tmp_path / "silent.mrc", phantom("C1", box=16).data, 0.0)
    _, outcome = run(tmp_path / "out", tmp_path / "silent.mrc", view=["0,0,0"])
    assert outcome.summary["pixel_size_known"] is False
    assert any("--pixel-size" in sentence for sentence in outcome.warnings)
    assert float(particles_of(tmp_path / "out")[1].rlnImagePixelSize.iloc[0]) == 1.0
    _, told = run(tmp_path / "told", tmp_path / "silent.mrc", view=["0,0,0"], pixel_size=2.5)
    assert told.summary["pixel_size_known"] is True
    assert told.warnings == []
    assert images_of(tmp_path / "told")[1] == pytest.approx(2.5)


def test_maps_that_are_no_cubes_and_other_boxes(tmp_path):
    data = np.zeros((10, 20, 31), np.float32)
    data[3:6, 8:12, 10:20] = 1
    data = ndimage.gaussian_filter(data, 1.2)
    mrc.write_map(tmp_path / "flat.mrc", data, 2.0)
    run(tmp_path / "own", tmp_path / "flat.mrc", view=["0,0,0"])
    image = images_of(tmp_path / "own")[0][0]
    assert image.shape == (31, 31)
    assert image.sum() == pytest.approx(data.sum(), rel=0.02)
    run(tmp_path / "small", tmp_path / "flat.mrc", view=["0,0,0"], box=21)
    small = images_of(tmp_path / "small")[0][0]
    assert small.shape == (21, 21)
    assert np.abs(small - image[5:26, 5:26]).max() < 0.01 * image.max()


def test_figures_are_made_as_asked(tmp_path, map_file):
    for report, wanted in (("both", ["pdf", "png"]), ("png", ["png"]), ("none", [])):
        run(tmp_path / report, map_file, step=45, report=report)
        assert sorted(p.suffix[1:] for p in (tmp_path / report).glob("gallery.p*")) == wanted
    from emviewer.engine import figure

    figure.render_file(tmp_path / "both" / "gallery.json", tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "both" / "gallery.png").read_bytes()


def test_cancelled_keeps_the_finished_views(tmp_path, map_file, monkeypatch):
    monkeypatch.setattr(gallery_module, "BATCH_BYTES", 5 * 4 * BOX**2)
    done = []

    def check():
        if len(done) >= 3:
            raise Cancelled

    params = validated(GalleryParams, {"map": map_file, "step": 10})
    job = run_job(SPEC, params, tmp_path / "out", check=check)
    while True:
        try:
            batch = next(job)
        except StopIteration as end:
            outcome = end.value
            break
        done += [batch.done] if len(batch.rows) else []
    assert outcome.status == "partial"
    images, _ = images_of(tmp_path / "out")
    assert len(images) == len(particles_of(tmp_path / "out")[0]) == done[-1]
    assert outcome.summary["n_views"] == done[-1]
    assert outcome.summary["covering_radius_deg"] is None or np.isnan(outcome.summary["covering_radius_deg"])
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["covering_radius_deg"] is None


@pytest.mark.parametrize("victim", ["stack", "table"])
def test_a_full_disk_keeps_the_finished_views(tmp_path, map_file, monkeypatch, victim):
    """The disk takes some bytes of a batch and then no more; the files end after the last whole view."""
    from emviewer.engine import mrc_write, star_stream

    monkeypatch.setattr(gallery_module, "BATCH_BYTES", 5 * 4 * BOX**2)

    class Full:
        def __init__(self, file, room):
            self.file, self.room = file, room

        def write(self, data):
            data = bytes(data)
            if len(data) > self.room:
                self.file.write(data[: self.room])
                raise OSError(errno.ENOSPC, "No space left on device")
            self.room -= len(data)
            return self.file.write(data)

        def __getattr__(self, name):
            return getattr(self.file, name)

    target, room = (
        (mrc_write.StackWriter, 10 * 4 * BOX**2 + 4000) if victim == "stack" else (star_stream.ParticleStream, 1900)
    )
    original = target.__init__

    def init(self, *args, **kw):
        if victim == "table":
            opened = type(args[0]).open
            monkeypatch.setattr(type(args[0]), "open", lambda path, *a, **k: Full(opened(path, *a, **k), room))
            original(self, *args, **kw)
            monkeypatch.setattr(type(args[0]), "open", opened)
        else:
            original(self, *args, **kw)
            self._file = Full(self._file, room)

    monkeypatch.setattr(target, "__init__", init)
    _, outcome = run(tmp_path / "out", map_file, step=10)
    monkeypatch.undo()
    assert outcome.status == "partial"
    assert "the disk is full" in str(outcome.error)
    table, _ = particles_of(tmp_path / "out")
    images, _ = images_of(tmp_path / "out")
    assert outcome.summary["n_views"] == len(table)
    assert 0 < len(table) < 400
    assert len(table) % 5 == 0
    assert len(images) == len(table)
    assert np.isfinite(images).all()


def test_what_is_said_beforehand_is_near_what_comes(tmp_path, map_file):
    for values in ({"step": 15}, {"step": 10, "sym": "D7"}, {"step": 20, "psi_step": 45}):
        params = validated(GalleryParams, {"map": map_file, "report": "none", **values})
        said = estimate(params)
        _, outcome = drain(run_job(SPEC, params, tmp_path / str(len(list(tmp_path.iterdir())))))
        words = said.removeprefix("about ").split(" view")[0]
        assert int(words.replace(" ", "")) == pytest.approx(outcome.summary["n_views"], rel=0.16, abs=2 * 8)
        assert " kB" in said or " MB" in said
    exact = validated(GalleryParams, {"map": map_file, "rot": "0:90:10", "tilt": "0:20:20"})
    assert estimate(exact).startswith("20 views, 81.9 kB")
    with pytest.raises(EmviewerError):
        estimate(validated(GalleryParams, {"map": map_file, "sym": "X9"}))
    with pytest.raises(EmviewerError, match="views"):
        estimate(validated(GalleryParams, {"map": map_file, "step": 1, "psi_step": 1e-6}))


def test_the_particles_disc_holds_the_particle():
    z, y, x = np.mgrid[:64, :64, :64] - 32
    ball = Map3D((z * z + y * y + x * x <= 15**2).astype(np.float32), 1.0)
    assert particle_radius_px(ball) == pytest.approx(15, abs=1)
    rng = np.random.default_rng(0)
    noise = Map3D(rng.standard_normal((40, 40, 40)).astype(np.float32), 1.0)
    assert particle_radius_px(noise) == 20.0


def test_cancelled_at_once_says_that_nothing_is_there(tmp_path, map_file):
    def check():
        raise Cancelled

    _, outcome = run(tmp_path / "out", map_file, check=check)
    assert outcome.status == "partial"
    assert outcome.summary["n_views"] == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["job.json", "summary.json"]


@pytest.mark.parametrize(("stage", "views"), [("choosing views", 0), ("drawing the figure", 25)])
def test_a_cancel_is_heard_within_a_stage(tmp_path, map_file, stage, views):
    said, asked = [], []

    def check():
        asked.extend(said[-1:])
        if asked.count(stage) > 1:  # the first time it is the loop that runs the job, before the stage begins
            raise Cancelled

    sampling._KEPT.clear()
    job = run_job(SPEC, validated(GalleryParams, {"map": map_file, "step": 40}), tmp_path / "out", check=check)
    while True:
        try:
            said.append(next(job).stage)
        except StopIteration as end:
            outcome = end.value
            break
    assert said[-1] == stage
    assert outcome.status == "partial"
    assert outcome.summary["n_views"] == views
    assert not list((tmp_path / "out").glob("gallery.p*"))


def test_a_closed_window_leaves_a_valid_partial_gallery(tmp_path, map_file):
    job = run_job(SPEC, validated(GalleryParams, {"map": map_file, "step": 5, "report": "none"}), tmp_path / "out")
    while not len(next(job).rows):
        pass
    job.close()
    n = json.loads((tmp_path / "out" / "summary.json").read_text())["n_views"]
    assert len(images_of(tmp_path / "out")[0]) == len(particles_of(tmp_path / "out")[0]) == n > 0
