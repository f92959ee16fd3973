"""The reconstruct job: a map, its halves and their correlation out of particles with known orientations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from emviewer.engine import files
from emviewer.engine.conventions import without_mirror
from emviewer.engine.ctf import CTF
from emviewer.engine.ctf import transfer as ctf_transfer
from emviewer.engine.errors import DataError, ParameterError
from emviewer.engine.jobs import reconstruct_output as output
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.reconstruct_params import HELP, TITLE, ReconstructParams
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32, F64, ImageSet, ImageStack

Ids = output.Ids
CTF_COLUMNS = ("defocus_u_A", "defocus_v_A", "defocus_angle_deg", "kv", "cs_mm", "q0", "phase_shift_deg")


def reconstruct(
    params: ReconstructParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator
) -> Iterator[Batch]:
    """Reconstruct a map (see :class:`ReconstructParams`) into ``folder``."""
    yield message("opening the particles")
    group = point_group(params.sym)
    images, stack, pixel = open_particles(params, folder)
    views, shifts_A = _poses(images, params)
    transfer = transfer_of(images, stack.shape[0], pixel, params) if params.ctf else None
    if not params.ctf and images.ctf is not None and bool(images.ctf["defocus_u_A"].notna().any()):
        folder.warn("the table tells the CTF of the particles; it is not corrected for without --ctf")
    half = _halves(images.table, params.seed)
    usable = np.isfinite(views).all(axis=(1, 2)) & np.isfinite(shifts_A).all(axis=1)
    half[~usable] = -1
    left_out = _Left(stack, 1.0 if params.contrast == "positive" else -1.0)
    folder.summary |= {"n_images": len(images), "symmetry": group.name, "pixel_size_A": pixel}
    folder.stage("reconstruct")
    yield message("reconstructing", 0, len(images))
    top = None if params.max_res is None else stack.shape[0] * pixel / params.max_res
    maps = output.reconstruct_halves(
        left_out.read, views, shifts_A / pixel, half, stack.shape[0], pixel,
        group=np.asarray(group.rotations), transfer=transfer, top=top, check=check,
    )  # fmt: skip
    unusable = int((~usable).sum()) + left_out.bad
    if unusable:
        folder.warn(f"{unusable} of {len(images)} images have no orientation or values that are not numbers: left out")
    folder.summary["n_left_out"] = unusable
    output.write_maps(folder, maps, pixel)
    folder.stage("report")
    if params.report != "none":
        from emviewer.engine.jobs.reconstruct_report import draw_reconstruction

        yield message("drawing the report", len(images), len(images))
        draw_reconstruction(folder, params.report, params.particles.name, maps, pixel, views[usable], group.name)


class _Left:
    """Reads images with their contrast; one with values that are not numbers is read as nothing and counted."""

    def __init__(self, stack: ImageStack, sign: float) -> None:
        self.stack, self.sign, self.bad = stack, np.float32(sign), 0

    def read(self, ids: Ids) -> F32:
        data = self.stack[ids] * self.sign
        wrong = ~np.isfinite(data).all(axis=(1, 2))
        data[wrong] = 0
        self.bad += int(wrong.sum())
        return data


def open_particles(params: ReconstructParams, folder: ResultFolder) -> tuple[ImageSet, ImageStack, float]:
    """Open the particles; return the set, its stack and the pixel size.

    Raises
    ------
    EmviewerError
        There are no images, they are not square, or nobody tells their pixel size.
    """
    images = files.read_images(
        params.particles, pixel_size_A=params.pixel_size, project_dir=params.project_dir,
        passthrough=params.passthrough,
    )  # fmt: skip
    for note in images.notes:
        folder.warn(note)
    stack = images.stack
    if len(images) < 2 or stack is None:
        what = "the table's images were not found" if len(images) >= 2 else "a reconstruction needs at least 2 images"
        raise DataError(what, params.particles, "give --project-dir" if len(images) >= 2 else "give more")
    if stack.shape[0] != stack.shape[1]:
        raise DataError(
            f"the images are {stack.shape[1]}×{stack.shape[0]} px, not square", params.particles, "crop them"
        )
    pixel = images.pixel_size_A if images.pixel_size_known else stack.pixel_size_A
    if not (images.pixel_size_known or stack.pixel_size_known):
        raise ParameterError("the particles do not tell their pixel size", params.particles, "give --pixel-size in Å")
    return images, stack, float(pixel)


def _poses(images: ImageSet, params: ReconstructParams) -> tuple[F64, F64]:
    poses = images.poses
    if poses is None or images.in_plane_only:
        raise DataError(
            "the table has no orientations", params.particles, "give one with rlnAngleRot, rlnAngleTilt, rlnAnglePsi"
        )
    return without_mirror(poses.rotations, poses.shifts_A, poses.mirror)


def transfer_of(images: ImageSet, box: int, pixel: float, params: ReconstructParams) -> Callable[[Ids], F32]:
    """Return what gives the transfer functions of images.

    Raises
    ------
    ParameterError
        The table does not tell them for every image.
    """
    table = images.ctf
    missing = [c for c in CTF_COLUMNS if table is None or c not in table or bool(table[c].isna().any())]
    if missing or table is None:
        raise ParameterError(
            f"--ctf needs {', '.join(missing)} of every image", params.particles, "leave --ctf out, or give them"
        )
    values = table[list(CTF_COLUMNS)].to_numpy(np.float64)

    def of(ids: Ids) -> F32:
        return ctf_transfer(CTF(*values[ids].T), box, pixel)

    return of


def _halves(table: pd.DataFrame, seed: int) -> Ids:
    if "rlnRandomSubset" in table:
        subset = pd.to_numeric(table["rlnRandomSubset"], errors="coerce").to_numpy(np.float64)
        half = np.where(subset == 1, 0, np.where(subset == 2, 1, -1)).astype(np.int64)
        if (half == 0).any() and (half == 1).any():
            return half
    return output.random_halves(len(table), seed)


SPEC = JobSpec("reconstruct", TITLE, HELP, ReconstructParams, reconstruct)
