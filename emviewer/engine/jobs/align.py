"""The align job: bring maps, and all that belongs to them, onto a reference."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import numpy as np

from emviewer.engine.align3d_map import AlignMap, prepare_map
from emviewer.engine.align3d_pair import SHIFT_SHARE, Alignment, Options, align, finest_detail_A
from emviewer.engine.align3d_refine import FLIP, Pose3D
from emviewer.engine.conventions import euler_to_matrix
from emviewer.engine.errors import EmviewerError
from emviewer.engine.jobs.align_inputs import Member, Opener, attach, open_mask
from emviewer.engine.jobs.align_output import Result, Writer, paths_in
from emviewer.engine.jobs.align_params import HELP, TITLE, AlignParams
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.jobs.run import JobSpec
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch, Check, message
from emviewer.engine.types import F32, Map3D, RigidTransform

if TYPE_CHECKING:
    from emviewer.engine.jobs.align_particles import ParticleFile

NUMBERS = ("cc_before", "cc_after", "cc_other_hand", "sigma_angle_deg", "sigma_shift_A", "seconds")


def align_maps(params: AlignParams, folder: ResultFolder, *, check: Check, rng: np.random.Generator) -> Iterator[Batch]:
    """Align maps (see :class:`AlignParams`) into ``folder``.

    Yields
    ------
    Batch
        Rows are indices of maps; columns ``matrix`` (k, 3, 3), ``translation_A`` (k, 3) and the numbers of
        transforms.json; extra ``name`` and the paths of the files. Messages between bring ``matrix`` and
        ``translation_A`` of the best pose so far (plain lists), and ``map``, the index.
    """
    folder.summary |= {"n_maps": len(params.maps), "n_aligned": 0}
    yield message("opening the maps", 0, len(params.maps))
    run = _Run(params, folder, check)
    try:
        for i in range(len(run.members)):
            yield from run.one(i)
    finally:
        run.finish()


class _Run:
    def __init__(self, params: AlignParams, folder: ResultFolder, check: Check) -> None:
        self.params, self.folder, self.check = params, folder, check
        self.group = point_group(params.sym).rotations
        self.reference, self.members = _open(params, folder, check)
        self.particles: list[ParticleFile] = []
        if params.particles:
            from emviewer.engine.jobs.align_particles import open_particles

            self.particles = open_particles(params.particles, len(self.members), params.pixel_size, folder)
        self.writer = Writer(params, folder, self.reference, check)
        self.prepared: dict[float, AlignMap] = {}

    def one(self, index: int) -> Iterator[Batch]:
        """Align one map, move what belongs to it, write it."""
        member, total = self.members[index], len(self.members)
        start = time.perf_counter()
        self.folder.stage("prepare")
        yield message(f"preparing {member.name}", index, total, map=index)
        alignment = yield from self._align(member, index)
        self.folder.stage("move and compare")
        yield message(f"moving {member.name}", index, total, map=index, **_pose(alignment.pose))
        if index == total - 1:
            self.prepared.clear()
        result = self.writer.add(member, alignment, time.perf_counter() - start)
        self._move_particles(alignment, index)
        self._report(result, index)
        self._doubts(result)
        yield self._batch(result, index)

    def _align(self, member: Member, index: int) -> Generator[Batch, None, Alignment]:
        volume, reference = member.volume, self.reference.volume
        finest = finest_detail_A(volume.pixel_size_A, reference.pixel_size_A, self.params.lowpass)
        automatic = not self.params.no_mask
        if finest not in self.prepared:
            own = self._data(self.reference.mask)
            self.prepared[finest] = prepare_map(reference, own, finest, automatic=automatic, check=self.check)
            self.reference.found_mask = self.prepared[finest].found_mask
        moving = prepare_map(
            volume, self._data(member.mask if member.mask_given else None), finest, automatic=automatic,
            check=self.check,
        )  # fmt: skip
        member.found_mask = moving.found_mask
        box_A = max(v.box * v.pixel_size_A for v in (volume, reference))
        shift = min(self.params.max_shift or SHIFT_SHARE * box_A, box_A / 2)
        start = start_of(self.params, index)
        reach = shift if start is None else shift + float(np.linalg.norm(start.translation_A))
        options = Options(
            self.params.hands == "both", reach, self.params.max_angle, finest, self.params.fit_magnification,
            self.group, start, self.params.step,
        )  # fmt: skip
        steps = align(self.prepared[finest], moving, options, self.check)
        stage = ""
        while True:
            try:
                now, pose = next(steps)
            except StopIteration as end:
                self.folder.record["parameters"] |= {"max_shift": shift, "lowpass": finest}
                found: Alignment = end.value
                return found
            if now != stage:
                self.folder.stage(now)
                stage = now
            yield message(f"{now} {member.name}", index, len(self.members), map=index, **_pose(pose))

    def _data(self, mask: Map3D | None) -> F32 | None:
        if mask is None or self.params.no_mask:
            return None
        return np.asarray(mask.data, np.float32)

    def _move_particles(self, alignment: Alignment, index: int) -> None:
        """Move the particles of a map; a file of this map alone is written at once, others by :meth:`finish`."""
        if not self.particles:
            return
        from emviewer.engine.jobs.align_particles import move_particles, write_particles

        move_particles(self.particles, index, alignment.motion)
        for file in [f for f in self.particles if f.map_index == index]:
            write_particles(file, len(self.members), self.folder)
            self.particles.remove(file)

    def _report(self, result: Result, index: int) -> None:
        if self.params.report == "none":
            return
        self.folder.stage("report")
        from emviewer.engine.jobs import align_report

        align_report.draw(self.folder, self.params, self.reference, result, self.writer.rows[-1], index)

    def _doubts(self, result: Result) -> None:
        a, name = result.alignment, result.member.name
        if a.hand == "undetermined":
            self.folder.warn(
                f"the hand of {name} is undetermined: both hands fit equally well (correlation {a.cc_after:.3f} and "
                f"{a.cc_other_hand:.3f}); compare at a finer resolution"
            )
        elif np.isinf(a.hand_margin):
            self.folder.warn(
                f"the other hand of {name} was not found within the limits, so the hand found is taken uncompared; "
                "raise --max-angle or --max-shift to compare both"
            )
        if a.same.place == "undetermined":
            self.folder.warn(
                f"the place of {name} is undetermined: it fits equally well in others, and the reference does not look "
                "symmetric; the smallest rotation is taken, so look at it, or mask what both maps share"
            )
        elif a.same.place == "symmetric":
            self.folder.warn(
                f"the reference looks symmetric: {name} fits equally well turned by its symmetry, and the smallest "
                "rotation is taken; give --sym to say so"
            )
        if a.cc_after < 0.3:
            self.folder.warn(f"{name} hardly resembles the reference (correlation {a.cc_after:.2f}): look at it")

    def _batch(self, result: Result, index: int) -> Batch:
        row, name = self.writer.rows[-1], result.member.name
        columns = {key: np.array([np.nan if row[key] is None else row[key]], float) for key in NUMBERS}
        columns["matrix"] = np.asarray(row["matrix"], float)[None]
        columns["translation_A"] = np.asarray(row["translation_A"], float)[None]
        extra = {"name": name, "hand": row["hand"], "hand_flipped": row["hand_flipped"], **paths_in(self.folder, name)}
        return Batch(np.array([index]), columns, index + 1, len(self.members), f"aligned {name}", extra)

    def finish(self) -> None:
        """Write the tables, the particles not written yet and the summary of what is finished."""
        self.folder.stage("write")
        alignments = self.writer.alignments
        if not alignments:
            return
        self.writer.write_tables()
        if self.particles:
            from emviewer.engine.jobs.align_particles import write_particles

            for file in self.particles:
                write_particles(file, len(self.members), self.folder)
        hands = [a.hand for a in alignments]
        self.folder.summary |= {
            "n_aligned": len(alignments),
            "n_flipped": sum(a.motion.hand_flipped for a in alignments),
            "n_hand_undetermined": hands.count("undetermined"),
            "n_place_undetermined": [a.same.place for a in alignments].count("undetermined"),
            "mean_cc_before": float(np.mean([a.cc_before for a in alignments])),
            "mean_cc_after": float(np.mean([a.cc_after for a in alignments])),
            "fsc_is": "between each map and the reference, not a resolution",
        }


def start_of(params: AlignParams, index: int) -> RigidTransform | None:
    """Return where a map begins, None if it is looked for everywhere."""
    given = params.start[index] if params.start else ()
    if not given:
        return None
    rotation = euler_to_matrix(*(np.array([v]) for v in given[:3]))[0].T
    return RigidTransform(rotation @ FLIP if given[6] else rotation, np.array(given[3:6]))


def _pose(pose: Pose3D | None) -> dict[str, object]:
    if pose is None:
        return {}
    return {"matrix": pose.matrix.tolist(), "translation_A": pose.translation_A.tolist()}


def _open(params: AlignParams, folder: ResultFolder, check: Check) -> tuple[Member, list[Member]]:
    """Open reference, maps, masks and what lies beside them.

    Raises
    ------
    EmviewerError
        Something cannot be read or does not fit.
    """
    opener = Opener(folder, params.pixel_size, params.resolution, check)
    volumes = opener.open([params.reference, *params.maps])
    reference = Member("reference", params.reference, volumes[0])
    if params.ref_mask is not None:
        reference.mask = open_mask(params.ref_mask, reference.volume, "the reference")
        reference.mask_given = True
    members = []
    for i, path in enumerate(params.maps):
        member = Member(opener.name(path), path, volumes[i + 1])
        if params.mask:
            mask = params.mask[i] if len(params.mask) > 1 else params.mask[0]
            member.mask = open_mask(mask, member.volume, f"the map {member.name}")
            member.mask_given = True
        members.append(member)
    if len(params.mask) == 1 and len(members) > 1:
        folder.warn("one mask for several maps is right only if they share a frame already")
    if params.siblings == "auto" or params.also:
        # a file that is itself given as a map is nobody's sibling; the reference comes last as it takes no names
        leave = [*params.leave, params.reference, *params.maps]
        for number, member in (*enumerate(members, 1), (0, reference)):
            own = member.mask
            try:
                attach(
                    member, opener, folder.warn, leave=leave, also=params.beside(number),
                    look=params.siblings == "auto",
                )  # fmt: skip
            except EmviewerError as err:
                folder.warn(f"what lies beside {member.path} is left: {err.what}")
            if member is reference:
                member.mask = own
    return reference, members


SPEC = JobSpec("align", TITLE, HELP, AlignParams, align_maps)
