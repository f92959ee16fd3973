"""A trained distance between projections, run without torch: from a ``model.npz`` to distances with their spread.

Both images of a pair go through the same network (a Siamese pair: every image is looked at once). It gives each image
its probability over the views of the map that it was trained on; the distance of two images is the angle between
their views, the least over the symmetry, read through a calibration on views that training never saw. Trained on
pairs, the network of Banjac, Donati & Defferrard (2021) must find such an embedding by itself; here training states it.

A trained distance holds for the structure it was trained on, and for no other: every file carries a *badge* that says
which that was, and :meth:`LearnedDistance.doubts` holds images against it.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.files_whole import whole
from emviewer.engine.learned_calibrate import Calibration, pair_certainty
from emviewer.engine.learned_cells import Cells, softmax
from emviewer.engine.learned_network import Network, Shape, arrays_of, from_arrays, layout
from emviewer.engine.learned_rings import C64, RingReader, Rings
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Check, never
from emviewer.engine.threads import each_chunk
from emviewer.engine.types import F32, F64

FORMAT = "emviewer learned distance"
VERSION = 1
CHUNK = 24
RETRAIN = "train it again with emviewer train-distance"
LEAST_SHARE, LEAST_SHARE_SOUGHT = 0.82, 0.7
"""Of the median certainty on held-out views, what images of the same structure reach at least: 0.96 where badly
centred, 0.79 to 0.98 where their places were sought. Another structure reached 0.60 to 0.74, sought 0.37 to 0.61."""
GUESSED_RAD = 0.4
"""Mean error of distances on held-out views above which a network knows too little; 0.5 is that of guesses."""
OTHER = "they may not show that structure"
"""End of the doubt that is about the images as a whole."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """What a network says of images.

    Parameters
    ----------
    views : ndarray of float64, shape (n, 3, 3)
        Views in the frame of the map it was trained on.
    certainty : ndarray of float64, shape (n,)
        Probability of the views near the one given, 0 … 1.
    sought : bool
        Whether the particles' places were unknown, which makes certainty less.
    """

    views: F64
    certainty: F64
    sought: bool = False


@dataclass(frozen=True, eq=False)
class LearnedDistance:
    """A network, its calibration, and what it was trained on.

    Parameters
    ----------
    network : Network
        The weights.
    rings : Rings
        What it reads of an image.
    cells : Cells
        What it scores.
    calibration : Calibration
        How its angles are read.
    badge : mapping
        What it was trained on; plain data.
    """

    network: Network
    rings: Rings
    cells: Cells
    calibration: Calibration
    badge: Mapping[str, Any] = field(default_factory=dict)

    def reader(self, box: int, pixel_size_A: float) -> RingReader:
        """Return what reads images of this box and pixel size; refuses boxes smaller than the particle."""
        return RingReader(self.rings, box, pixel_size_A)

    def embed(self, images: F32, pixel_size_A: float, check: Check = never) -> Embedding:
        """Return views and certainties of centred images (n, box, box), white on dark.

        Raises
        ------
        DataError
            The images are smaller than the particle that the network was trained on.
        """
        return self.embed_orders(self.reader(images.shape[1], pixel_size_A).read(images, check), check)

    def embed_orders(self, orders: C64, check: Check = never) -> Embedding:
        """Return views and certainties of images read along rings."""
        n = len(orders)
        views, certainty = np.empty((n, 3, 3)), np.empty(n)

        def work(start: int, stop: int) -> None:
            check()
            part = slice(start, stop)
            views[part], certainty[part] = self.cells.settle(softmax(self.network.score(orders[part])))

        each_chunk(work, n, CHUNK)
        return Embedding(views, certainty)

    def distances(self, embedding: Embedding, check: Check = never) -> tuple[F64, F64]:
        """Return calibrated distances (n, n) in rad, and their standard deviations (n, n) in rad."""
        n, group = len(embedding.views), np.asarray(self.cells.group.rotations)
        distance, spread = np.empty((n, n)), np.empty((n, n))

        def work(start: int, stop: int) -> None:
            check()
            rows = slice(start, stop)
            angle = folded_angles(embedding.views[rows], group, embedding.views)
            sure = pair_certainty(embedding.certainty[rows], embedding.certainty)
            distance[rows], spread[rows] = self.calibration.read(angle, sure)

        each_chunk(work, n, CHUNK)
        np.fill_diagonal(distance, 0)
        return distance, spread

    def doubts(self, box: int, pixel_size_A: float, embedding: Embedding, sym: str, snr: float | None) -> list[str]:
        """Return sentences on what differs between images and those the distance was trained on.

        Parameters
        ----------
        box, pixel_size_A : int, float
            Of the images as they were given.
        embedding : Embedding
            Of the images.
        sym : str
            Point group that is asked for.
        snr : float or None
            Estimated ratio of the images, over their whole box.
        """
        return _doubts(self, box, pixel_size_A, embedding, sym, snr)

    def save(self, path: Path | str) -> None:
        """Write as ``.npz`` (compressed, nothing pickled), whole or not at all."""
        meta = {
            "format": FORMAT,
            "version": VERSION,
            "rings": [self.rings.radius_A, self.rings.count, self.rings.orders],
            "cells": [self.cells.step_deg, self.cells.turns, self.cells.group.name],
            "shape": vars(self.network.shape),
            "badge": dict(self.badge),
        }
        arrays: dict[str, Any] = {f"w_{name}": value for name, value in arrays_of(self.network).items()}
        arrays |= vars(self.calibration) | {"meta": np.array(json.dumps(meta))}
        with whole(Path(path)) as beside, beside.open("wb") as file:
            np.savez_compressed(file, **arrays)


def folded_angles(views: F64, group: F64, others: F64 | None = None) -> F64:
    """Return the angles (n, m) in rad of views (n, 3, 3) to others (m, 3, 3), or among themselves.

    Each is the least over the rotations (g, 3, 3) of a point group.
    """
    columns = (views if others is None else others).reshape(-1, 9).T
    best = (views @ group[0]).reshape(-1, 9) @ columns
    for g in group[1:]:
        np.maximum(best, (views @ g).reshape(-1, 9) @ columns, out=best)
    return np.asarray(np.arccos(np.clip((best - 1) / 2, -1, 1)))


def load(path: Path | str) -> LearnedDistance:
    """Open a trained distance.

    Raises
    ------
    FileError
        The file is missing, no trained distance, damaged, or of another version; one sentence.
    """
    where = Path(path).expanduser()
    meta, arrays = _read(where)
    if meta.get("version") != VERSION:
        raise FileError(
            f"the trained distance has format {meta.get('version')}, this program reads {VERSION}", where, RETRAIN
        )
    try:
        radius, count, orders = meta["rings"]
        step, turns, group = meta["cells"]
        if not (1 <= float(step) <= 90 and 1 <= int(turns) <= 720):
            raise DataError("its directions or turns are out of range")
        shape = Shape(**{k: int(v) for k, v in meta["shape"].items()})
        cells = Cells(float(step), int(turns), point_group(str(group)))
        rings = Rings(float(radius), int(count), int(orders))
        network = from_arrays({name: arrays[f"w_{name}"] for name in layout(shape)}, shape)
        calibration = _calibration(arrays)
        badge = dict(meta.get("badge") or {})
    except (DataError, ParameterError) as err:
        raise FileError(f"the trained distance is damaged: {err.what}", where, RETRAIN) from None
    except (KeyError, TypeError, ValueError) as err:
        raise FileError("the trained distance is damaged: a part of it is missing", where, RETRAIN) from err
    if (rings.count, rings.orders, cells.turns, cells.directions) != (
        shape.rings, shape.orders, shape.turns, shape.directions,
    ) or not (0 < rings.radius_A < 1e5):  # fmt: skip
        raise FileError("the trained distance is damaged: its parts do not fit together", where, RETRAIN)
    return LearnedDistance(network, rings, cells, calibration, badge)


def read_badge(path: Path | str) -> dict[str, Any]:
    """Return what a trained distance was trained on, without opening its weights."""
    return dict(_read(Path(path).expanduser(), only_meta=True)[0].get("badge") or {})


def _read(where: Path, only_meta: bool = False) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the description and the arrays of a file."""
    if not where.is_file():
        raise FileError("the trained distance is not there", where, "give the model.npz that train-distance wrote")
    other = FileError("this is no trained distance", where, "give the model.npz that train-distance wrote")
    try:
        with where.open("rb") as handle:
            found = np.load(handle, allow_pickle=False)
            if isinstance(found, np.ndarray) or "meta" not in found:
                raise other
            meta = json.loads(str(found["meta"]))
            if not isinstance(meta, dict) or meta.get("format") != FORMAT:
                raise other
            return meta, {} if only_meta else {name: found[name] for name in found.files if name != "meta"}
    except FileError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as err:
        what = "damaged or cut short" if where.suffix == ".npz" else "no trained distance"
        raise FileError(f"the file is {what}", where, RETRAIN) from err


def _calibration(arrays: Mapping[str, NDArray[Any]]) -> Calibration:
    parts = [np.asarray(arrays[name], np.float64) for name in ("certainty", "estimate", "distance", "spread")]
    if not all(np.isfinite(part).all() for part in parts):
        raise DataError("its calibration has values that are not numbers")
    classes, knots = parts[0].shape, parts[1].shape
    if parts[1].ndim != 2 or parts[1].size == 0 or classes != knots[:1] or any(p.shape != knots for p in parts[2:]):
        raise DataError("the parts of its calibration do not fit together")
    return Calibration(*parts)


def _doubts(
    model: LearnedDistance, box: int, pixel_size_A: float, embedding: Embedding, sym: str, snr: float | None
) -> list[str]:
    badge, found = model.badge, []
    name = str(badge.get("map", "its map"))
    if point_group(sym).name != model.cells.group.name:
        found.append(f"the distance was trained with {model.cells.group.name}, not {point_group(sym).name}")
    if pixel_size_A > 1.05 * model.rings.spacing_A:
        found.append(
            f"pixels of {pixel_size_A:.3g} Å are coarser than the {model.rings.spacing_A:.3g} Å that the distance was "
            "trained to see"
        )
    trained_box = badge.get("box_A")
    if isinstance(trained_box, (int, float)) and not 0.6 < box * pixel_size_A / trained_box < 1.7:
        found.append(
            f"the images are {box * pixel_size_A:.0f} Å wide, the distance was trained on a box of {trained_box:.0f} Å"
        )
    trained_snr = badge.get("snr")
    if snr is not None and isinstance(trained_snr, (list, tuple)) and len(trained_snr) == 2:
        low, high = (float(v) for v in trained_snr)
        if snr < low / 2:
            found.append(f"the images are noisier (SNR about {snr:.2g}) than those trained on, {low:.3g} to {high:.3g}")
    off = _at(badge.get("held_out_mae_rad"), "mae_rad", snr)
    if off is not None and off > GUESSED_RAD:
        found.append(
            f"the distance is hardly better than guesses: off by {off:.2f} rad in the mean on held-out views of {name}"
        )
    expected = _at(badge.get("certainty"), "median", snr)
    if expected is not None:
        median = float(np.median(embedding.certainty))
        least = LEAST_SHARE_SOUGHT if embedding.sought else LEAST_SHARE
        if median < least * expected:
            found.append(
                f"the network recognises little in these images (certainty {median:.2f}, on views of {name} "
                f"{expected:.2f}): {OTHER}"
            )
    return found


def _at(known: Any, name: str, snr: float | None) -> float | None:
    """Return what a badge knows at some ratios for this one, or at the least of them; None if it knows nothing."""
    if not isinstance(known, Mapping):
        return None
    ratios, values = (np.array([float(v) for v in known.get(key, [])]) for key in ("snr", name))
    if len(ratios) == 0 or len(ratios) != len(values):
        return None
    return float(values[0] if snr is None else np.interp(np.log(snr), np.log(ratios), values))
