"""A file appears whole or not at all: what was there stays until the new one is complete."""

from __future__ import annotations

import errno

import pytest

from emviewer.engine.files_whole import whole


def test_the_new_file_takes_the_place_of_the_old_at_the_end(tmp_path):
    target = tmp_path / "a.star"
    target.write_text("old")
    with whole(target) as beside:
        beside.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    target = tmp_path / "a.star"
    target.write_text("old")
    with pytest.raises(type(error)), whole(target) as beside:
        beside.write_text("half")
        raise error
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
