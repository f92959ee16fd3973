"""Thumbnails: made elsewhere, kept within a bound, never lost while the user scrolls, errors in one sentence."""

from __future__ import annotations

import threading

import numpy as np

from emviewer.engine.types import ImageStack
from emviewer.ui.thumbnails import Thumbnails, TileStyle, painted


def ramp_stack(n=500, shape=(32, 32)):
    """Image i is constant i."""
    return ImageStack(n, shape, 1.0, lambda ids: np.broadcast_to(ids[:, None, None], (len(ids), *shape)).astype("f4"))


def grey(picture):
    return picture.pixelColor(0, 0).red()


def test_pictures_have_the_asked_size_and_levels():
    images = np.stack([np.full((20, 40), v, np.float32) for v in (0.0, 5.0, 10.0)])
    pictures = painted(images, TileStyle(80, levels=(0.0, 10.0)), 1.0)
    assert [(p.width(), p.height()) for p in pictures] == [(80, 40)] * 3
    assert [grey(p) for p in pictures] == [0, 128, 255]
    inverted = painted(images, TileStyle(80, levels=(0.0, 10.0), inverted=True), 1.0)
    assert [grey(p) for p in inverted] == [255, 127, 0]


def test_reading_happens_in_another_thread_and_answers_arrive(runner, qtbot):
    threads = set()
    inner = ramp_stack()

    def read(ids):
        threads.add(threading.get_ident())
        return inner.read(ids)

    tiles = Thumbnails(runner, 1)
    tiles.set_stack(ImageStack(500, (32, 32), 1.0, read))
    tiles.set_style(TileStyle(16, (0.0, 500.0)))
    assert tiles.get(3) is None
    tiles.want(range(200))
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    assert threading.get_ident() not in threads
    assert [grey(tiles.get(i)) for i in (0, 100, 199)] == [round(255 * i / 500) for i in (0, 100, 199)]


def test_wishes_that_change_all_the_time_still_bring_pictures(runner, qtbot):
    tiles = Thumbnails(runner, 1)
    tiles.set_stack(ramp_stack(10_000))
    tiles.set_style(TileStyle(16, (0.0, 1.0)))
    arrived = []
    tiles.ready.connect(arrived.extend)
    for start in range(0, 4000, 40):
        tiles.want(range(start, start + 40))
        qtbot.wait(2)
    assert len(arrived) > 100
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    assert all(tiles.is_fresh(i) for i in range(3960, 4000))


def test_memory_stays_within_the_bound_and_drops_what_was_not_looked_at(runner, qtbot):
    tiles = Thumbnails(runner, 1, max_bytes=100 * 16 * 16 * 4)
    tiles.set_stack(ramp_stack())
    tiles.set_style(TileStyle(16, (0.0, 1.0)))
    tiles.want(range(60))
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    tiles.get(5)
    tiles.want(range(300, 395))
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    assert tiles.bytes <= tiles.max_bytes
    assert tiles.get(5) is not None
    assert tiles.get(6) is None


def test_an_old_style_is_shown_until_the_new_one_is_there(runner, qtbot):
    tiles = Thumbnails(runner, 1)
    tiles.set_stack(ramp_stack())
    tiles.set_style(TileStyle(16, (0.0, 500.0)))
    tiles.want([100])
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    tiles.set_style(TileStyle(24, (0.0, 100.0)))
    assert tiles.get(100).width() == 16
    assert not tiles.is_fresh(100)
    tiles.want([100])
    qtbot.waitUntil(lambda: tiles.is_fresh(100), timeout=5000)
    assert tiles.get(100).width() == 24
    assert grey(tiles.get(100)) == 255


def test_another_stack_forgets_the_pictures_of_the_first(runner, qtbot):
    tiles = Thumbnails(runner, 1)
    tiles.set_stack(ramp_stack())
    tiles.want(range(64))
    tiles.set_stack(ramp_stack(10))
    tiles.want([2, 99])
    qtbot.waitUntil(lambda: tiles.idle, timeout=5000)
    assert tiles.is_fresh(2)
    assert tiles.get(40) is None
    assert tiles.get(99) is None


def test_a_moved_stack_is_said_once_and_can_be_relinked(runner, qtbot):
    def read(ids):
        raise FileNotFoundError(2, "No such file", "gone.mrcs")

    tiles = Thumbnails(runner, 1)
    tiles.set_stack(ImageStack(10, (8, 8), 1.0, read, name="gone.mrcs"))
    errors = []
    tiles.failed.connect(errors.append)
    tiles.want(range(10))
    qtbot.waitUntil(lambda: bool(errors), timeout=5000)
    tiles.want(range(10))
    qtbot.wait(30)
    assert len(errors) == 1
    assert "relink" in str(errors[0]).lower()
    tiles.set_stack(ramp_stack(10, (8, 8)), keep=True)
    tiles.want(range(10))
    qtbot.waitUntil(lambda: tiles.is_fresh(9), timeout=5000)
