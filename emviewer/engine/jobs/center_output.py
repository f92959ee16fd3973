"""Write what centring found: tables of classes, members, micrographs, coordinates, the key figures, the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine import star
from emviewer.engine.centering import Centres
from emviewer.engine.files_unused import each_its_own
from emviewer.engine.files_whole import whole
from emviewer.engine.jobs.center_classes import Classes
from emviewer.engine.jobs.center_inputs import WRITERS, CenterInputs
from emviewer.engine.jobs.center_members import Members, Moved
from emviewer.engine.jobs.center_params import CenterParams
from emviewer.engine.jobs.center_report import draw_report
from emviewer.engine.jobs.center_summary import MEANINGFUL_PX, hints, key_figures
from emviewer.engine.jobs.folder import ResultFolder
from emviewer.engine.task import Check
from emviewer.engine.types import F32, F64


@dataclass(frozen=True, eq=False)
class Result:
    """Everything that centring found."""

    params: CenterParams
    inputs: CenterInputs
    centres: Centres
    alone: NDArray[np.bool_]
    offset_px: F64
    psi_deg: F64
    moved: Moved | None

    @property
    def classes(self) -> Classes:
        """The class averages."""
        return self.inputs.classes

    @property
    def pixel_size_A(self) -> float:
        """Of the class averages."""
        return self.inputs.pixel_size_A

    @property
    def members(self) -> Members | None:
        """Their particles."""
        return self.inputs.members


def write(result: Result, folder: ResultFolder, check: Check) -> None:
    """Write all tables and the summary."""
    members, moved = result.members, result.moved
    folder.summary |= {
        "n_classes": result.classes.stack.n, "n_particles": 0, "n_moved": 0, "fraction_moved": 0.0,
        "mean_displacement_px": 0.0, "mean_displacement_A": 0.0, "n_out_of_bounds": 0,
        "n_classes_left_alone": int(result.alone.sum()), "pixel_size_A": result.pixel_size_A,
        "sources": _sources(result),
    }  # fmt: skip
    star.write_star(folder / "classes.star", {"classes": _class_table(result)})
    _say_classes(result, folder)
    if members is None or moved is None:
        return
    folder.summary |= key_figures(members, moved)
    for sentence in hints(members, moved):
        folder.warn(sentence)
    check()
    store = result.params.store
    extract, in_place = WRITERS[result.inputs.form](folder.path, members, moved, store, result.params.rotate)
    if members.coordinate_px is None and store != "alignment":
        folder.warn("the particles have no coordinates: the whole displacement is in the origins")
    elif store != "alignment":
        folder.warn(
            f"{extract.name} is for re-extraction at its new coordinates; use {in_place.name} with the present images"
        )
    check()
    if moved.centre_px is not None and members.micrographs:
        write_coordinates(members, moved, folder / "coordinates", check)
        with whole(folder / "micrographs.csv") as beside:
            _micrographs(members, moved).to_csv(beside, index=False, float_format="%.6g")


def _sources(result: Result) -> dict[str, str]:
    """Return where the inputs stand, so that a result can be gone on with from anywhere."""
    p = result.params
    found = {
        "classes": p.classes, "particles": result.inputs.table, "passthrough": p.passthrough,
        "micrographs": p.micrographs, "map": p.map, "project_dir": p.project_dir,
    }  # fmt: skip
    built_in = str(p.map).startswith("phantom:")
    return {
        name: str(path) if name == "map" and built_in else str(path.expanduser().absolute())
        for name, path in found.items()
        if path is not None
    }


def _class_table(result: Result) -> pd.DataFrame:
    k = result.classes.stack.n
    shift = -result.offset_px * result.pixel_size_A
    shift[shift == 0] = 0.0  # no -0
    count = np.zeros(k, np.int64)
    if result.members is not None:
        order = np.argsort(result.classes.numbers, kind="stable")
        ordered = result.classes.numbers[order]
        place = np.clip(np.searchsorted(ordered, result.members.class_number), 0, k - 1)
        known = ordered[place] == result.members.class_number
        count = np.bincount(order[place[known]], minlength=k)
    table = pd.DataFrame(
        {
            "class": result.classes.numbers,
            "shift_x_A": shift[:, 0],
            "shift_y_A": shift[:, 1],
            "psi_deg": result.psi_deg,
            "method": result.centres.method,
            "confidence": result.centres.confidence,
            "displacement_px": np.hypot(*result.offset_px.T),
            "found_x_px": result.centres.offset_px[:, 0],
            "found_y_px": result.centres.offset_px[:, 1],
            "left_alone": result.alone.astype(np.int64),
            "n_members": count,
            "rlnReferenceImage": [f"{i + 1:06d}@centered_classes.mrcs" for i in range(k)],
        }
    )
    return table.astype({"method": "str"})


def _say_classes(result: Result, folder: ResultFolder) -> None:
    alone, k = int(result.alone.sum()), result.classes.stack.n
    if alone:
        numbers = ", ".join(str(c) for c in result.classes.numbers[result.alone][:8])
        folder.warn(
            f"{alone} of {k} classes are left as they are, their centre is not sure or too far off: "
            f"{numbers}{' …' if alone > 8 else ''}"
        )


def write_coordinates(members: Members, moved: Moved, target: Path, check: Check) -> None:
    """Write one table of places a micrograph into the new folder ``target``: the centres that are known."""
    assert moved.centre_px is not None
    target.mkdir(parents=True)
    order = np.argsort(members.micrograph, kind="stable")
    first = np.searchsorted(members.micrograph[order], np.arange(len(members.micrographs) + 1))
    files = each_its_own(Path(name).stem for name in members.micrographs)
    heads = ("rlnCoordinateX", "rlnCoordinateY", "rlnClassNumber", "rlnAnglePsi", "emvOutOfBounds")
    head = "\n# version 30001\n\ndata_\n\nloop_\n" + "".join(f"_{h} #{i}\n" for i, h in enumerate(heads, 1))
    psi = np.nan_to_num(moved.psi_deg)
    for i, file in enumerate(files):
        if i % 50 == 0:
            check()
        rows = order[first[i] : first[i + 1]]
        rows = rows[np.isfinite(moved.centre_px[rows]).all(axis=1)]
        lines = [
            f"{x:.3f} {y:.3f} {c} {p:.4f} {o}\n"
            for x, y, c, p, o in zip(
                *moved.centre_px[rows].T.tolist(), members.class_number[rows].tolist(), psi[rows].tolist(),
                moved.outside[rows].astype(int).tolist(), strict=True,
            )
        ]  # fmt: skip
        with whole(target / f"{file}.star") as beside:
            beside.write_text(head + "".join(lines) + "\n", encoding="utf-8")


def _micrographs(members: Members, moved: Moved) -> pd.DataFrame:
    m = len(members.micrographs)
    named = members.micrograph >= 0
    at = members.micrograph[named]
    count = np.maximum(np.bincount(at, minlength=m), 1)

    def total(values: NDArray[np.float64] | NDArray[np.bool_]) -> F64:
        return np.asarray(np.bincount(at, values[named].astype(np.float64), m), np.float64)

    length = np.hypot(*moved.moved_px.T)
    return pd.DataFrame(
        {
            "micrograph": members.micrographs,
            "n_particles": np.bincount(at, minlength=m),
            "n_moved": total(length >= MEANINGFUL_PX).astype(np.int64),
            "mean_displacement_px": total(length) / count,
            "mean_dx_px": total(moved.moved_px[:, 0]) / count,
            "mean_dy_px": total(moved.moved_px[:, 1]) / count,
            "n_out_of_bounds": total(moved.outside).astype(np.int64),
            "width_px": members.micrograph_shape[:, 0],
            "height_px": members.micrograph_shape[:, 1],
            "pixel_size_A": members.micrograph_px_A,
            "path": ["" if p is None else str(p.absolute()) for p in members.micrograph_path or [None] * m],
        }
    )


def report(result: Result, images: F32, folder: ResultFolder) -> None:
    """Write report.png and report.pdf, as asked."""
    from emviewer.engine.mrc import read_stack

    pictures = images, read_stack(folder / "centered_classes.mrcs")[:]
    found = result.centres
    classes = found.offset_px, found.confidence, found.method
    page = draw_report(
        result.params.classes.name, result.inputs, pictures, classes, result.alone, result.moved, folder.summary,
        folder.warnings,
    )  # fmt: skip
    folder.save_page(page, result.params.report)
