"""The key figures of a centring: how many members moved, how far, in which direction, and what that says."""

from __future__ import annotations

from typing import Any

import numpy as np

from emviewer.engine.jobs.center_members import CENTRED, NO_CLASS, STATES, Members, Moved
from emviewer.engine.micrograph_picks import ENOUGH, common_way

MEANINGFUL_PX = 1.0
"""Particles displaced by at least this many micrograph pixels count as moved."""
BIN_PX = 1.0
REACH_PX = (10.0, 200.0)
"""Least and largest displacement that the histogram shows; what is further off counts in the last bin."""


def key_figures(members: Members, moved: Moved) -> dict[str, Any]:
    """Return the key figures of the members, as summary.json has them (cli.md, ``center``).

    Returns
    -------
    dict
        ``n_particles, n_moved, fraction_moved, mean_displacement_px, mean_displacement_A`` (over all particles, in
        micrograph pixels), ``n_out_of_bounds, n_box_over_edge, members`` (by state), ``displacement_histogram``
        (``edges_px``, signed ``x`` and ``y``), and ``picking_offset_px`` where there are enough picks: the median way
        from pick to centre.
    """
    n = len(members)
    length = np.hypot(*moved.moved_px.T)
    far = int((length >= MEANINGFUL_PX).sum())
    largest = float(np.ceil(np.abs(moved.moved_px).max(initial=0.0) / BIN_PX) * BIN_PX)
    reach = float(np.clip(largest, *REACH_PX))
    edges = np.arange(-reach - BIN_PX / 2, reach + BIN_PX, BIN_PX)
    counts = [np.histogram(np.clip(moved.moved_px[:, a], edges[0], edges[-1]), edges)[0] for a in (0, 1)]
    states = np.bincount(moved.state, minlength=len(STATES))
    found: dict[str, Any] = {
        "n_particles": n,
        "n_moved": far,
        "fraction_moved": far / n,
        "mean_displacement_px": float(length.mean()),
        "mean_displacement_A": float((length * members.micrograph_pixel()).mean()),
        "n_out_of_bounds": int(moved.outside.sum()),
        "n_box_over_edge": int(moved.over_edge.sum()),
        "members": {name: int(count) for name, count in zip(STATES, states, strict=True)},
        "displacement_histogram": {"edges_px": edges.tolist(), "x": counts[0].tolist(), "y": counts[1].tolist()},
    }
    ways = _from_picks(members, moved)
    if len(ways) >= ENOUGH:
        found["picking_offset_px"] = [float(v) for v in np.median(ways, axis=0)]
    return found


def hints(members: Members, moved: Moved) -> list[str]:
    """Return sentences about members that are not moved, stand outside or nowhere, or were picked off as a whole."""
    n, said = len(members), []
    homeless = int((moved.state == STATES.index(NO_CLASS)).sum())
    if homeless:
        said.append(f"{homeless} of {n} particles have {NO_CLASS} among the class averages: they are not moved")
    if moved.outside.any():
        said.append(f"{int(moved.outside.sum())} particles stand outside their micrograph: marked emvOutOfBounds 1")
    unknown = _without_coordinates(members)
    if unknown:
        said.append(
            f"the coordinates of {unknown} of {n} particles are no numbers: they are kept as they came and left out of "
            "the tables of micrographs; mend them before a re-extraction"
        )
    ways = _from_picks(members, moved)
    if len(ways) < ENOUGH:
        return said
    shared = common_way(ways)
    if shared.clear:
        said.append(
            "the picks as a whole stand beside the particles: the centres are at "
            f"({shared.x:+.1f}, {shared.y:+.1f}) px from them in the micrographs; "
            "look at the picking or the coordinates' origin"
        )
    good = moved.state == STATES.index(CENTRED)
    far = np.hypot(*moved.moved_px[good].T) >= 2 * MEANINGFUL_PX
    if far.mean() > 0.5:
        said.append(f"{100 * far.mean():.0f} % of the particles moved by 2 px or more: the classes are off as a whole")
    return said


def _without_coordinates(members: Members) -> int:
    """Return how many particles stand in a micrograph, if any is named, at coordinates that are not finite."""
    if members.coordinate_px is None:
        return 0
    here = members.micrograph >= 0 if members.micrographs else np.ones(len(members), bool)
    return int((here & ~np.isfinite(members.coordinate_px).all(axis=1)).sum())


def _from_picks(members: Members, moved: Moved) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the way from pick to centre of the members that were centred, where both are known."""
    if moved.centre_px is None or members.coordinate_px is None:
        return np.empty((0, 2))
    ways = (moved.centre_px - members.coordinate_px)[moved.state == STATES.index(CENTRED)]
    return np.asarray(ways[np.isfinite(ways).all(axis=1)])
