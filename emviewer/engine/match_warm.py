"""Compiling the loops of matching before they are needed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from emviewer.engine import kernels, match_grid
from emviewer.engine.ctf import CTF, transfer
from emviewer.engine.match import Matcher
from emviewer.engine.match_grid import Grid
from emviewer.engine.residuals_score import Scoring
from emviewer.engine.task import Check, never
from emviewer.engine.types import Map3D

LOOPS = "matching"
"""Name of these loops in :mod:`emviewer.engine.kernels`."""


def warm_up(check: Check = never) -> Iterator[str]:
    """Compile every loop of matching, or load it from the cache.

    Parameters
    ----------
    check : callable
        Called between compilations; one takes a few seconds and cannot be interrupted.

    Yields
    ------
    str
        What is being compiled; announce it only if ``kernels.is_compiled(LOOPS)`` was false beforehand.
    """
    n = 16
    volume = np.random.default_rng(0).normal(size=(n, n, n)).astype(np.float32)
    grid = Grid(n, 1.0, n)
    images = np.ascontiguousarray(volume[:2])
    disc = match_grid.soft_disc(n, 6.0)
    yield _saying("slices", check)
    slices = match_grid.map_slices(Map3D(volume, 1.0), grid)
    matcher = Matcher(slices, np.eye(3)[None], 1.0, 5.0)
    matcher.model_values(np.eye(3)[None])
    yield _saying("the search", check)
    found = matcher.search(images, 2)
    yield _saying("the refinement", check)
    matcher.refine(matcher.image_values(images), found)
    yield _saying("the scores", check)
    Scoring(disc, 1 - disc).score(images, images[::-1], np.empty_like(images), 1)
    yield _saying("contrast transfer", check)
    transfer(CTF(1e4, 1e4), n, 1.0)
    kernels.mark_compiled(LOOPS)


def _saying(what: str, check: Check) -> str:
    check()
    return f"compiling {what} (first use)"
