"""What a comparison will do, said before it runs: images, maps, views, and roughly how long."""

from __future__ import annotations

import functools
import math
from pathlib import Path

from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.symmetry import point_group
from emviewer.engine.threads import available_cores

START_S = 1.5
"""Opening, weights and the maps of random phases, of each map; 2 cores, 64 pixels."""
SEARCH_MS, REFINE_MS, GIVEN_MS = 3.5, 2.5, 1.0
"""Milliseconds of one core an image of 64 pixels: search of 1 000 views, refinement, scores with given angles."""


def estimate(params: CompareParams) -> str:
    """Return a sentence: how many images, maps and views, and about how long it takes (rough: within a factor of 2).

    Raises
    ------
    EmviewerError
        The images cannot be read, or there is no such symmetry.
    """
    order = point_group(params.sym).order
    n, box, pixel, has_angles = _images(params.images, _mtime(params.images))
    maps = len(params.maps)
    given = params.assignment == "use" or (params.assignment == "auto" and has_angles)
    parts = [f"{n:,} image{'s' * (n != 1)}".replace(",", " ") + (f" against {maps} maps" if maps > 1 else "")]
    views = max(1, round(4 * math.pi / math.radians(params.step) ** 2 / order))
    parts.append("angles of the table" if given else f"{views:,} directions".replace(",", " "))
    if box:
        factor = (params.resample or 0) / pixel if pixel else 1.0
        px = box / max(1.0, factor)
        each = GIVEN_MS + (REFINE_MS if params.refine else 0) + (0 if given else SEARCH_MS * views / 1000)
        cores = params.threads or available_cores()
        seconds = maps * (START_S + n * each / 1000 * (px / 64) ** 2 / cores)
        parts.append(f"about {_time(seconds)}")
    return ", ".join(parts)


def _mtime(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


@functools.lru_cache(maxsize=8)
def _images(path: Path, mtime: float) -> tuple[int, int, float, bool]:
    """Return number of images, box in pixels (0 if unknown), pixel size, and whether the table has views."""
    from emviewer.engine import files

    found = files.read_images(path)
    box = 0 if found.stack is None else found.stack.shape[0]
    return len(found), box, found.pixel_size_A, found.poses is not None and not found.in_plane_only


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
