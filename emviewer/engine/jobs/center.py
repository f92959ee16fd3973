"""The center job: the centre of every class average, carried to its members and to the micrographs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.centering import Centres, find_centres, left_alone
from emviewer.engine.centering_move import centred
from emviewer.engine.jobs import center_output
from emviewer.engine.jobs.center_inputs import CenterInputs, open_inputs
from emviewer.engine.jobs.center_members import Moved, move
from emviewer.engine.jobs.center_params import HELP, TITLE, CenterParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.mrc_write import StackWriter
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32

BATCH = 32
SURE = 0.5
"""Confidence from which the registration to a map counts, however sure another estimator is."""
FARTHEST = 0.3
"""Largest displacement of a class unless told, in boxes."""


def center(params: CenterParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
    """Centre class averages and their members (see :class:`CenterParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are class averages in the order of the file; columns those of classes.star that are numbers; extra
        ``stack`` the path of the growing centered_classes.mrcs, ``method`` the estimator of each row.
    """
    folder.summary |= {"n_classes": 0, "n_particles": 0, "n_moved": 0, "fraction_moved": 0.0}
    yield message("opening classes and members")
    inputs = open_inputs(params, folder.warn, check)
    classes, pixel, members = inputs.classes, inputs.pixel_size_A, inputs.members
    n = classes.stack.shape[0]
    farthest = params.max_shift / pixel if params.max_shift is not None else FARTHEST * n
    images = classes.stack[np.arange(classes.stack.n)]
    found: list[Centres] = []
    folder.stage("centre")
    yield from _centres(params, images, pixel, farthest, folder, check, found)
    centres = found[0]
    alone = left_alone(centres, farthest)
    offset = np.where(alone[:, None], 0.0, centres.offset_px)
    psi = np.where(alone, 0.0, centres.psi_deg) if params.rotate else np.zeros(len(images))
    yield from _write_images(images, offset, psi, inputs, centres, alone, folder, check)
    moved: Moved | None = None
    if members is not None:
        folder.stage("members")
        yield message("moving the members", len(images), len(images))
        moved = move(members, classes.numbers, offset * pixel, psi, alone)
        check()
    folder.stage("write")
    yield message("writing tables", len(images), len(images))
    result = center_output.Result(params, inputs, centres, alone, offset, psi, moved)
    center_output.write(result, folder, check)
    if params.report != "none":
        folder.stage("report")
        yield message("drawing the report", len(images), len(images))
        center_output.report(result, images, folder)


def _centres(
    params: CenterParams, images: F32, pixel: float, farthest: float, folder: ResultFolder, check: Check,
    found: list[Centres],
) -> Iterator[Batch]:  # fmt: skip
    """Find the centres, saying how far it is; the result is put into ``found``."""
    k = len(images)
    registered: Centres | None = None
    if params.map is not None:
        from emviewer.engine.jobs.center_map import Registration  # the search costs 0.5 s to import

        yield message("registering to the map", 0, k)
        registered = Registration(params, images, pixel, farthest, folder.warn, check).find()
    if params.method == "reprojection":
        assert registered is not None
        found.append(registered)
        return
    yield message("finding centres", 0, k)
    seen = find_centres(images, method=params.method, rotate=params.rotate, check=check)
    found.append(seen if registered is None else _surer(registered, seen))


def _surer(one: Centres, other: Centres) -> Centres:
    """Return for each class the surer centre; the first wherever it is sure, so that a second run agrees."""
    take = one.confidence >= np.minimum(other.confidence, SURE)
    return Centres(
        np.where(take[:, None], one.offset_px, other.offset_px),
        np.where(take, one.psi_deg, other.psi_deg),
        np.where(take, one.confidence, other.confidence),
        [a if t else b for t, a, b in zip(take, one.method, other.method, strict=True)],
    )


def _write_images(
    images: F32, offset: NDArray[np.float64], psi: NDArray[np.float64], inputs: CenterInputs, centres: Centres,
    alone: NDArray[np.bool_], folder: ResultFolder, check: Check,
) -> Iterator[Batch]:  # fmt: skip
    pixel = inputs.pixel_size_A
    path = folder / "centered_classes.mrcs"
    k = len(images)
    with StackWriter(path, (images.shape[1], images.shape[2]), pixel) as writer:
        for start in range(0, k, BATCH):
            check()
            part = slice(start, min(k, start + BATCH))
            writer.append(centred(images[part], -offset[part], psi[part]))
            rows = np.arange(part.start, part.stop, dtype=np.int64)
            shift = -offset[part] * pixel
            columns = {
                "shift_x_A": shift[:, 0], "shift_y_A": shift[:, 1], "psi_deg": psi[part],
                "confidence": centres.confidence[part], "class": inputs.classes.numbers[part],
                "found_x_px": centres.offset_px[part, 0], "found_y_px": centres.offset_px[part, 1],
                "left_alone": alone[part],
            }  # fmt: skip
            told = {"stack": str(path), "n_classes": k, "pixel_size_A": pixel, "method": centres.method[part]}
            yield Batch(rows, columns, part.stop, k, "centring", told)


SPEC = JobSpec("center", TITLE, HELP, CenterParams, center)
