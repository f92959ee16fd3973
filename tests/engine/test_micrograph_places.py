"""Places of particles in micrographs: out of every program's tables, grouped, summed up, written, and really there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import cryosparc, star
from emviewer.engine.errors import DataError, OutputError, ParameterError
from emviewer.engine.files_unused import each_its_own
from emviewer.engine.jobs import center_relion
from emviewer.engine.micrograph import open_micrograph
from emviewer.engine.micrograph_picks import Picks, box_corner, common_way
from emviewer.engine.micrograph_save import write_all_places, write_places
from emviewer.engine.micrograph_tables import has_places, read_picks, with_passthrough
from emviewer.engine.mrc import read_stack
from emviewer.engine.star_images import RelionTable
from emviewer.engine.task import Cancelled

PLACE = np.array([[30.0, 40.0], [500.5, 60.0], [90.0, 700.0], [10.0, 20.0]])
ORIGIN_A = np.array([[6.0, -3.0], [0.0, 0.0], [1.5, 4.5], [-3.0, 0.0]])
NAMES = ["Mics/b.mrc", "Mics/a.mrc", "Mics/b.mrc", "Mics/b.mrc"]


def relion(**more):
    table = {f"rlnCoordinate{a}": [f"{v:.2f}" for v in PLACE[:, i]] for i, a in enumerate("XY")}
    table |= {"rlnMicrographName": NAMES, "rlnClassNumber": ["3", "1", "3", "0"]}
    return pd.DataFrame(table | more, dtype="str")


def origins(unit=1.0, suffix=""):
    return {f"rlnOrigin{a}{suffix}": [f"{v / unit:.4f}" for v in ORIGIN_A[:, i]] for i, a in enumerate("XY")}


def optics(**more):
    return pd.DataFrame({"rlnOpticsGroup": ["1"], "rlnImagePixelSize": ["3.0"], "rlnImageSize": ["64"]} | more)


def test_relion_particles_stand_at_pick_minus_origin_in_micrograph_pixels():
    table = relion(rlnOpticsGroup=["1"] * 4, **origins(suffix="Angst"))
    picks = read_picks(table, optics(rlnMicrographPixelSize=["1.5"]))
    assert list(picks.names) == ["Mics/b.mrc", "Mics/a.mrc"]
    np.testing.assert_array_equal(picks.micrograph, [0, 1, 0, 0])
    np.testing.assert_allclose(picks.before_px, PLACE)
    np.testing.assert_allclose(picks.after_px, PLACE - ORIGIN_A / 1.5)
    np.testing.assert_array_equal(picks.class_number, [3, 1, 3, -1])
    assert picks.box_A == 64 * 3.0
    np.testing.assert_array_equal(picks.on(0), [0, 2, 3])
    np.testing.assert_array_equal(picks.counts, [3, 1])
    lengths = np.hypot(*(ORIGIN_A / 1.5).T)
    np.testing.assert_allclose(picks.mean_length_px, [lengths[[0, 2, 3]].mean(), 0.0])


def test_old_relion_tables_count_origins_in_image_pixels():
    table = relion(**origins(unit=3.0), rlnDetectorPixelSize=["3.0"] * 4, rlnMagnification=["10000"] * 4)
    picks = read_picks(table, header_A=1.5)
    np.testing.assert_allclose(picks.after_px, PLACE - ORIGIN_A / 1.5, atol=1e-3)
    without = read_picks(table)
    np.testing.assert_allclose(without.after_px, PLACE - ORIGIN_A / 3.0, atol=1e-3)
    assert "particle images" in without.notes[0]


def test_the_header_goes_before_the_movies_pixel_size_and_the_tables_own_before_the_header():
    table = relion(rlnOpticsGroup=["1"] * 4)
    movie = optics(rlnMicrographOriginalPixelSize=["0.75"])
    assert read_picks(table, movie).pixel_A.tolist() == [0.75, 0.75]
    assert read_picks(table, movie, header_A=1.5).pixel_A.tolist() == [1.5, 1.5]
    assert read_picks(table, optics(rlnMicrographPixelSize=["1.4"]), header_A=1.5).pixel_A.tolist() == [1.4, 1.4]


def test_centred_tables_keep_those_at_their_pick_that_were_left_alone():
    table = relion(
        rlnOpticsGroup=["1"] * 4, **origins(suffix="Angst"), emvOutOfBounds=["0", "0", "0", "1"],
        emvCentering=["centred", "centred", "class left alone", "centred"],
    )  # fmt: skip
    picks = read_picks(table, optics(rlnMicrographPixelSize=["1.5"]))
    np.testing.assert_allclose(picks.after_px[2], PLACE[2])
    np.testing.assert_allclose(picks.after_px[0], PLACE[0] - ORIGIN_A[0] / 1.5)
    np.testing.assert_array_equal(picks.outside, [False, False, False, True])
    np.testing.assert_array_equal(picks.n_outside, [1, 0])


def test_particles_without_shifts_have_only_one_place():
    picks = read_picks(relion())
    assert picks.after_px is None
    assert not picks.way_px.any()
    assert read_picks(relion(**{n: ["0.0"] * 4 for n in ("rlnOriginXAngst", "rlnOriginYAngst")})).after_px is None


def test_micrographs_are_told_from_the_stacks_of_old_tables():
    names = ["000001@Extract/job007/Mics/b.mrcs", "1@Extract/job007/Mics/a.mrcs"] * 2
    table = relion(rlnImageName=names).drop(columns="rlnMicrographName")
    assert list(read_picks(table).names) == ["b.mrc", "a.mrc"]


def cryosparc_rows():
    n = len(PLACE)
    fields = [("uid", "<u8"), ("blob/psize_A", "<f4"), ("blob/shape", "<u4", (2,)), ("alignments2D/class", "<u4"),
              ("alignments2D/shift", "<f4", (2,)), ("alignments2D/psize_A", "<f4")]  # fmt: skip
    rows = np.zeros(n, fields)
    rows["uid"], rows["blob/psize_A"], rows["blob/shape"] = np.arange(n) + 7, 3.0, 64
    rows["alignments2D/shift"], rows["alignments2D/psize_A"] = ORIGIN_A / 6.0, 6.0
    rows["alignments2D/class"] = [2, 0, 2, 1]
    where = [("micrograph_path", "S30"), ("micrograph_shape", "<u4", (2,)), ("micrograph_psize_A", "<f4"),
             ("center_x_frac", "<f4"), ("center_y_frac", "<f4")]  # fmt: skip
    places = np.zeros(n, [("uid", "<u8"), *((f"location/{name}", *kind) for name, *kind in where)])
    order = np.array([2, 0, 3, 1])
    places["uid"] = rows["uid"][order]
    places["location/micrograph_path"] = [b">" + NAMES[i].encode() for i in order]
    places["location/micrograph_shape"], places["location/micrograph_psize_A"] = (800, 1000), 1.5
    places["location/center_x_frac"], places["location/center_y_frac"] = (PLACE[order] / (1000, 800)).T
    return rows, places


def test_cryosparc_fractions_are_of_width_and_height_and_come_from_the_passthrough(tmp_path):
    rows, places = cryosparc_rows()
    cryosparc.write_cs(tmp_path / "J5_particles.cs", rows)
    cryosparc.write_cs(tmp_path / "J5_passthrough_particles.cs", places)
    other = places.copy()
    other["uid"] += 100
    cryosparc.write_cs(tmp_path / "A_passthrough_particles_other.cs", other)
    table = cryosparc.to_table(rows)
    assert not has_places(table)
    joined, found = with_passthrough(rows, table, tmp_path / "J5_particles.cs")
    assert found == tmp_path / "J5_passthrough_particles.cs"
    assert has_places(joined)
    picks = read_picks(joined)
    np.testing.assert_allclose(picks.before_px, PLACE, atol=1e-3)
    np.testing.assert_allclose(picks.after_px, PLACE - ORIGIN_A / 1.5, atol=1e-3)
    np.testing.assert_array_equal(picks.class_number, [2, 0, 2, 1])
    assert [picks.names[i] for i in picks.micrograph] == NAMES
    assert picks.canvas_px(0) == (1000, 800, True)
    assert picks.box_A == 64 * 3.0


def test_a_passthrough_of_another_job_is_not_taken(tmp_path):
    rows, places = cryosparc_rows()
    places["uid"] += 100
    cryosparc.write_cs(tmp_path / "passthrough.cs", places)
    table = cryosparc.to_table(rows)
    joined, found = with_passthrough(rows, table, tmp_path / "p.cs")
    assert found is None
    assert joined is table
    with pytest.raises(DataError, match="no places"):
        read_picks(joined)


def test_rows_that_name_no_micrograph_leave_the_last_one_as_it_is():
    rows, places = cryosparc_rows()
    joined = cryosparc.to_table(cryosparc.join(rows, places))
    joined["location/micrograph_path"] = [NAMES[0], None, NAMES[1], None]
    joined["location/micrograph_psize_A"] = [1.0, 2.0, 3.0, 4.0]
    picks = read_picks(joined)
    assert picks.micrograph.tolist() == [0, -1, 1, -1]
    assert picks.pixel_A.tolist() == [1.0, 3.0]
    told = RelionTable(relion(rlnMicrographPixelSize=["1", "2", "3", "4"]))
    assert center_relion._micrograph_pixel(told, picks.micrograph, 2).tolist() == [1.0, 3.0]


def test_xmipp_places_are_pixels():
    table = pd.DataFrame({"xcoor": ["3", "4"], "ycoor": ["5", "6"], "micrograph": ["m.mrc"] * 2, "ref": ["2", "1"]})
    picks = read_picks(table, image_A=2.0)
    np.testing.assert_array_equal(picks.before_px, [[3, 5], [4, 6]])
    np.testing.assert_array_equal(picks.class_number, [2, 1])
    assert picks.pixel_A.tolist() == [2.0]


def test_an_unknown_size_is_deduced_from_all_places():
    picks = read_picks(relion())
    assert picks.canvas_px(0) == (512, 704, False)
    assert picks.canvas_px(1) == (512, 704, False)


def many(offset, n=200, scatter=1.0):
    rng = np.random.default_rng(0)
    before = rng.uniform(0, 4000, (n, 2))
    after = before + rng.normal(scale=scatter, size=(n, 2)) + offset
    none = np.zeros(n, bool)
    return Picks(["a"], np.zeros(n, np.int64), before, after, None, none, np.ones(1), np.full((1, 2), np.nan))


def test_picks_that_are_off_as_a_whole_are_told_from_scatter():
    found = common_way(many((6.0, -2.5)).way_px)
    assert found.clear
    assert (found.x, found.y) == pytest.approx((6.0, -2.5), abs=0.3)
    assert not common_way(many((0.0, 0.0), scatter=8.0).way_px).clear
    assert not common_way(many((0.5, 0.5)).way_px).clear  # sure, but of no consequence
    assert not common_way(many((9.0, 0.0), n=10).way_px).clear
    assert common_way(np.zeros((50, 2))).n == 0


def test_places_are_written_for_every_program(tmp_path):
    place = np.array([[30.25, 40.0], [np.nan, 1.0], [499.5, 61.5]])
    write_places(tmp_path / "a.star", place, 64, np.array([3, 2, 1]))
    table = next(iter(star.read_star(tmp_path / "a.star").values()))
    np.testing.assert_allclose(star.numbers(table, "rlnCoordinateX"), [30.25, 499.5])
    np.testing.assert_array_equal(star.numbers(table, "rlnClassNumber"), [3, 1])
    write_places(tmp_path / "a.box", place, 64)
    np.testing.assert_array_equal(np.loadtxt(tmp_path / "a.box"), [[-2, 8, 64, 64], [468, 30, 64, 64]])
    write_places(tmp_path / "a.coord", place, 0)
    np.testing.assert_allclose(np.loadtxt(tmp_path / "a.coord"), [[30.25, 40.0], [499.5, 61.5]])
    with pytest.raises(ParameterError, match="edge of the boxes"):
        write_places(tmp_path / "b.box", place, 0)
    with pytest.raises(ParameterError, match=r"\.json"):
        write_places(tmp_path / "b.json", place, 64)
    assert not list(tmp_path.glob(".*"))


def same_names():
    table = relion(rlnMicrographName=["x/a.mrc", "y/a.mrc", "x/a_2.mrc", "y/A.mrc"])
    return read_picks(table, optics(), image_A=3.0)


def test_micrographs_of_the_same_name_get_files_of_their_own(tmp_path):
    assert write_all_places(tmp_path / "all", ".coord", same_names(), 64) == 4
    found = {path.name: np.loadtxt(path).tolist() for path in (tmp_path / "all").iterdir()}
    assert found == dict(zip(["a.coord", "a_3.coord", "a_2.coord", "A_4.coord"], PLACE.tolist(), strict=True))
    names = each_its_own(["a", "a", "a_2", "a", "A", "a_2"])
    assert names == ["a", "a_3", "a_2", "a_4", "A_5", "a_2_2"]


def test_files_that_are_there_are_never_overwritten(tmp_path):
    (tmp_path / "a_2.coord").write_text("picked by hand")
    with pytest.raises(OutputError, match=r"^a_2\.coord would be overwritten"):
        write_all_places(tmp_path, ".coord", same_names(), 64)
    assert [path.name for path in tmp_path.iterdir()] == ["a_2.coord"]
    assert (tmp_path / "a_2.coord").read_text() == "picked by hand"


def test_saving_that_is_cancelled_leaves_no_files(tmp_path):
    table = relion()
    table = pd.concat([table.assign(rlnMicrographName=f"{i}.mrc") for i in range(60)], ignore_index=True)
    asked = []

    def check():
        asked.append(len(list(tmp_path.iterdir())))
        if len(asked) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_all_places(tmp_path, ".coord", read_picks(table), 64, check=check)
    assert asked == [0, 50]
    assert not list(tmp_path.iterdir())


def test_boxes_lie_where_the_particles_were_extracted(shared_data):
    """The particles of the simulated set were cut from its micrographs: their boxes must hold the very same pixels."""
    home = shared_data / "sim_t20s_relion_class2d"
    blocks = star.read_star(home / "Class2D/job010/run_it025_data.star")
    picks = read_picks(blocks["particles"], blocks["optics"])
    stack = read_stack(home / "Particles/particles.mrcs")
    rows = open_micrograph(home / picks.names[1]).rows
    n, seen = stack.shape[0], 0
    for position in picks.on(1)[:12]:
        x, y = (box_corner(v, n) for v in picks.before_px[position])
        if min(x, y) < 0 or max(x, y) + n > min(rows.shape):
            continue
        cut, particle = rows[y : y + n, x : x + n].astype(float), stack[int(position)]
        assert abs(np.corrcoef(cut.ravel(), particle.ravel())[0, 1]) > 0.99
        upside = rows[::-1][y : y + n, x : x + n].astype(float)
        assert abs(np.corrcoef(upside.ravel(), particle.ravel())[0, 1]) < 0.6
        seen += 1
    assert seen >= 6
