import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emviewer.engine import figure, mrc
from emviewer.engine.errors import DataError, EmviewerError, FileError, ParameterError
from emviewer.engine.figure_gallery import columns_for
from emviewer.engine.figure_lengths import length_text, round_length
from emviewer.engine.figure_page import limits, painted
from emviewer.engine.figure_spec import ContrastSpec, parse


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six tiles of known grey, a small map, and a table."""
    place = tmp_path_factory.mktemp("figure")
    tiles = np.repeat(np.arange(6, dtype=np.float32), 32 * 32).reshape(6, 32, 32)
    with mrc.StackWriter(place / "tiles.mrcs", (32, 32), 2.5) as writer:
        writer.append(tiles)
    volume = np.zeros((20, 24, 28), np.float32)
    volume[5:9, 6:8, 3:20] = 1.0
    mrc.write_map(place / "map.mrc", volume, 2.0)
    rows = "\n".join(f"{i + 1:06d}@tiles.mrcs {10 * i}.0 45.000 0.0 1" for i in range(6))
    (place / "tiles.star").write_text(
        "data_optics\n\nloop_\n_rlnOpticsGroup\n_rlnImagePixelSize\n_rlnImageSize\n1 2.5 32\n\n"
        "data_particles\n\nloop_\n_rlnImageName\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n_rlnOpticsGroup\n"
        + rows + "\n"
    )  # fmt: skip
    return place


def gallery(**more):
    return {"kind": "gallery", "stack": "tiles.mrcs", "width_mm": 85, "dpi": 300, **more}


def test_a_png_has_its_width_in_millimetres_and_its_spec_inside(folder, tmp_path):
    spec = gallery(title="Six tiles", contrast={"low": 0, "high": 5})
    figure.render(spec, tmp_path / "f.png", base=folder)
    with Image.open(tmp_path / "f.png") as image:
        assert image.width == pytest.approx(85 / 25.4 * 300, abs=1)
        assert image.info["dpi"][0] == pytest.approx(300, abs=0.1)
        assert json.loads(image.text["Description"]) == spec
        assert image.text["Title"] == "Six tiles"


def test_tiles_stand_where_they_should_in_their_grey(folder, tmp_path):
    figure.render(gallery(columns=3, contrast={"low": 0, "high": 5}, scale_bar=False), tmp_path / "f.png", base=folder)
    with Image.open(tmp_path / "f.png") as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    width = pixels.shape[1]
    margin, gap = 3 / 85 * width, 0.8 / 85 * width
    tile = (width - 2 * margin - 2 * gap) / 3
    for i in range(6):
        x, y = margin + (i % 3) * (tile + gap) + tile / 2, margin + (i // 3) * (tile + gap) + tile / 2
        assert pixels[int(y), int(x)] == pytest.approx(51 * i, abs=1)
    assert pixels[0, 0] == 255


def test_the_scale_bar_has_the_length_it_says(folder, tmp_path):
    figure.render(gallery(columns=2, rows=[5, 5], contrast={"low": 0, "high": 5}), tmp_path / "f.png", base=folder)
    with Image.open(tmp_path / "f.png") as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    tile_mm = (85 - 6 - 0.8) / 2
    wanted = 20.0 / (32 * 2.5) * tile_mm / 85 * pixels.shape[1]  # 20 Å of a tile 80 Å wide
    dark = pixels[int(pixels.shape[0] * 0.8) :] < 100
    longest = max(len(run) for row in dark for run in re.findall("1+", "".join("01"[int(v)] for v in row)) or [""])
    assert longest == pytest.approx(wanted, abs=2)


@pytest.mark.parametrize("suffix", ["svg", "pdf", "tiff"])
def test_the_other_formats_carry_text_images_and_spec(folder, tmp_path, suffix):
    spec = gallery(title="Six tiles", letter="b", table="tiles.star", captions=["rot_deg", "tilt_deg"])
    del spec["stack"]
    path = tmp_path / f"f.{suffix}"
    figure.render(spec, path, base=folder)
    content = path.read_bytes()
    if suffix == "svg":
        text = content.decode()
        assert ">Six tiles</text>" in text
        assert ">20°</text>" in text  # only rot changes, tilt is said once for all
        assert "tilt 45° in all" in text
        assert text.count("<image ") == 6
        assert "tiles.star" in text
        assert 'width="240.9' in text  # 85 mm in points
    elif suffix == "pdf":
        assert content.count(b"/Subtype /Image") >= 6
        assert b"/Title (Six tiles)" in content
        assert b"tiles.star" in content
    else:
        with Image.open(path) as image:
            assert "tiles.star" in image.tag_v2[270]
            assert round(image.width / image.info["dpi"][0] * 25.4) == 85
    again = tmp_path / f"again.{suffix}"
    figure.render(spec, again, base=folder)
    assert again.read_bytes() == content


def test_cuts_show_the_planes_through_the_position(folder, tmp_path):
    spec = {
        "kind": "slices", "map": "map.mrc", "position": [10, 7, 6], "dpi": 254, "scale_bar": False,
        "contrast": {"low": 0, "high": 1},
    }  # fmt: skip
    figure.render(spec, tmp_path / "s.png", base=folder)
    with Image.open(tmp_path / "s.png") as image:
        pixels = np.asarray(image.convert("L")).astype(int)
    mm = (180 - 6 - 4) / (28 + 28 + 20)
    places = {"XY": (0, 28, 24), "XZ": (28, 28, 20), "YZ": (56, 20, 24)}
    volume = np.zeros((20, 24, 28), bool)
    volume[5:9, 6:8, 3:20] = True
    wanted = {"XY": volume[6], "XZ": volume[:, 7], "YZ": volume[:, :, 10].T}
    for k, (name, (before, across, down)) in enumerate(places.items()):
        x = (3 + before * mm + 2 * k + (np.arange(across) + 0.5) * mm) * 10
        y = (3 + 4 + (np.arange(down) + 0.5) * mm) * 10
        seen = pixels[np.ix_(y.astype(int), x.astype(int))] > 128
        assert np.array_equal(seen, wanted[name]), name


def test_a_projection_can_be_drawn(folder, tmp_path):
    figure.render(
        {"kind": "image", "map": "map.mrc", "angles": [0, 0, 0], "width_mm": 60, "letter": "c"},
        [tmp_path / "i.png", tmp_path / "i.svg"],
        base=folder,
    )
    assert "rot 0°, tilt 0°, psi 0°" in (tmp_path / "i.svg").read_text()
    assert (tmp_path / "i.png").stat().st_size > 1000
    spec = {"kind": "image", "map": "map.mrc", "width_mm": 20, "max_res_A": 30.0}
    figure.render(spec, tmp_path / "soft.png", base=folder)
    figure.render(spec | {"max_res_A": None}, tmp_path / "sharp.png", base=folder)
    steepest = []
    for name in ("soft", "sharp"):
        with Image.open(tmp_path / f"{name}.png") as image:
            steepest.append(np.abs(np.diff(np.asarray(image.convert("L")).astype(int)[40:190, 40:190])).max())
    assert steepest[0] < steepest[1] / 2


@pytest.mark.parametrize(
    ("spec", "error", "said"),
    [
        ({"kind": "pie"}, ParameterError, "no figure of the kind 'pie': choose one of gallery, slices, image, "),
        ({}, ParameterError, "the figure has no kind"),
        ({"kind": "gallery"}, ParameterError, "names no images"),
        (gallery(width_mm="wide"), ParameterError, "width_mm"),
        (gallery(nonsense=1), ParameterError, "nonsense"),
        (gallery(rows=[9]), DataError, "no image 9 among 6"),
        (gallery(stack="none.mrcs"), FileError, "none.mrcs"),
        ({"kind": "slices", "map": "map.mrc", "position": [99, 0, 0]}, ParameterError, "outside the map"),
        ({"kind": "image", "stack": "tiles.mrcs", "row": 6}, DataError, "no image 6"),
    ],
)
def test_a_wrong_spec_is_a_sentence_and_leaves_no_file(folder, tmp_path, spec, error, said):
    with pytest.raises(error) as caught:
        figure.render(spec, tmp_path / "f.png", base=folder)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_suffix_that_is_no_figure_is_refused(folder, tmp_path):
    with pytest.raises(ParameterError, match=r"\.jpg"):
        figure.render(gallery(), tmp_path / "f.jpg", base=folder)


def test_a_spec_file_finds_its_images_beside_it(folder, tmp_path, monkeypatch):
    (folder / "spec.json").write_text(json.dumps(gallery()))
    monkeypatch.chdir(tmp_path)
    figure.render_file(folder / "spec.json", "f.png")
    assert Path("f.png").exists()
    (tmp_path / "bad.json").write_text("[1]")
    for name in ("bad.json", "none.json"):
        with pytest.raises(EmviewerError):
            figure.render_file(tmp_path / name, "g.png")


def test_pages_have_few_empty_places():
    for n in range(1, 200):
        for width in (85, 120, 180):
            columns = columns_for(n, width)
            assert 1 <= columns <= max(2, (width - 6) // 11)
            naive = min(n, (width - 6) // 11, max(math.ceil((width - 6) / 45), math.ceil(math.sqrt(n * 4 / 3))))
            assert -n % columns / columns <= -n % naive / naive, (n, width)


def test_round_lengths_and_their_names():
    assert [round_length(width) for width in (100, 354, 4000, 12)] == [20, 100, 1000, 2]
    for width in np.geomspace(3, 1e6, 200):
        length = round_length(width)
        assert 0.1 < length / width < 0.35
        assert f"{length:.0e}"[0] in "125"
    assert [length_text(v) for v in (50.0, 1000.0, 20000.0)] == ["50 Å", "100 nm", "2 µm"]


def test_grey_runs_from_low_to_high_and_can_be_inverted():
    image = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0, np.nan]], np.float32)
    grey = painted(image, 0.0, 1.0, ContrastSpec())[0, :, 0]
    assert grey.tolist() == [0, 0, 128, 255, 255, 0]
    inverted = painted(image, 0.0, 1.0, ContrastSpec(inverted=True))[0, :, 0]
    assert inverted[:5].tolist() == [255, 255, 127, 0, 0]
    coloured = painted(image, 0.0, 1.0, ContrastSpec(colormap="viridis"))
    assert coloured[0, 0].tolist() != coloured[0, 3].tolist()


def test_limits_are_robust_and_never_equal():
    values = np.linspace(0, 1, 10001, dtype=np.float32).reshape(1, 1, -1)
    assert limits(values, ContrastSpec()) == pytest.approx((0.005, 0.995), abs=1e-3)
    assert limits(np.ones((2, 3, 3), np.float32), ContrastSpec()) == (1.0, 2.0)
    assert limits(values, ContrastSpec(low=-1)) == pytest.approx((-1, 0.995), abs=1e-3)


def test_paths_start_from_the_base(tmp_path):
    spec = parse({"kind": "gallery", "stack": "a/b.mrcs"}, tmp_path)
    assert spec.stack == tmp_path / "a" / "b.mrcs"
    assert parse({"kind": "slices", "map": "phantom:D2"}, tmp_path).map == "phantom:D2"
