"""A centring as the window holds it: classes with their centres, what a person changed, members, the particle shown.

The document of a centring (``document.info[KEY]``) has one row a class average: the current row of the workspace is the
current class, its selection the selected classes. The members are here; :class:`Links` says what changed of them:

- ``choices_changed(document)``: a centre was set, a class accepted or rejected; :attr:`Centering.now` is new;
- ``members_changed(document)``: members came, or stand elsewhere now (:attr:`Centering.moved` is new);
- ``particle_changed(document)``: another particle is the current one (:attr:`Centering.particle`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from emviewer.engine.types import ImageStack
from emviewer.ui.workspace import Document, Workspace

if TYPE_CHECKING:  # scipy and numba, which a window that centres nothing need not load
    from emviewer.engine.jobs.center_again import CenterResult, ClassCentres
    from emviewer.engine.jobs.center_inputs import CenterInputs
    from emviewer.engine.jobs.center_members import Members, Moved

KEY = "_center"
"""Where a document keeps its :class:`Centering`."""
HAND = "hand"
"""Method of a centre that a person set."""
ACCEPTED, REJECTED = "accepted", "rejected"
SPREAD = 20_000
"""Members whose displacements are drawn; more look the same."""


@dataclass(frozen=True)
class Choice:
    """The centre of one class and what a person said of it.

    Parameters
    ----------
    x_px, y_px : float
        Centre from ``n // 2`` of the average.
    psi_deg : float
        Turn in RELION's sense.
    confidence : float
        0 to 1, of the estimator.
    method : str
        Estimator, or ``hand``.
    alone : bool
        Whether the estimate is left alone unless a person accepts it.
    verdict : str
        ``accepted``, ``rejected`` or empty.
    """

    x_px: float
    y_px: float
    psi_deg: float
    confidence: float
    method: str
    alone: bool
    verdict: str = ""

    @property
    def moves(self) -> bool:
        """Whether the class and its members are moved."""
        return self.verdict == ACCEPTED or (self.verdict != REJECTED and not self.alone)


@dataclass(eq=False)
class Centering:
    """A centring, finished or still growing. Rows are class averages in the order of their file.

    Parameters
    ----------
    parameters : dict
        Of the job, as in ``job.json``.
    result : CenterResult or None
        What its folder holds; None while the job runs.
    inputs : CenterInputs or None
        Averages and members, read again; None before that, or if they have gone (``problem`` says why).
    numbers : ndarray of int64, shape (k,)
        What the members call each class.
    n_members : ndarray of int64, shape (k,)
        How many there are; -1 while the job runs.
    choices : list of Choice
        The centre of each class now.
    found : list of Choice
        What the job found.
    before : ImageStack or None
        The averages as they came; None before they were opened.
    pixel_size_A : float
        Of the averages.
    moved : Moved or None
        Where the members stand now; None before they were read.
    class_row : ndarray of int64, shape (n,)
        Row of each member's class, -1 where it has no average.
    particle : int or None
        The current member.
    problem : str
        Why members or averages could not be read.
    busy : bool
        Whether members are being read.
    figures : dict
        Key figures of the members as they stand now (``center_summary.key_figures``).
    hints : list of str
        Sentences about all members together.
    spread : ndarray of float64, shape (m, 2)
        Displacements of at most :data:`SPREAD` members, in micrograph pixels, for a plot.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    result: CenterResult | None = None
    inputs: CenterInputs | None = None
    numbers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    n_members: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    choices: list[Choice] = field(default_factory=list)
    found: list[Choice] = field(default_factory=list)
    before: ImageStack | None = None
    pixel_size_A: float = 1.0
    moved: Moved | None = None
    class_row: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    particle: int | None = None
    problem: str = ""
    busy: bool = False
    figures: dict[str, Any] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    spread: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    _groups: Groups | None = None

    def __len__(self) -> int:
        return len(self.choices)

    @property
    def members(self) -> Members | None:
        """The particles; ``None`` if there are none, or before they were read."""
        return None if self.inputs is None else self.inputs.members

    @property
    def with_members(self) -> bool:
        """Whether the classes came with members."""
        return bool((self.n_members > 0).any())

    @property
    def folder(self) -> Path | None:
        """Folder of the finished result."""
        return None if self.result is None else self.result.folder

    # classes --------------------------------------------------------------------------------------------------------
    @property
    def now(self) -> ClassCentres:
        """The centres as they stand, for the engine."""
        from emviewer.engine.jobs.center_again import ClassCentres

        c = self.choices
        return ClassCentres(
            np.array([(v.x_px, v.y_px) for v in c], np.float64).reshape(-1, 2),
            np.array([v.psi_deg for v in c], np.float64),
            np.array([v.confidence for v in c], np.float64),
            [v.method for v in c],
            np.array([not v.moves for v in c], bool),
        )

    def offset_px(self) -> NDArray[np.float64]:
        """Return the centre found in each class ``(x, y)`` in pixels of the average, moved or not, shape (k, 2)."""
        return np.array([(v.x_px, v.y_px) for v in self.choices], np.float64).reshape(-1, 2)

    def changed_rows(self) -> NDArray[np.int64]:
        """Return the classes that a person changed."""
        return np.array([i for i, (a, b) in enumerate(zip(self.choices, self.found, strict=True)) if a != b], np.int64)

    def by_hand(self, row: int) -> bool:
        """Whether a person set the centre of a class."""
        return self.choices[row].method == HAND

    # members --------------------------------------------------------------------------------------------------------
    def set_members(self, inputs: CenterInputs, class_row: NDArray[np.int64], groups: Groups | None) -> None:
        """Take members that were read, and sorted by :func:`grouped_members`, in a lane."""
        self.inputs, self.class_row, self._groups = inputs, class_row, groups

    def members_of_class(self, row: int) -> NDArray[np.int64]:
        """Return the members of a class; of -1 those without one."""
        return np.empty(0, np.int64) if self._groups is None else self._groups.by_class.rows(row)

    def members_of_micrograph(self, index: int) -> NDArray[np.int64]:
        """Return the members on a micrograph (index into ``members.micrographs``)."""
        return np.empty(0, np.int64) if self._groups is None else self._groups.by_micrograph.rows(index)


@dataclass(frozen=True, eq=False)
class Grouped:
    """Members sorted by something they belong to, numbered from 0; -1 is none.

    Parameters
    ----------
    order : ndarray of int64, shape (n,)
        Members, those of a group one after the other.
    first : ndarray of int64, shape (groups + 2,)
        Where each group begins, that of -1 first.
    """

    order: NDArray[np.int64]
    first: NDArray[np.int64]

    @classmethod
    def of(cls, which: NDArray[np.int64], count: int) -> Grouped:
        """Sort members by group; a million take 0.1 s."""
        order = np.argsort(which, kind="stable")
        return cls(order, np.searchsorted(which[order], np.arange(-1, count + 1)))

    def rows(self, index: int) -> NDArray[np.int64]:
        """Return the members of a group, in their order."""
        if not -1 <= index < len(self.first) - 2:
            return np.empty(0, np.int64)
        return self.order[self.first[index + 1] : self.first[index + 2]]


@dataclass(frozen=True, eq=False)
class Groups:
    """Members by class and by micrograph."""

    by_class: Grouped
    by_micrograph: Grouped


def grouped_members(members: Members, class_row: NDArray[np.int64], n_classes: int) -> Groups:
    """Sort members by class and by micrograph; for a lane."""
    return Groups(Grouped.of(class_row, n_classes), Grouped.of(members.micrograph, len(members.micrographs)))


class Links(QObject):
    """What the panels of a centring tell each other; one a workspace (:func:`links`)."""

    choices_changed = Signal(object)
    members_changed = Signal(object)
    particle_changed = Signal(object)

    def set_particle(self, document: Document, particle: int | None) -> None:
        """Make a member the current one; its class becomes the current row."""
        centering = of(document)
        if centering is None or centering.particle == particle:
            return
        centering.particle = particle
        workspace: Any = self.parent()
        if particle is not None and particle < len(centering.class_row) and centering.class_row[particle] >= 0:
            workspace.set_row(document, int(centering.class_row[particle]))
        self.particle_changed.emit(document)

    def choose(self, document: Document, text: str, rows: Iterable[int], choices: Iterable[Choice]) -> None:
        """Give classes other centres or verdicts, as one step for undo (``text`` says what was done)."""
        centering = of(document)
        if centering is None:
            return
        new = dict(zip((int(r) for r in rows), choices, strict=True))
        old = {row: centering.choices[row] for row in new}
        if new == old:
            return

        def put(values: dict[int, Choice]) -> None:
            current = of(document)
            if current is None:
                return
            for row, choice in values.items():
                if row < len(current.choices):
                    current.choices[row] = choice
            self.choices_changed.emit(document)

        workspace: Any = self.parent()
        workspace.edited.emit(text, lambda: put(new), lambda: put(old))


def links(workspace: Workspace) -> Links:
    """Return the links of a workspace, made when first asked for."""
    found = workspace.findChild(Links)
    return found if found is not None else Links(workspace)


def of(document: Document | None) -> Centering | None:
    """Return the centring that a document holds."""
    return None if document is None else document.info.get(KEY)


def answer(summary: dict[str, Any]) -> str:
    """Return what the summary of a centring answers, in a sentence; empty for other jobs."""
    if "n_classes_left_alone" not in summary:
        return ""
    alone = int(summary["n_classes_left_alone"])
    left = f"; {alone} of {summary['n_classes']} classes are left alone" if alone else ""
    if not summary.get("n_particles"):
        return f"{summary['n_classes']} classes were centred{left}."
    return (
        f"{summary['n_moved']} of {summary['n_particles']} particles move by 1 px or more, "
        f"{float(summary['mean_displacement_px']):.2f} px in the mean{left}."
    )


def choices_of(centres: ClassCentres) -> list[Choice]:
    """Return the centres of the engine as choices without a verdict."""
    return [
        Choice(float(x), float(y), float(psi), float(sure), method, bool(alone))
        for (x, y), psi, sure, method, alone in zip(
            centres.offset_px, centres.psi_deg, centres.confidence, centres.method, centres.alone, strict=True
        )
    ]
