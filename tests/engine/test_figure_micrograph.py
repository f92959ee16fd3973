"""Figures of micrographs: boxes, arrows and picture stand where they should on paper, whole or in part."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from emviewer.engine import figure, mrc
from emviewer.engine.errors import FileError, ParameterError

WIDTH, HEIGHT, MM, DPI = 300, 200, 100.0, 254  # a tenth of a millimetre a dot
BODY = MM - 6.0
SKY, ORANGE = (0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00)


@pytest.fixture
def folder(tmp_path):
    """A micrograph with a bright lower right quarter."""
    image = np.zeros((HEIGHT, WIDTH), np.float32)
    image[100:, 150:] = 1.0
    with mrc.StackWriter(tmp_path / "m.mrc", image.shape, 2.0) as writer:
        writer.append(image[None])
    return tmp_path


def spec(**more):
    return {"kind": "micrograph", "picture": "m.mrc", "size": [WIDTH, HEIGHT], "width_mm": MM, "dpi": DPI,
            "contrast": {"low": 0, "high": 1}, "box_px": 40, "pixel_size_A": 2.0} | more  # fmt: skip


def drawn(folder, **more):
    figure.render(spec(**more), folder / "f.png", folder)
    with Image.open(folder / "f.png") as image:
        return np.asarray(image.convert("RGB")).astype(int)


def dot(x, y, crop=(0, 0, WIDTH)):
    """The dot of the picture at which a pixel of the micrograph begins."""
    scale = BODY / crop[2] * 10
    return round(30 + (x - crop[0]) * scale), round(30 + (y - crop[1]) * scale)


def near(pixels, x, y, colour, reach=3):
    part = pixels[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3)
    return (np.abs(part - colour).sum(axis=1) < 60).any()


def test_the_first_row_is_on_top_and_boxes_are_where_extraction_takes_them(folder):
    pixels = drawn(folder, before=[[200, 60]], after=[[220, 70]])
    x, y = dot(280, 150)
    assert pixels[y, x].tolist() == [255, 255, 255]
    x, y = dot(280, 40)
    assert pixels[y, x].tolist() == [0, 0, 0]
    for corner in ((180, 40), (220, 80), (180, 80)):
        assert near(pixels, *dot(*corner), SKY)
    for corner in ((200, 50), (240, 90)):
        assert near(pixels, *dot(*corner), ORANGE)
    assert not near(pixels, *dot(180, 60 + 60), SKY)


def test_a_part_is_cut_out_with_its_boxes(folder):
    crop = (100.0, 50.0, 100.0, 100.0)
    pixels = drawn(folder, crop=crop, before=[[160, 80], [30, 30]])
    x, y = dot(180, 120, crop)
    assert pixels[y, x].min() > 240
    x, y = dot(140, 120, crop)
    assert pixels[y, x].max() < 15
    assert near(pixels, *dot(140, 60, crop), SKY)
    beyond = pixels[: dot(0, 50, crop)[1] - 4]  # nothing is drawn outside of the frame
    assert not (np.abs(beyond - SKY).sum(axis=2) < 60).any()


def test_upside_down_turns_the_picture_and_not_the_boxes(folder):
    pixels = drawn(folder, upside_down=True, before=[[200, 60]])
    x, y = dot(280, 40)
    assert pixels[y, x].tolist() == [255, 255, 255]
    assert near(pixels, *dot(180, 40), SKY)


def test_arrows_are_drawn_so_many_times_longer(folder):
    for times, there in ((1.0, False), (5.0, True)):
        pixels = drawn(folder, before=[[100, 60]], after=[[110, 60]], arrows=times, box_px=8)
        assert near(pixels, *dot(140, 60.5), (255, 255, 255), reach=1) == there


def test_own_colours_circles_and_crosses(folder):
    more = {"before": [[60, 60], [200, 60]], "colours": ["#ff0000", "#00ff00"], "circles": True, "outside": [1]}
    pixels = drawn(folder, **more)
    assert near(pixels, *dot(40, 60), (255, 0, 0))
    assert not near(pixels, *dot(40, 40), (255, 0, 0))
    assert near(pixels, *dot(180, 60), (0, 255, 0))
    assert near(pixels, *dot(190, 50), (0xE0, 0x40, 0x2F))


def test_words_stay_words_in_svg(folder):
    more = {"before": [[60, 60]], "after": [[64, 60]], "arrows": 10.0, "title": "m.mrc",
            "words": ["picked", "aligned"], "scale": ["shift (px)", 0.0, 12.5], "colours": ["#112233"]}  # fmt: skip
    figure.render(spec(**more), folder / "f.svg", folder)
    text = (folder / "f.svg").read_text()
    for words in ("picked", "aligned", "shift, drawn 10 times longer", "shift (px)", "12.5", "100 Å", "m.mrc"):
        assert f">{words}</text>" in text
    assert text.count("stroke: #112233") == 2


def test_a_key_names_colours_in_as_many_lines_as_it_takes(folder):
    few = drawn(folder, before=[[60, 60]], colours=["#123456"], key=[["#123456", "class 7 (1)"]])
    many = drawn(folder, before=[[60, 60]], colours=["#123456"], key=[["#aa0000", f"class {i} (1)"] for i in range(12)])
    assert (np.abs(few[-120:] - (0x12, 0x34, 0x56)).sum(axis=2) < 10).sum() > 300
    assert len(many) >= len(few) + 2 * 44
    right = np.flatnonzero((np.abs(many - (0xAA, 0, 0)).sum(axis=2) < 10).any(axis=0)).max()
    assert right < many.shape[1] - 30


def test_boxes_without_a_picture_stand_on_grey(folder):
    pixels = drawn(folder, picture=None, before=[[200, 60]])
    x, y = dot(280, 150)
    assert pixels[y, x].tolist() == [64, 64, 64]
    assert near(pixels, *dot(180, 40), SKY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"after": [[1, 2]], "before": [[1, 2], [3, 4]]}, "one value a particle"),
        ({"before": [[1, 2]], "colours": ["red"]}, "colours"),
        ({"before": [[1, 2]], "outside": [1]}, "not there"),
        ({"crop": [0, 0, 0, 5]}, "size of at least one pixel"),
        ({"size": None}, "size"),
    ],
)
def test_a_wrong_spec_is_one_sentence(folder, wrong, said):
    with pytest.raises(ParameterError, match=said):
        figure.render(spec(**wrong), folder / "f.png", folder)


def test_a_missing_picture_is_one_sentence(folder):
    with pytest.raises(FileError, match="no such file"):
        figure.render(spec(picture="gone.mrc"), folder / "f.png", folder)
