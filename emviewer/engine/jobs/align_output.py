"""What an alignment leaves behind: moved maps, masks, tables, the ChimeraX script."""

from __future__ import annotations

import json
import mmap
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emviewer.engine import conventions, files_bytes, mrc
from emviewer.engine.align3d_mask import automatic_mask
from emviewer.engine.align3d_move import Grid3D, move_map, move_mask, overlay_origin_A
from emviewer.engine.align3d_pair import Alignment
from emviewer.engine.difference import Difference, subtract
from emviewer.engine.difference_blobs import find_blobs
from emviewer.engine.files_whole import whole
from emviewer.engine.fsc import Curve, ceiling, correlate
from emviewer.engine.jobs.align_inputs import Member, read_data
from emviewer.engine.jobs.align_params import AlignParams
from emviewer.engine.jobs.align_table import write_table
from emviewer.engine.jobs.folder import ResultFolder, plain
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64, RigidTransform

STILL = RigidTransform(np.eye(3), np.zeros(3))


@dataclass(eq=False)
class Result:
    """What is known of one aligned map.

    Parameters
    ----------
    member : Member
        The map.
    alignment : Alignment
        How it lies.
    curve, before : Curve
        FSC with the reference after and before.
    ceiling : ndarray of float64 or None
        The highest FSC that the half maps allow.
    difference : Difference or None
        Difference map on the reference's grid.
    moved : ndarray of float32
        The aligned map on the reference's grid.
    seconds : float
        Of the alignment.
    """

    member: Member
    alignment: Alignment
    curve: Curve
    before: Curve
    ceiling: F64 | None
    difference: Difference | None
    moved: F32
    seconds: float


class Writer:
    """Writes the files of an alignment into its folder."""

    def __init__(self, params: AlignParams, folder: ResultFolder, reference: Member, check: Check) -> None:
        self.params, self.folder, self.reference, self.check = params, folder, reference, check
        self.grid = Grid3D.of(reference.volume)
        self.rows: list[dict[str, Any]] = []
        self.alignments: list[Alignment] = []
        self.script: list[str] = ["open reference.mrc"]
        for name in ("aligned", "masks", "fsc", *(("difference",) if params.difference else ())):
            (folder / name).mkdir()
        self._copy_reference()

    def _copy_reference(self) -> None:
        path, volume = self.reference.path, self.reference.volume
        target = self.folder / "reference.mrc"
        if path.suffix.lower() in (".mrc", ".map", ".ccp4") and path.is_file() and self.params.pixel_size is None:
            with whole(target) as beside:
                shutil.copyfile(path, beside)
        else:
            mrc.write_map(target, volume)

    # one map --------------------------------------------------------------------------------------------------------
    def add(self, member: Member, alignment: Alignment, seconds: float) -> Result:
        """Move a map and all that belongs to it, compare it with the reference, and write what came of it."""
        motion, size = alignment.motion, alignment.pose.size
        before = self._before(member)
        moved = self._moved_maps(member, motion, size)
        common = self._common_mask(member, motion, size)
        release(member.volume.data)
        reference = np.asarray(self.reference.volume.data, np.float32)
        curve = correlate(reference, moved, self.grid.pixel_size_A, common, seed=self.params.seed, check=self.check)
        limit = self._ceiling(member, curve)
        self._write_curve(member, curve, before, limit)
        self._write_search(member, alignment)
        result = Result(member, alignment, curve, before, limit, None, moved, seconds)
        # known from here on, also if the difference finds no room on the disk
        self.rows.append(self._row(result))
        self.script.append(self._open_line(result))
        self.alignments.append(alignment)
        if self.params.difference:
            release(member.volume.data)
            result.difference = self._difference(member, reference, moved, common, motion, size)
            self.rows[-1]["misregistration"] = result.difference.misregistration
        release(member.volume.data)
        return result

    def _before(self, member: Member) -> Curve:
        """Return the FSC of a map as it came; first of all, so that nothing else is held meanwhile."""
        still = move_map(member.volume.data, member.volume.pixel_size_A, STILL, self.grid, self.check)
        release(member.volume.data)
        reference = np.asarray(self.reference.volume.data, np.float32)
        curve = correlate(reference, still, self.grid.pixel_size_A, check=self.check)
        release(self.reference.volume.data)
        return curve

    def _moved_maps(self, member: Member, motion: RigidTransform, size: float) -> F32:
        """Write the map, its siblings and its mask in place; return the map on the reference's grid."""
        volume = member.volume
        pixel = volume.pixel_size_A * size
        own = Grid3D(volume.shape, pixel)
        grid = self.grid if self.params.on == "reference" or own.same_as(self.grid) else own
        origin = overlay_origin_A(self.reference.volume, grid)
        moved = move_map(np.asarray(volume.data, np.float32), pixel, motion, grid, self.check)
        mrc.write_map(self.folder / "aligned" / f"{member.name}.mrc", moved, grid.pixel_size_A, origin)
        for name, path in member.siblings:
            other = move_map(read_data(path), pixel, motion, grid, self.check)
            mrc.write_map(self.folder / "aligned" / f"{name}.mrc", other, grid.pixel_size_A, origin)
        if member.mask is not None:
            mask = move_mask(member.mask.data, pixel, motion, grid, self.check)
            mrc.write_map(self.folder / "masks" / f"{member.name}.mrc", mask, grid.pixel_size_A, origin)
        for name, path in member.masks:
            mask = move_mask(np.clip(read_data(path), 0, 1), pixel, motion, grid, self.check)
            mrc.write_map(self.folder / "masks" / f"{name}.mrc", mask, grid.pixel_size_A, origin)
        if not grid.same_as(self.grid):
            del moved
            moved = move_map(np.asarray(volume.data, np.float32), pixel, motion, self.grid, self.check)
        return moved

    def _common_mask(self, member: Member, motion: RigidTransform, size: float) -> F32 | None:
        """Return the soft union of both masks on the reference's grid; None if no mask is to be used or found."""
        if self.params.no_mask:
            return None
        first, second = self._mask_source(self.reference), self._mask_source(member)
        if first is None:
            return None
        mask = move_mask(*first, STILL, self.grid, self.check)
        if second is not None:
            data, pixel = second
            np.maximum(mask, move_mask(data, pixel * size, motion, self.grid, self.check), out=mask)
        return mask

    def _mask_source(self, member: Member) -> tuple[F32, float] | None:
        """Return the mask given for a map, or the automatic one on its coarse grid, with its pixel size."""
        if member.mask is not None and member.mask_given:
            return np.asarray(member.mask.data), member.mask.pixel_size_A
        return member.found_mask

    def _ceiling(self, member: Member, curve: Curve) -> F64 | None:
        if self.reference.halves is None or member.halves is None:
            return None
        own = [self._half_curve(self.reference), self._half_curve(member)]
        return ceiling(*(np.interp(curve.frequency_inv_A, c.frequency_inv_A, c.best, right=0.0) for c in own))

    def _half_curve(self, member: Member) -> Curve:
        assert member.halves is not None
        one, two = (read_data(p) for p in member.halves)
        mask = None if self.params.no_mask else automatic_mask(member.volume)
        return correlate(one, two, member.volume.pixel_size_A, mask, seed=self.params.seed, check=self.check)

    def _write_curve(self, member: Member, curve: Curve, before: Curve, limit: F64 | None) -> None:
        table = {
            "frequency_inv_A": curve.frequency_inv_A,
            "fsc_before": before.fsc,
            "fsc_after": curve.fsc,
            "fsc_masked": curve.masked,
            "fsc_corrected": curve.corrected,
            "half_bit": curve.half_bit,
        } | ({} if limit is None else {"fsc_ceiling": limit})
        write_table(self.folder / "fsc" / f"{member.name}.csv", table)

    def _write_search(self, member: Member, alignment: Alignment) -> None:
        """Write the score of every rotation tried, by its angle from the one found, for both hands."""
        found = alignment.search
        turns = np.einsum("ij,rij->r", alignment.pose.rotation, found.rotations)
        angle = np.degrees(np.arccos(np.clip((turns - 1) / 2, -1, 1)))
        count, hands = found.scores.shape
        table = {"angle_deg": np.repeat(angle, hands), "score": found.scores.ravel()}
        # of one hand alone, it is the one taken: that of the start, or the map's own
        table["flipped"] = np.tile(np.arange(hands) if hands > 1 else [int(alignment.pose.flipped)], count)
        (self.folder / "search").mkdir(exist_ok=True)
        write_table(self.folder / "search" / f"{member.name}.csv", table, 5)

    def _difference(
        self, member: Member, reference: F32, moved: F32, mask: F32 | None, motion: RigidTransform, size: float
    ) -> Difference:
        noises = [self._noise_of(self.reference, STILL, 1.0), self._noise_of(member, motion, size)]
        resolution = self.params.lowpass
        found = subtract(
            reference, moved, self.grid.pixel_size_A, mask, resolution_A=resolution, match=self.params.match,
            noise_ref=noises[0], noise_map=noises[1], check=self.check,
        )  # fmt: skip
        release(self.reference.volume.data)
        origin = self.reference.volume.origin_A
        pixel = self.grid.pixel_size_A
        place = self.folder / "difference"
        mrc.write_map(place / f"{member.name}.mrc", found.data, pixel, origin)
        mrc.write_map(place / f"{member.name}_z.mrc", found.z, pixel, origin)
        table = find_blobs(found.data, found.z, found.reference, pixel, found.resolution_A, origin)
        write_table(place / f"{member.name}_blobs.csv", table)
        if found.is_misregistered:
            self.folder.warn(
                f"the difference of {member.name} is dominated by residual misregistration (correlation "
                f"{found.misregistration:.2f} with a small motion): do not read it as a change of structure"
            )
        return found

    def _noise_of(self, member: Member, motion: RigidTransform, size: float) -> F32 | None:
        if member.halves is None:
            return None
        one, two = (read_data(p) for p in member.halves)
        half = np.asarray((one - two) / 2, np.float32)
        return move_map(half, member.volume.pixel_size_A * size, motion, self.grid, self.check)

    # tables ---------------------------------------------------------------------------------------------------------
    def _row(self, result: Result) -> dict[str, Any]:
        a, member = result.alignment, result.member
        quaternion = conventions.matrix_to_quaternion(a.pose.rotation)[0]
        sine = float(np.linalg.norm(quaternion[1:]))
        angle = 2 * np.arctan2(sine, quaternion[0])
        axis = quaternion[1:] / sine if sine > 0 else np.array([0.0, 0.0, 1.0])
        reference, volume = self.reference.volume, member.volume
        centres = [conventions.box_centre_A(v.shape, v.pixel_size_A, v.origin_A) for v in (reference, volume)]
        return {
            "name": member.name,
            "path": str(member.path),
            "rotation": a.pose.rotation,
            "translation_A": a.motion.translation_A,
            "hand_flipped": a.motion.hand_flipped,
            "matrix": a.motion.matrix,
            "euler_zyz_deg": conventions.matrix_to_euler(a.pose.rotation.T)[0],
            "axis_angle": [*axis.tolist(), float(np.degrees(angle))],
            "angle_deg": float(np.degrees(angle)),
            "translation_px": a.motion.translation_A / reference.pixel_size_A,
            "chimerax_matrix": conventions.chimerax_matrix(
                a.pose.rotation, a.motion.translation_A, centres[0], centres[1]
            ),
            "cc_before": a.cc_before,
            "cc_after": a.cc_after,
            "cc_other_hand": a.cc_other_hand,
            "hand": a.hand,
            "hand_margin": a.hand_margin,
            "hand_sigma": a.hand_sigma,
            "place": a.same.place,
            "n_places": a.same.count,
            "place_sigma": a.same.sigma if np.isfinite(a.same.sigma) else None,
            "misregistration": None,
            "fsc_0.143_A": result.curve.resolution_A(0.143),
            "fsc_0.5_A": result.curve.resolution_A(0.5),
            "half_bit_A": result.curve.resolution_A(result.curve.half_bit),
            "sigma_angle_deg": a.sigma_angle_deg,
            "sigma_shift_A": a.sigma_shift_A,
            "magnification": a.pose.size,
            "siblings": [name for name, _ in member.siblings],
            "mask": str(member.mask.source) if member.mask is not None else None,
            "seconds": round(result.seconds, 3),
        }

    def _open_line(self, result: Result) -> str:
        """Return the command that opens a map where it belongs: the input with its matrix, or the aligned file."""
        member, a = result.member, result.alignment
        raw = files_bytes.suffixes(member.path)[0] in (".mrc", ".map", ".ccp4") and self.params.pixel_size is None
        number = len(self.script) + 1
        if a.motion.hand_flipped or not raw or a.pose.size != 1:
            return f'open "aligned/{member.name}.mrc"'
        matrix = np.asarray(self.rows[-1]["chimerax_matrix"]).ravel()
        numbers = ",".join(f"{v:.6f}" for v in matrix)
        return f'open "{member.path.resolve()}"\nview matrix models #{number},{numbers}'

    def write_tables(self) -> None:
        """Write transforms.json and align.cxc of what is finished."""
        text = json.dumps(plain(self.rows), indent=1, allow_nan=False, ensure_ascii=False)
        with whole(self.folder / "transforms.json") as beside:
            beside.write_text(text + "\n", encoding="utf-8")
        head = "# opens the reference and the aligned maps in ChimeraX; run it from this folder\n"
        with whole(self.folder / "align.cxc") as beside:
            beside.write_text(head + "\n".join(self.script) + "\n", encoding="utf-8")


def release(data: F32) -> None:
    """Let the system take back the pages of a memory-mapped file until they are read again."""
    base: Any = data
    while base is not None and not isinstance(base, mmap.mmap):
        base = getattr(base, "base", None)
    if base is not None and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)


def paths_in(folder: ResultFolder, name: str) -> dict[str, str]:
    """Return where the files of a map are while the job runs."""
    known = {"aligned": f"aligned/{name}.mrc", "difference": f"difference/{name}.mrc", "fsc": f"fsc/{name}.csv"}
    return {key: str(folder / path) for key, path in known.items() if Path(folder / path).exists()}
