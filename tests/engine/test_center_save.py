"""Going on with a centring: hand-set centres reach the members in the form of any program; the rest is kept."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import cryosparc, star
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs import center_convert, center_cryosparc, center_relion
from emviewer.engine.jobs.center import SPEC
from emviewer.engine.jobs.center_again import ClassCentres, carry, estimate, open_again, read_result
from emviewer.engine.jobs.center_classes import open_classes
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.center_save import member_images, save, save_report
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc import StackWriter, read_stack
from emviewer.engine.mrc_write import write_map
from emviewer.engine.params import validated
from emviewer.engine.simulate_phantom import phantom_blobs
from emviewer.engine.task import drain
from emviewer.engine.types import Map3D

BOX, PIXEL, MIC_PIXEL, SIZE = 48, 3.0, 1.5, 1000
CENTRES = np.array([[4.0, -2.0], [-3.0, 5.0]])
CLASS = np.array([1, 2, 2, 1, 7])
PSI = np.array([0.0, 90.0, 30.0, -60.0, 10.0])
PICK = np.array([[300, 400], [500, 500], [600, 200], [100, 900], [700, 700]], float)
HAND_CENTRES = np.array([[4.25, -2.5], [-3.0, 5.0]])


def blobs(centres, n=BOX):
    y, x = np.indices((n, n)) - n // 2
    return np.array([np.exp(-((x - a) ** 2 + (y - b) ** 2) / 40) for a, b in centres], np.float32)


@pytest.fixture
def project(tmp_path):
    """Two classes of RELION; member 4 has a class without average; the particle images show the blob displaced."""
    with StackWriter(tmp_path / "classes.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(blobs(CENTRES))
    a = np.radians(PSI)
    c = CENTRES[np.minimum(CLASS, 2) - 1]
    turned = np.c_[np.cos(a) * c[:, 0] + np.sin(a) * c[:, 1], np.cos(a) * c[:, 1] - np.sin(a) * c[:, 0]]
    with StackWriter(tmp_path / "p.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(blobs(turned))
    with StackWriter(tmp_path / "m0.mrc", (SIZE, SIZE), MIC_PIXEL) as writer:
        writer.append(np.zeros((1, SIZE, SIZE), np.float32))
    table = pd.DataFrame(
        {
            "rlnCoordinateX": [f"{v:.1f}" for v in PICK[:, 0]],
            "rlnCoordinateY": [f"{v:.1f}" for v in PICK[:, 1]],
            "rlnImageName": [f"{i + 1:06d}@p.mrcs" for i in range(5)],
            "rlnMicrographName": ["m0.mrc"] * 5,
            "rlnClassNumber": [str(v) for v in CLASS],
            "rlnAnglePsi": [f"{v:.3f}" for v in PSI],
            "rlnOriginXAngst": ["0.0"] * 5,
            "rlnOriginYAngst": ["0.0"] * 5,
            "rlnDefocusU": ["12000.0"] * 5,
            "emvOdd": ["a b", "1e-3", "0007", "-0", "None"],
            "rlnOpticsGroup": ["1"] * 5,
        }
    )
    optics = pd.DataFrame(
        {"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnMicrographPixelSize": ["1.5"],
         "rlnImageSize": ["48"], "rlnVoltage": ["300.0"], "rlnSphericalAberration": ["2.7"],
         "rlnAmplitudeContrast": ["0.1"]}
    )  # fmt: skip
    star.write_star(tmp_path / "particles.star", {"optics": optics, "particles": table})
    params = validated(
        CenterParams,
        {"classes": tmp_path / "classes.mrcs", "particles": tmp_path / "particles.star", "report": "none"},
    )
    drain(run_job(SPEC, params, tmp_path / "out"))
    return tmp_path


@pytest.fixture
def opened(project, monkeypatch):
    monkeypatch.chdir("/")
    result = read_result(project / "out")
    said: list[str] = []
    return result, open_again(result, said.append)


def by_hand(result, alone=(False, False)):
    return ClassCentres(HAND_CENTRES, np.zeros(2), np.ones(2), ["hand"] * 2, np.array(alone))


def expected(alone=(False, False)):
    a = np.radians(PSI)
    c = np.where(np.array([*alone, True])[np.minimum(CLASS, 3) - 1][:, None], 0, HAND_CENTRES[np.minimum(CLASS, 2) - 1])
    way = np.c_[np.cos(a) * c[:, 0] + np.sin(a) * c[:, 1], np.cos(a) * c[:, 1] - np.sin(a) * c[:, 0]]
    return PICK + way * PIXEL / MIC_PIXEL


def places(members):
    return members.coordinate_px - members.origin_A / members.micrograph_pixel()[:, None]


def test_a_result_is_read_with_what_the_job_found(opened):
    result, inputs = opened
    np.testing.assert_allclose(result.found.offset_px, CENTRES, atol=0.15)
    assert result.numbers.tolist() == [1, 2]
    assert result.n_members.tolist() == [2, 2]
    assert (inputs.form, len(inputs.members)) == ("relion", 5)
    assert inputs.members.micrograph_shape.tolist() == [[SIZE, SIZE]]
    assert [p.name for p in inputs.members.micrograph_path] == ["m0.mrc"]
    again = carry(inputs.classes, inputs.pixel_size_A, result.found, inputs.members)
    np.testing.assert_allclose(
        np.hypot(*again.moved_px.T).mean(), json.loads((result.folder / "summary.json").read_text())[
            "mean_displacement_px"], rtol=1e-5
    )  # fmt: skip


@pytest.mark.parametrize("alone", [(False, False), (False, True)])
@pytest.mark.parametrize("store", ["both", "alignment", "coordinates"])
def test_hand_centres_reach_every_form(opened, tmp_path, store, alone):
    result, inputs = opened
    centres = by_hand(result, alone)
    relion, cs = tmp_path / "saved.star", tmp_path / "saved.cs"
    for path in (relion, cs):
        assert save(result, inputs, centres, path, store=store) == [path]
    given, table = star.read_star(result.params.particles), star.read_star(relion)
    kept = [c for c in given["particles"] if not c.startswith(("rlnOrigin", "rlnCoordinate"))]
    pd.testing.assert_frame_equal(table["particles"][kept], given["particles"][kept])
    read = center_relion.read(relion, None, 0.0)
    np.testing.assert_allclose(places(read), expected(alone), atol=2e-6)
    rows = cryosparc.read_cs(cs)
    assert len(set(rows["uid"].tolist())) == 5
    np.testing.assert_allclose(rows["ctf/df1_A"], 12000)
    if store != "alignment":
        from_cs = center_cryosparc.read(cs, None, None, 0.0)
        np.testing.assert_allclose(places(from_cs), expected(alone), atol=2e-4)
        np.testing.assert_array_equal(from_cs.class_number[:4] + 1, CLASS[:4])


def test_cryosparc_members_become_a_relion_table(opened, tmp_path):
    result, inputs = opened
    cs = tmp_path / "all.cs"
    save(result, inputs, by_hand(result, (True, True)), cs)
    classes = tmp_path / "classes.mrcs"
    with StackWriter(classes, (BOX, BOX), PIXEL) as writer:
        writer.append(blobs(CENTRES))
    params = validated(CenterParams, {"classes": classes, "particles": cs, "report": "none"})
    drain(run_job(SPEC, params, tmp_path / "cs_out"))
    other = read_result(tmp_path / "cs_out")
    saved = tmp_path / "from_cs.star"
    save(other, open_again(other, lambda _: None), by_hand(other), saved)
    blocks = star.read_star(saved)
    table, read = blocks["particles"], center_relion.read(saved, None, 0.0)
    np.testing.assert_allclose(places(read)[:4], expected()[:4], atol=2e-3)
    assert table["rlnImageName"].tolist() == [f"{i + 1:06d}@p.mrcs" for i in range(5)]
    assert table["rlnClassNumber"].tolist()[:4] == [str(v) for v in CLASS[:4]]
    assert blocks["optics"][["rlnVoltage", "rlnImagePixelSize", "rlnMicrographPixelSize"]].to_numpy().tolist() == [
        ["300.000000", "3.000000", "1.500000"]
    ]


def test_coordinates_and_class_averages_are_saved_as_they_stand(opened, tmp_path):
    result, inputs = opened
    folder = tmp_path / "picks"
    assert save(result, inputs, by_hand(result), folder) == [folder]
    (only,) = folder.iterdir()
    table = next(iter(star.read_star(only).values()))
    found = np.c_[star.numbers(table, "rlnCoordinateX"), star.numbers(table, "rlnCoordinateY")]
    np.testing.assert_allclose(found, expected(), atol=6e-4)
    with pytest.raises(EmviewerError, match="not empty"):
        save(result, inputs, by_hand(result), folder)
    stack, sheet = save(result, inputs, by_hand(result, (False, True)), tmp_path / "moved.mrcs")
    images = read_stack(stack)[:]
    np.testing.assert_allclose(images[0], blobs(CENTRES[:1] - HAND_CENTRES[:1])[0], atol=2e-3)
    np.testing.assert_array_equal(images[1], read_stack(result.params.classes)[1])
    assert star.numbers(star.read_star(sheet)["classes"], "shift_x_A").tolist() == [-12.75, 0.0]


def test_members_are_shown_as_their_class_lies(opened):
    result, inputs = opened
    moved = carry(inputs.classes, inputs.pixel_size_A, ClassCentres(
        CENTRES, np.zeros(2), np.ones(2), ["hand"] * 2, np.zeros(2, bool)), inputs.members)  # fmt: skip
    before, after = member_images(result, inputs, moved, np.arange(4))
    np.testing.assert_allclose(before, blobs(CENTRES[CLASS[:4] - 1]), atol=0.02)
    np.testing.assert_allclose(after, blobs(np.zeros((4, 2))), atol=0.02)


def test_one_class_is_estimated_anew(opened):
    result, inputs = opened
    for method in ("mass", "mirror", "xmipp"):
        found = estimate(result, inputs, method, np.array([1]))
        assert len(found.confidence) == 1
        np.testing.assert_allclose(found.offset_px[0], CENTRES[1], atol=0.8 if method == "xmipp" else 0.15)
    with pytest.raises(EmviewerError, match="map"):
        estimate(result, inputs, "reprojection", np.array([1]))


def test_what_cannot_be_saved_is_said(opened, project, tmp_path):
    result, inputs = opened
    with pytest.raises(EmviewerError, match="overwrite"):
        save(result, inputs, result.found, project / "particles.star")
    with pytest.raises(EmviewerError, match="Xmipp"):
        save(result, inputs, result.found, tmp_path / "x.xmd")
    with pytest.raises(EmviewerError, match="pdf"):
        save(result, inputs, result.found, tmp_path / "x.pdf")
    inputs.members.micrograph_shape[:] = np.nan
    with pytest.raises(EmviewerError, match="fractions"):
        save(result, inputs, result.found, tmp_path / "x.cs")
    assert not (tmp_path / "x.cs").exists()
    (project / "particles.star").unlink()
    with pytest.raises(EmviewerError, match="particles"):
        open_again(result, lambda _: None)


def numbers_of(path, **more):
    params = validated(CenterParams, {"classes": path, "report": "none", **more})
    return open_classes(params, lambda _: None).numbers.tolist()


def test_every_program_numbers_its_classes_in_its_own_way(tmp_path):
    """RELION by the place in the stack, also where a table names only some; cryoSPARC from 0; Xmipp by ref."""
    with StackWriter(tmp_path / "c.mrcs", (BOX, BOX), PIXEL) as writer:
        writer.append(blobs([(0, 0), (1, 2), (3, 1)]))
    names = ["000003@c.mrcs", "000001@c.mrcs"]
    model = {"rlnReferenceImage": names, "rlnClassDistribution": ["0.5", "0.5"]}
    for name, block in (("selected.star", ""), ("run_model.star", "model_classes")):
        star.write_star(tmp_path / name, {block: pd.DataFrame(model)})
        assert numbers_of(tmp_path / name) == [3, 1]
    xmd = pd.DataFrame({"ref": ["7", "2"], "image": names, "classCount": ["3", "4"]})
    xmd.attrs = {"loop": True, "comment": "XMIPP_STAR_1 * "}
    star.write_star(tmp_path / "classes.xmd", {"classes": xmd})
    assert numbers_of(tmp_path / "classes.xmd", pixel_size=PIXEL) == [7, 2]
    rows = np.zeros(
        2, [("blob/path", "S20"), ("blob/idx", "<u4"), ("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4")]
    )
    rows["blob/path"], rows["blob/idx"], rows["blob/shape"], rows["blob/psize_A"] = b"c.mrcs", [0, 2], BOX, PIXEL
    cryosparc.write_cs(tmp_path / "class_averages.cs", rows)
    assert numbers_of(tmp_path / "class_averages.cs") == [0, 1]
    assert numbers_of(tmp_path / "c.mrcs") == [1, 2, 3]


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_nothing_that_a_centring_comes_from_is_overwritten(opened, project):
    """Inputs, the files their tables name, links to them, and the job's own files; also by what is written beside."""
    result, inputs = opened
    (project / "link.mrcs").symlink_to(project / "p.mrcs")
    (project / "particles.mrcs").write_bytes(b"of another project")
    before = contents(project)
    for name in (
        "classes.mrcs", "p.mrcs", "m0.mrc", "link.mrcs", "particles.star", "particles.mrcs", "out/classes.star",
        "out/classes.mrcs", "out/centered_classes.mrcs", "out/particles.star", "out/particles_in_place.star",
    ):  # fmt: skip
        with pytest.raises(EmviewerError, match="overwrite"):
            save(result, inputs, by_hand(result), project / name)
        assert contents(project) == before
    saved = project / "mine.star"
    assert save(result, inputs, by_hand(result), saved) == save(result, inputs, by_hand(result), saved)
    for pdf in ("report.pdf", "job.json"):
        (project / "out" / pdf).write_bytes(b"of the job")
        with pytest.raises(EmviewerError, match="overwrite"):
            save_report(result, inputs, by_hand(result), project / "out" / pdf)


def test_averages_that_a_table_names_and_the_map_stay(project):
    names = ["000001@classes.mrcs", "000002@classes.mrcs"]
    model = {"rlnReferenceImage": names, "rlnClassDistribution": ["0.5", "0.5"]}
    star.write_star(project / "run_model.star", {"model_classes": pd.DataFrame(model)})
    write_map(project / "map.mrcs", Map3D(np.ones((4, 4, 4), np.float32), PIXEL))
    params = validated(CenterParams, {"classes": project / "run_model.star", "pixel_size": PIXEL, "report": "none"})
    drain(run_job(SPEC, params, project / "named"))
    result = read_result(project / "named")
    result.params = result.params.model_copy(update={"map": project / "map.mrcs"})
    inputs = open_again(result, lambda _: None)
    before = contents(project)
    for name in ("classes.mrcs", "map.mrcs", "run_model.mrcs"):  # the last one's sheet is run_model.star
        with pytest.raises(EmviewerError, match="overwrite"):
            save(result, inputs, result.found, project / name)
        assert contents(project) == before


@pytest.fixture
def of_cryosparc(opened, tmp_path):
    """A centring of members of cryoSPARC whose places are in a passthrough file."""
    result, inputs = opened
    save(result, inputs, by_hand(result), tmp_path / "all.cs")
    rows = cryosparc.read_cs(tmp_path / "all.cs")
    place = [f for f in rows.dtype.names if f.startswith("location/")]
    cryosparc.write_cs(tmp_path / "new.cs", rows[[f for f in rows.dtype.names if f not in place]].copy())
    cryosparc.write_cs(tmp_path / "new_passthrough.cs", rows[["uid", *place]].copy())
    given = {"particles": tmp_path / "new.cs", "passthrough": tmp_path / "new_passthrough.cs", "report": "none"}
    drain(run_job(SPEC, validated(CenterParams, {"classes": tmp_path / "classes.mrcs", **given}), tmp_path / "cs"))
    return read_result(tmp_path / "cs")


def test_the_passthrough_is_not_overwritten_by_what_is_written_beside(of_cryosparc, tmp_path):
    inputs = open_again(of_cryosparc, lambda _: None)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/new_passthrough.cs").symlink_to(tmp_path / "new_passthrough.cs")
    for name in ("new.cs", "sub/new.cs", "cs/passthrough.cs"):
        with pytest.raises(EmviewerError, match="overwrite"):
            save(of_cryosparc, inputs, by_hand(of_cryosparc), tmp_path / name)
    saved = [tmp_path / "fine.cs", tmp_path / "fine_passthrough.cs"]
    assert save(of_cryosparc, inputs, by_hand(of_cryosparc), tmp_path / "fine.cs") == saved


def test_places_that_are_unknown_are_not_written_as_zero(of_cryosparc, tmp_path):
    """Members that the passthrough lacks have no coordinates: a RELION table must not put them at 0 or nan."""
    extra = cryosparc.read_cs(tmp_path / "new_passthrough.cs")
    cryosparc.write_cs(tmp_path / "new_passthrough.cs", extra[1:].copy())
    inputs = open_again(of_cryosparc, lambda _: None)
    for store in ("both", "coordinates"):
        with pytest.raises(EmviewerError, match="1 of 5 particles"):
            save(of_cryosparc, inputs, by_hand(of_cryosparc), tmp_path / "x.star", store=store)
    assert not (tmp_path / "x.star").exists()
    save(of_cryosparc, inputs, by_hand(of_cryosparc), tmp_path / "x.star", store="alignment")
    table = star.read_star(tmp_path / "x.star")["particles"]
    assert not {"rlnCoordinateX", "rlnCoordinateY"} & set(table.columns) and "rlnOriginXAngst" in table.columns


def changed_table(project, change):
    blocks = star.read_star(project / "particles.star")
    change(blocks)
    star.write_star(project / "particles.star", blocks)
    result = read_result(project / "out")
    return result, open_again(result, lambda _: None)


def test_the_ctf_of_xmipp_goes_over_with_its_phase_shift_and_no_more_than_is_told():
    table = pd.DataFrame(
        {"ctfDefocusU": ["12000", "13000"], "ctfDefocusAngle": ["30", "40"], "ctfPhaseShift": ["90", "80"]}, dtype="str"
    )
    found = center_convert.ctf_of(SimpleNamespace(source=table), "xmipp")
    assert found.to_dict("list") == {
        "defocus_u_A": [12000, 13000], "defocus_v_A": [12000, 13000], "defocus_angle_deg": [30, 40],
        "phase_shift_deg": [90, 80],
    }  # fmt: skip
    assert center_convert.ctf_of(SimpleNamespace(source=table.drop(columns="ctfDefocusU")), "xmipp") is None


def test_the_box_of_particles_comes_from_their_stack_when_the_table_does_not_tell(project, tmp_path):
    result, inputs = changed_table(project, lambda b: b.update(optics=b["optics"].drop(columns="rlnImageSize")))
    save(result, inputs, by_hand(result), tmp_path / "x.cs")
    assert cryosparc.read_cs(tmp_path / "x.cs")["blob/shape"].tolist() == [[BOX, BOX]] * 5
    (project / "p.mrcs").unlink()
    with pytest.raises(EmviewerError, match="box of the particles is unknown"):
        save(result, inputs, by_hand(result), tmp_path / "y.cs")


def test_members_without_a_class_get_none_of_cryosparcs(project, tmp_path):
    def classless(blocks):
        blocks["particles"]["rlnClassNumber"] = ["0", "2", "2", "1", "-1"]

    result, inputs = changed_table(project, classless)
    save(result, inputs, by_hand(result), tmp_path / "x.cs")
    rows = cryosparc.read_cs(tmp_path / "x.cs")
    assert rows["alignments2D/class"].tolist() == [2, 1, 1, 0, 2]  # there are two averages: 0 and 1
    assert rows["alignments2D/class_posterior"].tolist() == [0, 1, 1, 1, 0]


def test_a_class_is_registered_alone_as_among_all(tmp_path):
    """Junk is told by what the other classes look like, also when it alone is registered anew."""
    rng, n = np.random.default_rng(2), 32
    phantom = phantom_blobs("C1", n)
    write_map(tmp_path / "map.mrc", Map3D(phantom.density(n), 4.0))
    turns = euler_to_matrix(*(rng.uniform(0, 1, (7, 3)) * [360, 180, 360]).T)
    images = phantom.project(turns, n, rng.uniform(-2, 2, (7, 2)))
    images /= images.std(axis=(1, 2))[:, None, None]
    y, x = np.indices((n, n)) - n // 2
    junk = 4 * np.exp(-((x - 2) ** 2 + (y + 1) ** 2) / 50)
    with StackWriter(tmp_path / "c.mrcs", (n, n), 4.0) as writer:
        writer.append((np.r_[images, junk[None]] + rng.normal(scale=0.05, size=(8, n, n))).astype(np.float32))
    options = {"classes": tmp_path / "c.mrcs", "map": tmp_path / "map.mrc", "method": "reprojection", "report": "none"}
    drain(run_job(SPEC, validated(CenterParams, options), tmp_path / "out"))
    result = read_result(tmp_path / "out")
    rows = np.array([7, 2])
    again = estimate(result, open_again(result, lambda _: None), "reprojection", rows)
    np.testing.assert_allclose(again.confidence, [0.0, 1.0], atol=0.02)
    np.testing.assert_allclose(again.confidence, result.found.confidence[rows], atol=1e-5)
    np.testing.assert_allclose(again.offset_px, result.found.offset_px[rows], atol=1e-4)
