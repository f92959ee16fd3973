"""SPIDER files written by hand, and Xmipp tables that name them."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import conventions, spider, xmipp
from emviewer.engine.errors import FileError

RNG = np.random.default_rng(2)


def head(shape, form, order="<", images=0, pixel=0.0):
    nz, ny, nx = shape
    records = -(-1024 // (4 * nx))
    words = np.zeros(records * nx, order + "f4")
    words[[0, 1, 4, 11, 12, 21, 22]] = nz, ny, form, nx, records, records * nx * 4, nx * 4
    words[23], words[25], words[37] = (2 if images else 0), images, pixel
    return words.tobytes()


def volume_file(data, order="<", pixel=0.0):
    return head(data.shape, 3, order, pixel=pixel) + data.astype(order + "f4").tobytes()


def stack_file(data, order="<"):
    n, ny, nx = data.shape
    one = head((1, ny, nx), 1, order)
    return head((1, ny, nx), 1, order, n) + b"".join(one + image.astype(order + "f4").tobytes() for image in data)


@pytest.mark.parametrize("order", "<>")
def test_volumes_in_both_byte_orders(tmp_path, order):
    data = RNG.normal(size=(4, 5, 6)).astype(np.float32)
    (tmp_path / "a.vol").write_bytes(volume_file(data, order, 2.2))
    got = spider.read_map(tmp_path / "a.vol")
    np.testing.assert_array_equal(got.data, data)
    assert got.data.dtype == np.float32 and got.pixel_size_A == pytest.approx(2.2) and got.pixel_size_known
    assert spider.read_map(tmp_path / "a.vol", 3.0).pixel_size_A == 3


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("width", [5, 64, 300])
def test_stacks_have_a_header_for_each_image(tmp_path, order, width):
    data = RNG.normal(size=(7, 4, width)).astype(np.float32)
    (tmp_path / "a.stk").write_bytes(stack_file(data, order))
    got = spider.read_stack(tmp_path / "a.stk")
    assert got.n == 7 and got.shape == (4, width) and not got.pixel_size_known
    np.testing.assert_array_equal(got[[6, 0, 3]], data[[6, 0, 3]])


def test_a_single_image(tmp_path):
    data = RNG.normal(size=(1, 8, 8)).astype(np.float32)
    (tmp_path / "a.spi").write_bytes(head((1, 8, 8), 1) + data.tobytes())
    np.testing.assert_array_equal(spider.read_stack(tmp_path / "a.spi")[0], data[0])
    with pytest.raises(FileError, match="not a 3D map"):
        spider.read_map(tmp_path / "a.spi")


def test_bad_spider_files(tmp_path):
    content = stack_file(RNG.normal(size=(3, 8, 8)))
    (tmp_path / "cut.stk").write_bytes(content[:-1])
    with pytest.raises(FileError, match="cut short"):
        spider.read_stack(tmp_path / "cut.stk")
    (tmp_path / "no.stk").write_bytes(bytes(5000))
    with pytest.raises(FileError, match="no SPIDER file"):
        spider.read_stack(tmp_path / "no.stk")
    (tmp_path / "ft.spi").write_bytes(head((1, 8, 8), -12) + bytes(256))
    with pytest.raises(FileError, match="Fourier transform"):
        spider.read_stack(tmp_path / "ft.spi")


XMD = """# XMIPP_STAR_1 *
#
data_particles
loop_
 _image
 _itemId
 _angleRot
 _angleTilt
 _anglePsi
 _shiftX
 _shiftY
 _flip
 _samplingRate
 _ctfDefocusU
 _ctfVoltage
      000003@images/a.stk       1   10.0  20.0  30.0   1.0  -2.0  0   2.0   15000.0  300.0
      000001@images/a.stk       2   40.0  50.0  60.0   0.0   0.5  1   2.0   16000.0  300.0
"""


def test_xmipp_particles(tmp_path):
    data = RNG.normal(size=(3, 6, 6)).astype(np.float32)
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.stk").write_bytes(stack_file(data))
    (tmp_path / "Runs").mkdir()
    (tmp_path / "Runs/p.xmd").write_text(XMD)
    got = xmipp.read_images(tmp_path / "Runs/p.xmd")
    np.testing.assert_array_equal(got.stack[:], data[[2, 0]])
    assert got.pixel_size_A == 2 and got.notes == () and not got.in_plane_only
    assert got.poses.mirror.tolist() == [False, True]
    np.testing.assert_array_equal(got.poses.shifts_A, [[2, -4], [0, 1]])
    assert got.ctf["defocus_v_A"].tolist() == [15000, 16000] and got.ctf["kv"].tolist() == [300, 300]


def test_a_flipped_view_is_the_one_xmipp_means(tmp_path):
    (tmp_path / "p.xmd").write_text(XMD)
    poses = xmipp.read_images(tmp_path / "p.xmd").poses
    points = RNG.normal(size=(20, 3))
    seen = points @ poses.rotations[1].T * np.array([-1, 1, 1])
    meant = points @ conventions.euler_to_matrix(40, 50 + 180, -60).reshape(3, 3).T
    np.testing.assert_allclose(seen[:, :2], meant[:, :2], atol=1e-12)


def test_an_xmipp_table_without_images(tmp_path):
    (tmp_path / "a.xmd").write_text("# XMIPP_STAR_1 *\ndata_noname\nloop_\n _weight\n1.0\n2.0\n")
    got = xmipp.read_images(tmp_path / "a.xmd")
    assert len(got) == 2 and got.stack is None and got.poses is None and got.ctf is None


def test_xmipp_classes_with_their_members(tmp_path):
    data = RNG.normal(size=(2, 6, 6)).astype(np.float32)
    (tmp_path / "c.stk").write_bytes(stack_file(data))
    text = "# XMIPP_STAR_1 *\ndata_classes\nloop_\n _ref\n _image\n 1 1@c.stk\n 2 2@c.stk\n"
    for k, n in ((1, 5), (2, 3)):
        rows = "".join(f" {i + 1}@p.stk\n" for i in range(n))
        text += f"data_class{k:06d}_images\nloop_\n _image\n{rows}"
    (tmp_path / "classes.xmd").write_text(text)
    got = xmipp.read_images(tmp_path / "classes.xmd")
    np.testing.assert_array_equal(got.stack[:], data)
    assert got.members["ref"].tolist() == ["1"] * 5 + ["2"] * 3 and got.members.index.tolist() == list(range(8))
