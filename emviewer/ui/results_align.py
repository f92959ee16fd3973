"""An alignment as the window holds it: the reference, and for each map its motion, files, curves and differences.

The jobs ``align``, ``difference`` and ``fsc`` all become an :class:`Alignment`; panels show what of it is there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import FileError
from emviewer.engine.types import F64, RigidTransform
from emviewer.ui.workspace import Document

KEY = "_align"
"""Where a document keeps its :class:`Alignment`."""
JOBS = ("align", "difference", "fsc")
SUFFIXES = (".mrc", ".map", ".mrc.gz")


@dataclass(eq=False)
class AlignedMap:
    """One map of an alignment.

    Parameters
    ----------
    name : str
        As in ``transforms.json``.
    facts : dict
        Its object there; empty while it is unknown.
    moving : Path or None
        The map as it came.
    aligned, difference, z_scores : Path or None
        What was written.
    curves : DataFrame or None
        ``frequency_inv_A`` and shell correlations ``fsc_…``.
    blobs : DataFrame or None
        Pieces of the difference; None if the job wrote none.
    search : DataFrame or None
        ``angle_deg, score, flipped`` of the rotations tried.
    by_hand : RigidTransform or None
        Motion set by hand; it is shown in place of the one found.
    stage : str
        What the job is doing with it.
    """

    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    moving: Path | None = None
    aligned: Path | None = None
    difference: Path | None = None
    z_scores: Path | None = None
    curves: pd.DataFrame | None = None
    blobs: pd.DataFrame | None = None
    search: pd.DataFrame | None = None
    by_hand: RigidTransform | None = None
    stage: str = ""

    @property
    def found(self) -> RigidTransform | None:
        """The motion that the job found, None while there is none."""
        return motion_of(self.facts)

    @property
    def size(self) -> float:
        """The factor of the map's pixel size that the job found."""
        return float(self.facts.get("magnification") or 1.0)

    @property
    def motion(self) -> RigidTransform | None:
        """The motion shown: that set by hand, else the one found."""
        return self.by_hand or self.found


@dataclass(eq=False)
class Alignment:
    """What an align, difference or fsc job found, finished or still growing.

    Parameters
    ----------
    job : str
        ``align``, ``difference`` or ``fsc``.
    folder : Path or None
        Where it is; None while it runs.
    reference : Path or None
        The map that the others lie on.
    maps : dict
        By name, in the order of the job.
    shown : str
        The map that panels show.
    """

    job: str = "align"
    folder: Path | None = None
    reference: Path | None = None
    maps: dict[str, AlignedMap] = field(default_factory=dict)
    shown: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def current(self) -> AlignedMap | None:
        """The map shown."""
        return self.maps.get(self.shown)

    @property
    def told(self) -> tuple[float | None, float | None]:
        """Pixel size and resolution in Å that the reference and the aligned maps are to be read with.

        Those of the job where they are its inputs; what an alignment wrote tells them itself.
        """
        if self.job == "align":
            return None, None
        return self.parameters.get("pixel_size"), self.parameters.get("resolution")

    def add(self, name: str) -> AlignedMap:
        """Return the map of a name, made if it is new."""
        found = self.maps.setdefault(name, AlignedMap(name))
        self.shown = self.shown or name
        return found


def of(document: Document | None) -> Alignment | None:
    """Return the alignment that a document holds, None if it holds none."""
    found = None if document is None else document.info.get(KEY)
    return found if isinstance(found, Alignment) else None


def motion_of(facts: dict[str, Any]) -> RigidTransform | None:
    """Return the motion that an object of ``transforms.json`` describes: ``x' = M x + t``, M with the flip."""
    if "translation_A" not in facts or not {"matrix", "rotation"} & set(facts):
        return None
    matrix = np.asarray(facts.get("matrix", facts.get("rotation")), np.float64).reshape(3, 3)
    if facts.get("hand_flipped") and np.linalg.det(matrix) > 0:
        matrix = matrix @ np.diag([1.0, 1.0, -1.0])
    return RigidTransform(matrix, np.asarray(facts["translation_A"], np.float64).reshape(3))


def angle_deg(matrix: F64) -> float:
    """Return the angle of the rotation in a motion's matrix (after the flip, if it flips)."""
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(matrix))])
    return float(np.degrees(np.arccos(np.clip((np.trace(matrix @ flip) - 1) / 2, -1, 1))))


# reading ------------------------------------------------------------------------------------------------------------
def is_alignment(folder: Path, job: dict[str, Any]) -> bool:
    """Return whether a result folder holds maps compared in one frame."""
    kind = job.get("job")
    needed = {"align": "transforms.json", "difference": "difference.mrc", "fsc": "fsc.csv"}
    return kind in needed and (folder / needed[kind]).is_file()


def read_alignment(folder: Path, job: dict[str, Any], info: dict[str, Any]) -> Document:
    """Open the folder of an align, difference or fsc job.

    Parameters
    ----------
    folder : path
        Has job.json and what the job wrote.
    job : dict
        Contents of job.json.
    info : dict
        Lines of the information box that job.json gives.

    Raises
    ------
    FileError
        Its tables cannot be read.
    """
    inputs = [Path(entry["path"]) for entry in job.get("inputs", []) if "path" in entry]
    found = Alignment(str(job.get("job")), folder, parameters=job.get("parameters", {}))
    try:
        if found.job == "align":
            _read_align(found, folder, inputs)
        else:
            _read_pair(found, folder, inputs)
    except (ValueError, KeyError, TypeError, OSError) as err:
        raise FileError(f"the result cannot be read ({err})", folder, "run the job again") from err
    return Document("result", folder.name, folder, info=info | {KEY: found} | _facts(found, folder))


def _read_align(found: Alignment, folder: Path, inputs: list[Path]) -> None:
    reference = folder / "reference.mrc"
    found.reference = reference if reference.is_file() else inputs[0] if inputs else None
    by_stem = {_stem(path): path for path in reversed(inputs)}
    given = _inputs_of(found.parameters)
    for place, facts in enumerate(json.loads((folder / "transforms.json").read_text())):
        each = found.add(str(facts["name"]))
        each.facts = facts
        named = Path(facts["path"]) if "path" in facts else by_stem.get(each.name)
        if named is None or not named.exists():
            named = given[place + 1] if place + 1 < len(given) else None
        each.moving = named if named is not None and named.exists() else None
        read_files(each, folder)


def read_files(each: AlignedMap, folder: Path) -> None:
    """Find the files of a map in the folder of an align job, finished or still being written."""
    each.aligned = _there(folder / "aligned", each.name)
    each.difference = _there(folder / "difference", each.name)
    each.z_scores = _there(folder / "difference", f"{each.name}_z")
    each.curves = _table(folder / "fsc" / f"{each.name}.csv")
    each.blobs = _table(folder / "difference" / f"{each.name}_blobs.csv")
    search = _table(folder / "search" / f"{each.name}.csv")
    each.search = search if search is not None else each.search


def _read_pair(found: Alignment, folder: Path, inputs: list[Path]) -> None:
    given = _inputs_of(found.parameters) or inputs
    found.reference = next((p for p in given[:1] if p.exists()), None)
    second = given[1] if len(given) > 1 else None
    each = found.add(_stem(second) if second is not None else folder.name)
    each.moving = second if second is not None and second.exists() else None
    each.aligned = each.moving
    each.curves = _table(folder / "fsc.csv")
    each.blobs = _table(folder / "blobs.csv")
    each.difference, each.z_scores = _there(folder, "difference"), _there(folder, "difference_z")
    summary = folder / "summary.json"
    if summary.is_file():
        each.facts = {"misregistration": json.loads(summary.read_text()).get("misregistration", 0.0)}


def _inputs_of(parameters: dict[str, Any]) -> list[Path]:
    """Return the maps of a job's parameters, the reference first, whatever the two fields are called."""
    names = ("reference", "first", "map", "maps", "second")
    out: list[Path] = []
    for name in names:
        value = parameters.get(name)
        values: Iterable[Any] = value if isinstance(value, list) else [value]
        out += [Path(v) for v in values if isinstance(v, str)]
    return out


def is_there(source: Any) -> bool:
    """Return whether a map that a job was given can still be read: built in, or a file."""
    return str(source).startswith("phantom:") or Path(str(source)).exists()


def report_spec(found: Alignment | None) -> dict[str, Any] | None:
    """Return the spec of the report of a result; None while there is none."""
    return None if found is None or found.folder is None else {"kind": "align_report", "result": str(found.folder)}


def curves_file(found: Alignment) -> Path | None:
    """Return the table of the curves of the map shown; None while there is none."""
    if found.folder is None:
        return None
    file = found.folder / "fsc" / f"{found.shown}.csv" if found.job == "align" else found.folder / "fsc.csv"
    return file if file.is_file() else None


def _stem(path: Path) -> str:
    return path.name.split(".")[0] if path.name.endswith(".gz") else path.stem


def _there(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{s}" for s in SUFFIXES if (folder / f"{name}{s}").is_file()), None)


def _table(path: Path) -> pd.DataFrame | None:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:  # not made, or its folder was renamed just now because the job has ended
        return None


def _facts(found: Alignment, folder: Path) -> dict[str, str]:
    """Return lines for the information box."""
    out: dict[str, str] = {}
    for each in found.maps.values():
        motion = each.found
        if motion is not None:
            hand = str(each.facts.get("hand", "flipped" if motion.hand_flipped else "same"))
            shift = float(np.linalg.norm(motion.translation_A))
            out[f"Map {each.name}"] = f"{angle_deg(motion.matrix):.2f}°, {shift:.2f} Å, hand {hand}"
    summary = folder / "summary.json"
    if summary.is_file() and found.job != "align":
        from emviewer.ui.facts import summary_line

        values = json.loads(summary.read_text()).items()
        out |= dict(summary_line(n, v) for n, v in values if not isinstance(v, (dict, list)))
    return out


def answer(summary: dict[str, Any]) -> str:
    """Return what an align, difference or fsc job found, as a sentence; empty for other jobs."""
    if "n_aligned" in summary:
        n, flipped, open_ = (int(summary.get(k, 0)) for k in ("n_aligned", "n_flipped", "n_hand_undetermined"))
        text = f"{n} map{'s' * (n != 1)} aligned"
        if summary.get("mean_cc_after") is not None:
            text += f", correlation {summary['mean_cc_before']:.2f} before and {summary['mean_cc_after']:.2f} after"
        for count, word in ((flipped, "flipped"), (open_, "undetermined")):
            text += f", hand {word}" + (f" of {count}" if n > 1 else "") if count else ""
        return text + "."
    if "n_blobs" in summary:
        n = int(summary["n_blobs"])
        said = "1 piece stands" if n == 1 else f"{n or 'No'} pieces stand"
        return f"{said} out of the noise."
    if "half_bit_A" in summary and "nyquist_A" in summary:
        found = summary.get("fsc_0.5_A")
        return f"The maps agree to {found:.3g} Å (FSC 0.5)." if found else "The correlation never falls below 0.5."
    return ""
