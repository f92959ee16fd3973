"""Compilation: announced once, kept where it can be, and never the reason that nothing works."""

from __future__ import annotations

import pytest

from emviewer.engine import kernels, project_warm
from emviewer.engine.task import Cancelled


def test_warming_up_says_what_it_does_and_is_noted(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVIEWER_CACHE", str(tmp_path / "cache"))
    assert not kernels.is_compiled()
    said = list(project_warm.warm_up())
    assert len(said) == len(project_warm.STEPS)
    assert all("first use" in sentence for sentence in said)
    assert kernels.is_compiled()


def test_a_cache_folder_that_cannot_be_made_is_not_an_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMVIEWER_CACHE", str(tmp_path / "file"))
    kernels.mark_compiled()
    assert not kernels.is_compiled()


def test_warming_up_can_be_stopped_between_steps(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVIEWER_CACHE", str(tmp_path / "cache"))

    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(project_warm.warm_up(check))
    assert not kernels.is_compiled()
