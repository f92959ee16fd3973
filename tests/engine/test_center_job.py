"""The center job: what it writes for every program's tables, that nothing is counted twice, and what goes wrong."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import cryosparc, star
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.center import SPEC
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc import StackWriter, read_stack
from emviewer.engine.params import validated
from emviewer.engine.task import drain

BOX, PIXEL, MIC_PIXEL = 48, 3.0, 1.5
OFFSETS = np.array([[5.0, -3.0], [0.0, 0.0], [-4.0, 6.0]])
CLASS = np.array([1, 1, 2, 3, 3, 3])
PSI = np.array([0.0, 90.0, 30.0, -60.0, 200.0, 45.0])
ORIGIN_A = np.array([[0, 0], [4.5, -3.0], [2.0, 7.0], [0, 0], [25.0, 1.0], [1.0, 1.0]], float)
PICK = np.array([[300, 400], [500, 500], [600, 200], [100, 900], [2, 300], [700, 700]], float)


def classes(path, dark=False):
    """Round objects with some structure at OFFSETS, and the first pixel row for the header."""
    y, x = np.indices((BOX, BOX)) - BOX // 2
    rng = np.random.default_rng(0)
    images = []
    for cx, cy in OFFSETS:
        r = np.hypot(x - cx, y - cy)
        fine = 0.4 * np.cos(np.arctan2(y - cy, x - cx) * 4) * np.cos(r / 1.6)
        images.append((1 + fine) / (1 + np.exp((r - 10) / 1.2)) + rng.normal(scale=0.02, size=r.shape))
    with StackWriter(path, (BOX, BOX), PIXEL) as writer:
        writer.append(np.array(images, np.float32) * (-1 if dark else 1))
    return path


def expected_centres(ratio=PIXEL / MIC_PIXEL, number=CLASS, psi=PSI, origin=ORIGIN_A):
    """Where the particles stand: SOURCE.md of the simulated set, d = R2(psi) c - origin, in micrograph pixels."""
    a = np.radians(psi)
    c = OFFSETS[number - 1]
    turned = np.c_[np.cos(a) * c[:, 0] + np.sin(a) * c[:, 1], -np.sin(a) * c[:, 0] + np.cos(a) * c[:, 1]]
    return PICK + (turned - origin / PIXEL) * ratio


def relion(path, version=3.1, **more):
    table = {
        "rlnCoordinateX": [f"{v:.1f}" for v in PICK[:, 0]],
        "rlnCoordinateY": [f"{v:.1f}" for v in PICK[:, 1]],
        "rlnImageName": [f"{i + 1:06d}@Extract/p.mrcs" for i in range(6)],
        "rlnMicrographName": [f"mics/m{i % 2}.mrc" for i in range(6)],
        "rlnClassNumber": [str(c) for c in CLASS],
        "rlnAnglePsi": [f"{v:.3f}" for v in PSI],
        "emvOdd": ["1e-3", "2.50", "x y", "None", "0007", "-0"],
    }
    if version >= 3.1:
        table |= {"rlnOpticsGroup": ["1"] * 6}
        table |= {f"rlnOrigin{a}Angst": [f"{v:.2f}" for v in ORIGIN_A[:, i]] for i, a in enumerate("XY")}
        optics = {"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnMicrographPixelSize": ["1.5"],
                  "rlnImageSize": ["48"]}  # fmt: skip
        star.write_star(path, {"optics": pd.DataFrame(optics), "particles": pd.DataFrame(table | more)})
    else:
        table |= {f"rlnOrigin{a}": [f"{v / PIXEL:.6f}" for v in ORIGIN_A[:, i]] for i, a in enumerate("XY")}
        star.write_star(path, {"": pd.DataFrame(table | more)})
    return path


def center(out, path, **options):
    """Run the job; return its outcome and summary."""
    params = validated(CenterParams, {"classes": path, "report": "none", **options})
    job = run_job(SPEC, params, out, overwrite=True)
    while True:
        try:
            next(job)
        except StopIteration as end:
            return end.value


def table_of(path):
    blocks = star.read_star(path)
    return blocks.get("particles", blocks.get(""))


def places(path, pixel=MIC_PIXEL):
    """Centres that a RELION table means: coordinate less origin."""
    table = table_of(path)
    if "rlnOriginXAngst" in table:
        origin = np.c_[star.numbers(table, "rlnOriginXAngst"), star.numbers(table, "rlnOriginYAngst")] / pixel
    else:
        origin = np.c_[star.numbers(table, "rlnOriginX"), star.numbers(table, "rlnOriginY")] * PIXEL / pixel
    return np.c_[star.numbers(table, "rlnCoordinateX"), star.numbers(table, "rlnCoordinateY")] - origin


@pytest.fixture
def stack(tmp_path):
    return classes(tmp_path / "classes.mrcs")


def test_relion_members_go_where_their_particle_is(tmp_path, stack):
    particles = relion(tmp_path / "particles.star")
    before = particles.read_bytes(), stack.read_bytes()
    outcome = center(tmp_path / "out", stack, particles=particles)
    assert (particles.read_bytes(), stack.read_bytes()) == before
    out = tmp_path / "out"
    for name in ("particles.star", "particles_in_place.star"):
        np.testing.assert_allclose(places(out / name), expected_centres(), atol=0.35)
        table, given = table_of(out / name), table_of(particles)
        kept = [c for c in given if not c.startswith(("rlnOrigin", "rlnCoordinate"))]
        pd.testing.assert_frame_equal(table[kept], given[kept])
        assert star.read_star(out / name)["optics"].equals(star.read_star(particles)["optics"])
    extract, place = table_of(out / "particles.star"), table_of(out / "particles_in_place.star")
    steps = star.numbers(extract, "rlnCoordinateX") - PICK[:, 0]
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert np.abs(star.numbers(extract, "rlnOriginXAngst")).max() <= MIC_PIXEL / 2 + 1e-6
    np.testing.assert_array_equal(star.numbers(place, "rlnCoordinateX"), PICK[:, 0])
    coordinates = table_of(out / "coordinates" / "m1.star")
    np.testing.assert_allclose(
        np.c_[star.numbers(coordinates, "rlnCoordinateX"), star.numbers(coordinates, "rlnCoordinateY")],
        expected_centres()[1::2],
        atol=0.35,
    )
    assert any("re-extraction" in sentence for sentence in outcome.warnings)


def test_summary_counts_signed_displacements_in_micrograph_pixels(tmp_path, stack):
    outcome = center(tmp_path / "out", stack, particles=relion(tmp_path / "particles.star"))
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary == json.loads(json.dumps(outcome.summary))
    length = np.hypot(*OFFSETS[CLASS - 1].T) * PIXEL / MIC_PIXEL
    assert (summary["n_classes"], summary["n_particles"], summary["n_moved"]) == (3, 6, 5)
    assert summary["fraction_moved"] == pytest.approx(5 / 6)
    assert summary["mean_displacement_px"] == pytest.approx(length.mean(), abs=0.3)
    assert summary["mean_displacement_A"] == pytest.approx(length.mean() * MIC_PIXEL, abs=0.45)
    shifts = star.read_star(tmp_path / "out/classes.star")["classes"]
    assert list(shifts)[:6] == ["class", "shift_x_A", "shift_y_A", "psi_deg", "method", "confidence"]
    np.testing.assert_allclose(star.numbers(shifts, "shift_x_A"), -OFFSETS[:, 0] * PIXEL, atol=0.6)
    histogram = summary["displacement_histogram"]
    assert sum(histogram["x"]) == sum(histogram["y"]) == 6
    middle = np.array(histogram["edges_px"])[:-1] + 0.5
    assert (np.array(histogram["x"])[middle < -1]).sum() > 0


@pytest.mark.parametrize("name", ["particles.star", "particles_in_place.star"])
def test_a_second_run_with_either_table_moves_nothing(tmp_path, stack, name):
    center(tmp_path / "out", stack, particles=relion(tmp_path / "particles.star"))
    first = places(tmp_path / "out" / name)
    outcome = center(tmp_path / "again", tmp_path / "out/centered_classes.mrcs", particles=tmp_path / "out" / name)
    assert outcome.summary["n_moved"] == 0
    assert outcome.summary["mean_displacement_px"] < 0.1
    np.testing.assert_allclose(places(tmp_path / "again/particles.star"), first, atol=0.1)


@pytest.mark.parametrize("store", ["coordinates", "alignment"])
def test_all_in_coordinates_or_all_in_origins(tmp_path, stack, store):
    center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star"), store=store)
    table = table_of(tmp_path / "out/particles.star")
    np.testing.assert_allclose(places(tmp_path / "out/particles.star"), expected_centres(), atol=0.35)
    if store == "coordinates":
        assert (star.numbers(table, "rlnOriginXAngst") == 0).all()
    else:
        np.testing.assert_array_equal(star.numbers(table, "rlnCoordinateX"), PICK[:, 0])


def test_turning_keeps_the_centres_and_adds_the_angle(tmp_path, stack):
    center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star"), method="xmipp", rotate=True)
    table = table_of(tmp_path / "out/particles_in_place.star")
    psi = star.numbers(star.read_star(tmp_path / "out/classes.star")["classes"], "psi_deg")
    turned = star.numbers(table, "rlnAnglePsi") - PSI - psi[CLASS - 1]
    np.testing.assert_allclose((turned + 180) % 360 - 180, 0, atol=1e-3)
    np.testing.assert_allclose(
        places(tmp_path / "out/particles.star"), expected_centres(), atol=2.0
    )  # half a pixel of the class off


def test_tables_of_relion_1(tmp_path, stack):
    particles = relion(tmp_path / "particles.star", version=1.4)
    outcome = center(tmp_path / "out", stack, particles=particles)
    table = table_of(tmp_path / "out/particles.star")
    assert "rlnOriginX" in table
    assert "rlnOriginXAngst" not in table
    np.testing.assert_allclose(places(tmp_path / "out/particles.star", PIXEL), expected_centres(ratio=1.0), atol=0.25)
    assert any("do not tell their pixel size" in sentence for sentence in outcome.warnings)


def micrographs(folder, edge=1024, pixel=MIC_PIXEL):
    folder.mkdir()
    for i in range(2):
        with StackWriter(folder / f"m{i}.mrc", (edge, edge), pixel) as writer:
            writer.append(np.zeros((1, edge, edge), np.float32))
    return folder


def test_particles_out_of_bounds_are_marked_never_dropped(tmp_path, stack):
    particles = relion(tmp_path / "particles.star")
    outcome = center(tmp_path / "out", stack, particles=particles, micrographs=micrographs(tmp_path / "mics", 960))
    wanted = expected_centres()
    outside = ((wanted < 0) | (wanted > 959)).any(axis=1)
    assert outside.sum() == 1
    table = table_of(tmp_path / "out/particles.star")
    np.testing.assert_array_equal(star.numbers(table, "emvOutOfBounds") == 1, outside)
    assert outcome.summary["n_out_of_bounds"] == 1
    assert len(table) == 6


def test_pixel_size_of_micrographs_from_their_headers_and_tables(tmp_path, stack):
    particles = relion(tmp_path / "p.star", version=1.4)
    center(tmp_path / "a", stack, particles=particles, micrographs=micrographs(tmp_path / "mics"))
    np.testing.assert_allclose(places(tmp_path / "a/particles.star"), expected_centres(), atol=0.35)
    table = tmp_path / "micrographs.star"
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnMicrographPixelSize": ["1.5"]})
    names = pd.DataFrame({"rlnMicrographName": ["mics/m0.mrc", "mics/m1.mrc"], "rlnOpticsGroup": ["1", "1"]})
    star.write_star(table, {"optics": optics, "micrographs": names})
    center(tmp_path / "b", stack, particles=particles, micrographs=table)
    np.testing.assert_allclose(places(tmp_path / "b/particles.star"), expected_centres(), atol=0.35)


def test_micrographs_of_the_same_name_get_tables_of_their_own(tmp_path, stack):
    names = [f"{name}.mrc" for name in ("x/m", "y/m", "x/m_2")] * 2
    center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star", rlnMicrographName=names))
    found = {path.name: len(table_of(path)) for path in (tmp_path / "out/coordinates").iterdir()}
    assert found == {"m.star": 2, "m_3.star": 2, "m_2.star": 2}


def test_members_without_class_and_classes_without_members(tmp_path, stack):
    particles = relion(tmp_path / "p.star", rlnClassNumber=["1", "1", "0", "7", "3", "3"])
    outcome = center(tmp_path / "out", stack, particles=particles)
    table, given = table_of(tmp_path / "out/particles.star"), table_of(particles)
    assert table["emvCentering"].tolist() == ["centred", "centred", "no class", "no class", "centred", "centred"]
    for column in ("rlnCoordinateX", "rlnOriginXAngst"):
        assert table[column][2] == given[column][2]
    assert star.read_star(tmp_path / "out/classes.star")["classes"]["n_members"].tolist() == ["2", "0", "2"]
    assert any("2 of 6 particles have no class" in sentence for sentence in outcome.warnings)


@pytest.mark.parametrize("store", ["both", "coordinates", "alignment"])
def test_coordinates_that_are_no_numbers_are_kept_and_counted(tmp_path, stack, store):
    odd = ["nan", "500.0", "None", "100.0", "2.0", "inf"]
    particles = relion(tmp_path / "p.star", rlnCoordinateX=odd)
    outcome = center(tmp_path / "out", stack, particles=particles, store=store)
    said = [sentence for sentence in outcome.warnings if "are no numbers" in sentence]
    assert len(said) == 1
    assert said[0].startswith("the coordinates of 3 of 6 particles")
    for name in ("particles.star", "particles_in_place.star"):
        kept = table_of(tmp_path / "out" / name)["rlnCoordinateX"].tolist()
        assert [kept[i] for i in (0, 2, 5)] == ["nan", "None", "inf"]
        np.testing.assert_allclose(places(tmp_path / "out" / name)[[1, 3, 4]], expected_centres()[[1, 3, 4]], atol=0.35)
    tables = [table_of(path) for path in sorted((tmp_path / "out" / "coordinates").iterdir())]
    assert [len(table) for table in tables] == [1, 2]
    assert np.isfinite([star.numbers(table, "rlnCoordinateX").sum() for table in tables]).all()


def test_nothing_is_said_of_coordinates_that_are_numbers(tmp_path, stack):
    outcome = center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star"))
    assert not any("no numbers" in sentence for sentence in outcome.warnings)


def test_a_micrograph_that_is_missing_is_said(tmp_path, stack):
    mics = micrographs(tmp_path / "mics")
    (mics / "m1.mrc").unlink()
    outcome = center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star"), micrographs=mics)
    assert any("1 of 2 micrographs is unknown, first mics/m1.mrc" in sentence for sentence in outcome.warnings)
    table = pd.read_csv(tmp_path / "out/micrographs.csv").set_index("micrograph")
    assert table.loc["mics/m0.mrc", "width_px"] == 1024
    assert np.isnan(table.loc["mics/m1.mrc", "width_px"])
    assert table["n_particles"].tolist() == [3, 3]


def test_picks_that_are_off_as_a_whole_are_hinted_at(tmp_path, stack):
    n = 40
    rng = np.random.default_rng(1)
    particles = pd.DataFrame(
        {
            "rlnCoordinateX": rng.integers(200, 800, n).astype(str),
            "rlnCoordinateY": rng.integers(200, 800, n).astype(str),
            "rlnMicrographName": ["m.mrc"] * n,
            "rlnClassNumber": ["2"] * n,
            "rlnAnglePsi": [f"{v:.3f}" for v in rng.uniform(-180, 180, n)],
            "rlnOriginXAngst": [f"{v:.3f}" for v in rng.normal(-9, 1, n)],
            "rlnOriginYAngst": [f"{v:.3f}" for v in rng.normal(0, 1, n)],
            "rlnOpticsGroup": ["1"] * n,
        }
    )
    optics = pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnMicrographPixelSize": ["1.5"]})
    star.write_star(tmp_path / "p.star", {"optics": optics, "particles": particles})
    outcome = center(tmp_path / "out", stack, particles=tmp_path / "p.star")
    assert outcome.summary["picking_offset_px"][0] == pytest.approx(6, abs=0.4)
    assert any("picks as a whole" in sentence for sentence in outcome.warnings)
    assert outcome.summary["n_moved"] == 0  # the class itself is centred


def test_classes_alone(tmp_path, stack):
    outcome = center(tmp_path / "out", stack)
    assert outcome.summary["n_particles"] == 0
    assert not (tmp_path / "out/particles.star").exists()
    y, x = np.indices((BOX, BOX)) - BOX // 2
    for image in read_stack(tmp_path / "out/centered_classes.mrcs")[:]:
        weight = np.where(image > 0.5, image, 0)
        assert np.hypot((weight * x).sum(), (weight * y).sum()) / weight.sum() < 0.4


def test_particles_aligned_to_a_map_are_said_and_left(tmp_path, stack):
    particles = relion(tmp_path / "p.star", rlnAngleRot=["10"] * 6, rlnAngleTilt=["0", "40", "50", "60", "70", "80"])
    outcome = center(tmp_path / "out", stack, particles=particles)
    assert any("aligned to a 3D map" in sentence for sentence in outcome.warnings)
    assert table_of(tmp_path / "out/particles.star")["emvCentering"].tolist()[1:] == ["no in-plane alignment"] * 5


def test_what_cannot_be_done_is_one_sentence(tmp_path, stack):
    blind = tmp_path / "blind.mrcs"
    with StackWriter(blind, (BOX, BOX), 0.0) as writer:
        writer.append(read_stack(stack)[:])
    star.write_star(tmp_path / "none.star", {"particles": table_of(relion(tmp_path / "p.star"))[["rlnImageName"]]})
    cases = [
        ({"classes": blind}, "pixel size"),
        ({"classes": stack, "particles": tmp_path / "none.star"}, "rlnClassNumber"),
        ({"classes": stack, "method": "reprojection"}, "--map"),
        ({"classes": stack, "particles": tmp_path / "p.star", "micrographs": tmp_path / "empty"}, "no micrographs"),
    ]
    (tmp_path / "empty").mkdir()
    for i, (values, said) in enumerate(cases):
        with pytest.raises(EmviewerError) as error:
            drain(run_job(SPEC, validated(CenterParams, {"report": "none", **values}), tmp_path / f"no{i}"))
        assert said in str(error.value)


def cs(folder):
    size = np.array([1000, 1200], np.uint32)  # rows, columns
    n = len(CLASS)
    rows = np.zeros(
        n,
        [("uid", "<u8"), ("blob/psize_A", "<f4"), ("blob/shape", "<u4", (2,)), ("alignments2D/split", "<u4"),
         ("alignments2D/shift", "<f4", (2,)), ("alignments2D/pose", "<f4"), ("alignments2D/psize_A", "<f4"),
         ("alignments2D/class", "<u4"), ("odd/bytes", "S4")],
    )  # fmt: skip
    rows["uid"], rows["blob/psize_A"], rows["blob/shape"] = np.arange(n) * 7 + 10**17, PIXEL, BOX
    rows["alignments2D/psize_A"] = 2 * PIXEL  # shifts counted in other pixels
    rows["alignments2D/shift"], rows["alignments2D/pose"] = ORIGIN_A / (2 * PIXEL), np.radians(PSI)
    rows["alignments2D/class"], rows["odd/bytes"] = CLASS - 1, b"a\xff"
    extra = np.zeros(
        n + 1,
        [("location/micrograph_path", "S20"), ("uid", "<u8"), ("location/micrograph_shape", "<u4", (2,)),
         ("location/micrograph_psize_A", "<f4"), ("location/center_x_frac", "<f4"),
         ("location/center_y_frac", "<f4")],
    )  # fmt: skip
    order = np.r_[n, np.arange(n)[::-1]]
    extra["uid"] = np.r_[rows["uid"], 5][order]
    extra["location/micrograph_shape"], extra["location/micrograph_psize_A"] = size, MIC_PIXEL
    extra["location/micrograph_path"] = b"J1/m.mrc"
    at = np.r_[PICK, [[600, 500]]][order]
    extra["location/center_x_frac"], extra["location/center_y_frac"] = at[:, 0] / 1200, at[:, 1] / 1000
    cryosparc.write_cs(folder / "p.cs", rows)
    cryosparc.write_cs(folder / "pass.cs", extra)
    averages = np.zeros(3, [("blob/path", "S20"), ("blob/idx", "<u4"), ("blob/psize_A", "<f4")])
    averages["blob/path"], averages["blob/idx"], averages["blob/psize_A"] = b"classes.mrcs", np.arange(3), PIXEL
    cryosparc.write_cs(folder / "averages.cs", averages)
    return rows, extra


def cs_places(rows, extra):
    """Centres that cryoSPARC's tables mean, in the order of the particles."""
    where = {int(u): i for i, u in enumerate(extra["uid"])}
    at = np.array([where[int(u)] for u in rows["uid"]])
    pick = np.c_[extra["location/center_x_frac"][at] * 1200.0, extra["location/center_y_frac"][at] * 1000.0]
    return pick - rows["alignments2D/shift"] * (2 * PIXEL / MIC_PIXEL)


def test_cryosparc_tables(tmp_path, stack):
    rows, extra = cs(tmp_path)
    options = {"particles": tmp_path / "p.cs", "passthrough": tmp_path / "pass.cs"}
    outcome = center(tmp_path / "out", tmp_path / "averages.cs", **options)
    moved, moved_extra = (
        cryosparc.read_cs(tmp_path / "out/particles.cs"),
        cryosparc.read_cs(tmp_path / "out/passthrough.cs"),
    )
    in_place = cryosparc.read_cs(tmp_path / "out/particles_in_place.cs")
    np.testing.assert_allclose(cs_places(moved, moved_extra), expected_centres(), atol=0.35)
    np.testing.assert_allclose(cs_places(in_place, extra), expected_centres(), atol=0.35)
    for name in ("uid", "alignments2D/pose", "alignments2D/class", "odd/bytes"):
        np.testing.assert_array_equal(moved[name], rows[name])
    assert moved_extra.dtype == extra.dtype
    np.testing.assert_array_equal(moved_extra["uid"], extra["uid"])
    assert moved_extra[0] == extra[0]  # a row that is no particle of these
    assert outcome.summary["n_out_of_bounds"] == int(moved["emviewer/out_of_bounds"].sum()) == 1
    second = center(
        tmp_path / "again", tmp_path / "out/centered_classes.mrcs", particles=tmp_path / "out/particles.cs",
        passthrough=tmp_path / "out/passthrough.cs",
    )  # fmt: skip
    # of a stack that is no cryoSPARC table the classes are counted as its particles count them
    assert second.summary["n_moved"] == 0
    assert second.summary["members"]["no class"] == 0


def test_xmipp_metadata_with_flips(tmp_path, stack):
    flip = np.array([0, 1, 0, 1, 0, 1])
    shift = np.array([[0, 0], [1.5, -1], [0, 2], [1, 1], [-2, 0], [0, 0]], float)
    blocks = {"classes": pd.DataFrame({"ref": ["1", "2", "3"], "image": [f"{i + 1}@classes.mrcs" for i in range(3)]})}
    for number in (1, 2, 3):
        mine = number == CLASS
        blocks[f"class{number:06d}_images"] = pd.DataFrame(
            {
                "image": [f"{i + 1}@p.stk" for i in np.flatnonzero(mine)],
                "micrograph": ["m0.mrc"] * mine.sum(),
                "xcoor": PICK[mine, 0].astype(int),
                "ycoor": PICK[mine, 1].astype(int),
                "anglePsi": PSI[mine],
                "shiftX": shift[mine, 0],
                "shiftY": shift[mine, 1],
                "flip": flip[mine],
            }
        )
    blocks["classes"].attrs["comment"] = "XMIPP_STAR_1 * "
    star.write_star(tmp_path / "classes.xmd", blocks)
    center(tmp_path / "out", tmp_path / "classes.xmd")
    a = np.radians(PSI)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]).transpose(2, 0, 1)
    mirror = np.c_[np.where(flip == 1, -1, 1), np.ones(6)]

    def centres(table):
        """Solve y = F (R x + t) for the particle point of the class's centre."""
        t = np.c_[star.numbers(table, "shiftX"), star.numbers(table, "shiftY")]
        at = np.c_[star.numbers(table, "xcoor"), star.numbers(table, "ycoor")]
        return t, at

    wanted = PICK + np.einsum("nji,nj->ni", turn, mirror * OFFSETS[CLASS - 1] - shift)
    for name in ("particles.star", "particles_in_place.star"):
        t, at = centres(table_of(tmp_path / "out" / name))
        np.testing.assert_allclose(at - np.einsum("nji,nj->ni", turn, t), wanted, atol=0.25)
    again = center(
        tmp_path / "again", tmp_path / "out/centered_classes.mrcs", particles=tmp_path / "out/particles.star"
    )
    assert again.summary["mean_displacement_px"] < 0.1


def test_reports_are_drawn(tmp_path, stack):
    center(tmp_path / "out", stack, particles=relion(tmp_path / "p.star"), report="both")
    assert (tmp_path / "out/report.png").stat().st_size > 20_000
    assert (tmp_path / "out/report.pdf").read_bytes().startswith(b"%PDF")


def test_t20s_members_and_registration_to_the_map(tmp_path, shared_data):
    folder = shared_data / "sim_t20s_relion_class2d"
    truth = pd.read_csv(folder / "truth_particles.csv")
    options = {"map": folder / "target_map.mrc", "sym": "D7", "method": "reprojection"}
    outcome = center(tmp_path / "out", folder / "Class2D/job010/run_it025_model.star", **options)
    good = (truth["content"] == "target") & (truth["assigned_class"] == truth["true_class"])
    wrong = np.hypot(*(places(tmp_path / "out/particles.star", 3.2) - truth[["true_x", "true_y"]].to_numpy()).T)
    assert np.median(wrong[good]) <= 0.8
    assert outcome.summary["n_classes_left_alone"] == 3
    found = star.read_star(tmp_path / "out/classes.star")["classes"]
    kinds = pd.read_csv(folder / "truth_classes.csv")
    at = np.c_[star.numbers(found, "found_x_px"), star.numbers(found, "found_y_px")]
    wrong = np.hypot(*(at - kinds[["offset_x_px", "offset_y_px"]].to_numpy()).T)
    for kind, limit in (("target", 0.3), ("target_offcentre", 0.4), ("target_neighbour", 0.3)):
        assert np.median(wrong[kinds["kind"] == kind]) <= limit


@pytest.mark.slow  # registers 100 classes to a real map: 8 s
def test_real_classes_agree_between_silhouette_and_map(tmp_path, shared_data):
    folder = shared_data / "class2d_betagal_real_relion4_job013"
    model = folder / "Class2D/job013/run_it100_model.star"
    kept = pd.read_csv(folder / "selected_by_author_job014.csv")["class"].to_numpy() - 1
    found = []
    for name, options in {
        "mass": {"method": "mass"},
        "map": {"method": "reprojection", "map": shared_data / "map_betagal_D2_real/betaGal.mrc", "sym": "D2"},
    }.items():
        center(tmp_path / name, model, **options)
        table = star.read_star(tmp_path / name / "classes.star")["classes"]
        found.append(np.c_[star.numbers(table, "found_x_px"), star.numbers(table, "found_y_px")][kept])
    apart = np.hypot(*(found[0] - found[1]).T)
    assert np.median(apart) < 0.4
    assert (apart > 1).sum() <= 1 and apart.max() < 2.5  # class 18 has a faint end that weighs little
