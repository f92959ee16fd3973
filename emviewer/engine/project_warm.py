"""Compiling the loops of projection before they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from emviewer.engine import kernels
from emviewer.engine.ctf import CTF
from emviewer.engine.project import Projector
from emviewer.engine.task import Check, never
from emviewer.engine.types import Map3D

STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("central slices", {}),
    ("quick slices", {"interp": "linear"}),
    ("nearest slices", {"interp": "nearest"}),
    ("wide slices", {"pad": 1.0}),
    ("rays", {"method": "real"}),
    ("shears", {"method": "shears"}),
)


def warm_up(check: Check = never) -> Iterator[str]:
    """Compile every loop of projection, or load it from the cache.

    Parameters
    ----------
    check : callable
        Called between compilations; one takes a second or so and cannot be interrupted.

    Yields
    ------
    str
        What is being compiled; announce it only if ``kernels.is_compiled()`` was false beforehand.
    """
    data = np.zeros((64, 64, 64), np.float32)  # smaller maps take ways of their own through the transform
    data[32, 32, 32] = 1
    for name, options in STEPS:
        check()
        yield f"compiling {name} (first use)"
        Projector(Map3D(data, 1.0), **options).project(np.eye(3), ctf=CTF(1e4, 1e4))
    kernels.mark_compiled()
