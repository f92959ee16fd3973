"""The widgets of the centring panel, the order of its classes, and how they are drawn."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import QLabel, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from emviewer.ui import columns
from emviewer.ui.centering_editor import CenterEditor
from emviewer.ui.centering_header import CenteringHeader, SummaryStrip
from emviewer.ui.centering_members import MemberStrip
from emviewer.ui.centering_plots import ArrowPlot, DisplacementHistogram
from emviewer.ui.centering_read import decision
from emviewer.ui.centering_session import Centering, Choice
from emviewer.ui.centering_tiles import PairGrid
from emviewer.ui.pages import dim_words, pages_of
from emviewer.ui.panels.base import Panel
from emviewer.ui.panels.contrast_actions import ContrastActions
from emviewer.ui.panels.gallery_contrast import GalleryContrast
from emviewer.ui.panels.gallery_notice import Notice
from emviewer.ui.row_order import RowOrder
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.runner import Runner
from emviewer.ui.thumbnails import Thumbnails, TileStyle
from emviewer.ui.workspace import Workspace

EMPTY = (
    "No centring to show.\n\nOpen class averages (with their members, if there are any) and choose Centre, or open the "
    "folder of a centring."
)
NOTHING = "No class is like that."
LARGE_PX = 512
"""Edge of the picture in the editor, at least that of the average."""
BINS = 41


class CenteringLooks(ContrastActions, Panel):
    """The part of :class:`emviewer.ui.panels.centering.CenteringPanel` that decides nothing."""

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.sort_key, self.filter_key = "doubt", "all"
        self.rows = RowOrder()
        self.picker = RowPicker(workspace, self.rows, self)
        self.thumbnails = Thumbnails(runner, id(self), self)
        self.contrast = GalleryContrast(runner, id(self), self)
        self.contrast.shared = False
        self.levels = self.contrast.levels
        self.summary, self.header, self.notice = SummaryStrip(), CenteringHeader(), Notice()
        self.grid = PairGrid(self.picker, self.thumbnails)
        self.grid.caption = self._caption
        self.grid.choice = self._choice
        self.editor, self.caption = CenterEditor(), QLabel()
        self.histogram, self.arrows = DisplacementHistogram(), ArrowPlot()
        self.strip = MemberStrip(runner, id(self))
        self._build()
        self.setFocusProxy(self.grid)
        self.header.sort_wanted.connect(self._sort)
        self.header.filter_wanted.connect(self._filter)
        self.contrast.changed.connect(self._restyle)
        self.grid.tile_size_changed.connect(lambda _: self._restyle())
        self.thumbnails.failed.connect(lambda error: self.notice.say(f"{error}.", "error"))

    @property
    def centering(self) -> Centering | None:
        """The centring of the document."""
        raise NotImplementedError

    def _show_current(self) -> None:
        raise NotImplementedError

    def _build(self) -> None:
        plots = QSplitter(Qt.Orientation.Horizontal)
        for plot in (self.histogram, self.arrows):
            plots.addWidget(plot)
        plots.setChildrenCollapsible(False)
        self.caption.setTextFormat(Qt.TextFormat.RichText)
        self.caption.setWordWrap(True)
        self.caption.setContentsMargins(8, 2, 8, 2)
        self.caption.setAlignment(Qt.AlignmentFlag.AlignTop)
        # room for the longest it says, so that the pictures above keep their size
        self.caption.setMinimumHeight(3 * self.caption.fontMetrics().lineSpacing() + 4)
        self.caption.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(2, 2, 2, 0)
        column.setSpacing(2)
        column.addWidget(self.editor, 3)
        column.addWidget(self.caption)
        column.addWidget(self.strip)
        column.addWidget(plots, 2)
        self.nothing = dim_words(NOTHING)
        left = QWidget()
        self.left = QStackedLayout(left)
        self.left.addWidget(self.grid)
        self.left.addWidget(self.nothing)
        self.splitter = QSplitter(Qt.Orientation.Horizontal)
        self.splitter.addWidget(left)
        self.splitter.addWidget(side)
        self.splitter.setStretchFactor(0, 3)
        self.splitter.setStretchFactor(1, 2)
        self.splitter.setSizes([640, 460])
        self.splitter.setChildrenCollapsible(False)
        content = QWidget()
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        for part in (self.summary, self.header, self.notice):
            layout.addWidget(part)
        layout.addWidget(self.splitter, 1)
        self.empty = dim_words(EMPTY)
        self.pages = pages_of(self, self.empty, content)

    # classes --------------------------------------------------------------------------------------------------------
    def show_classes(self, centering: Centering | None) -> None:
        """Begin with another centring."""
        self.pages.setCurrentIndex(0 if centering is None else 1)
        self.rows.reset(np.empty(0, np.int64))
        self.thumbnails.set_stack(None)
        self.grid.forget_captions()
        self.show_plots(centering)

    def grow_classes(self, centering: Centering) -> None:
        """Show the classes that are there now; those that came since stand last until the job ends."""
        stack = centering.before
        moved_already = stack is None
        if stack is None and centering.result is not None:
            stack = centering.result.after
        if stack is not self.thumbnails.stack:
            same = (
                stack is not None and self.thumbnails.stack is not None and stack.source == self.thumbnails.stack.source
            )
            self.thumbnails.set_stack(stack, keep=same)
            if stack is not None:
                self.grid.box_px = stack.shape[0]
                self.contrast.reset(stack)
                self._restyle()
        found = centering.found
        if moved_already and found:
            self.grid.base_px = lambda position: _applied(found[position])
        else:
            self.grid.base_px = lambda position: (0.0, 0.0)
        k = len(centering)
        if k != len(self.rows.ids):
            self.rows.grow(np.arange(k, dtype=np.int64)) if k > len(self.rows.ids) else self.rows.reset(np.arange(k))
            self.arrange_rows()
        self.grid.forget_captions()
        self.picker.refresh()
        self.grid.grown()

    def _sort(self, key: str) -> None:
        self.sort_key = key
        self.arrange_rows()

    def _filter(self, key: str) -> None:
        self.filter_key = key
        self.arrange_rows()

    def arrange_rows(self) -> None:
        """Sort and filter the classes as they stand; they keep this order while they are changed."""
        centering = self.centering
        if centering is None:
            return
        choices, k = centering.choices, len(centering)
        far = np.hypot(*centering.offset_px().T) if k else np.empty(0)
        keys = {
            "doubt": [c.confidence for c in choices],
            "far": -far,
            "members": -centering.n_members[:k] if len(centering.n_members) >= k else np.zeros(k),
            "number": centering.numbers[:k],
        }
        self.rows.set_order(np.argsort(np.asarray(keys[self.sort_key]), kind="stable"), [])
        masks = {
            "alone": [not c.moves for c in choices],
            "moves": [c.moves for c in choices],
            "changed": [a != b for a, b in zip(choices, centering.found, strict=True)],
        }
        mask = masks.get(self.filter_key)
        self.rows.set_mask(None if mask is None else np.array(mask, bool))
        self.left.setCurrentIndex(0 if len(self.rows) or not k else 1)
        self.header.show_sorting(self.sort_key, self.filter_key)
        self.picker.refresh()
        self.grid.forget_captions()
        self.grid.relayout()

    def _choice(self, position: int) -> Choice | None:
        centering = self.centering
        return centering.choices[position] if centering is not None and position < len(centering) else None

    def _caption(self, position: int) -> tuple[str, ...]:
        centering = self.centering
        if centering is None or position >= len(centering):
            return ()
        c = centering.choices[position]
        length = float(np.hypot(c.x_px, c.y_px))
        count = int(centering.n_members[position]) if position < len(centering.n_members) else -1
        members = f" · {columns.grouped(count)}" if count >= 0 and centering.with_members else ""
        return f"{centering.numbers[position]}   {length:.1f} px", f"{c.method} {c.confidence:.2f}{members}"

    def show_count(self, selected: int) -> None:
        """Write how many classes are shown and selected."""
        k, shown = len(self.rows.ids), len(self.rows)
        words = f"{shown} of {k} classes" if shown != k else f"{k} class{'es' * (k != 1)}"
        self.summary.count.setText(words + (f", {selected} selected" if selected else ""))

    def show_caption(self, centering: Centering, row: int) -> None:
        """Write what is known of the current class."""
        c = centering.choices[row]
        length = float(np.hypot(c.x_px, c.y_px))
        turn = f" · turn {c.psi_deg:.1f}°" if c.psi_deg else ""
        far = f"{length:.2f} px = {length * centering.pixel_size_A:.2f} Å"
        old = centering.found[row] if row < len(centering.found) else c
        found = ""
        if (old.x_px, old.y_px) != (c.x_px, c.y_px):
            found = f" · found ({old.x_px:+.2f}, {old.y_px:+.2f}) by {old.method}"
        sure = "set by hand" if c.method == "hand" else f"{c.method}, confidence {c.confidence:.2f}"
        self.caption.setText(
            f"<b>Class {centering.numbers[row]}</b> · {decision(c)} · centre ({c.x_px:+.2f}, {c.y_px:+.2f}) px, "
            f"{far} · {sure}{turn}{found}"
        )

    # looks ----------------------------------------------------------------------------------------------------------
    def large_style(self, box_px: int) -> TileStyle:
        """Return how the average in the editor is painted."""
        size = max(box_px, round(LARGE_PX * self.devicePixelRatioF()))
        return self.contrast.style(size) or TileStyle(size)

    def _restyle(self) -> None:
        self.thumbnails.set_style(self.contrast.style(max(1, round(self.grid.edge() * self.devicePixelRatioF()))))
        self.grid.request()
        self._show_current()

    def show_plots(self, centering: Centering | None) -> None:
        """Draw how far and which way: the members if they are known, else the classes."""
        if centering is None or not len(centering):
            self.histogram.show_counts(np.empty(0), np.empty(0), np.empty(0), "Displacement", "")
            self.arrows.show_classes(np.empty((0, 2)), np.empty(0, bool), np.empty((0, 2)), [], "Which way")
            return
        offset = centering.offset_px()
        moves = np.array([c.moves for c in centering.choices], bool)
        bars = centering.figures.get("displacement_histogram")
        if bars:
            values = [np.asarray(bars[name], float) for name in ("edges_px", "x", "y")]
            self.histogram.show_counts(*_trimmed(*values), "Particles moved by, px", "particles")
        else:
            reach = max(3.0, float(np.abs(offset[moves]).max(initial=0.0)) * 1.05)
            edges = np.linspace(-reach, reach, BINS + 1)
            x, y = (np.histogram(offset[moves, a], edges)[0].astype(float) for a in (0, 1))
            self.histogram.show_counts(edges, x, y, "Classes moved by, px", "classes")
        members = centering.members
        ratio = 1.0
        if members is not None and len(members) and len(centering.spread):
            ratio = centering.pixel_size_A / float(members.micrograph_pixel()[0])
        labels = [
            f"class {n}: {np.hypot(*o):.1f} px, {decision(c)}"
            for n, o, c in zip(centering.numbers, offset, centering.choices, strict=False)
        ]
        self.arrows.show_classes(offset * ratio, moves, centering.spread, labels, "Which way")

    def do_toggle_shared_contrast(self) -> None:
        """Change between one contrast for all averages and one for each."""
        self.contrast.set_shared(not self.contrast.shared)

    def do_zoom_in(self) -> None:
        """Larger tiles."""
        self.grid.set_tile(round(self.grid.tile * 1.25))

    def do_zoom_out(self) -> None:
        """Smaller tiles."""
        self.grid.set_tile(round(self.grid.tile / 1.25))

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange) and hasattr(self, "arrows"):
            self.header.recolour()
            self.arrows.forget_dots()


def _applied(choice: Choice) -> tuple[float, float]:
    """Return by how much the job moved an average to its centre."""
    return (choice.x_px, choice.y_px) if choice.moves else (0.0, 0.0)


def _trimmed(edges: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the histogram without empty bins at its ends, at least five bins on either side of zero."""
    full = np.flatnonzero(x + y)
    middle = len(x) // 2
    reach = max(5, int(np.abs(full - middle).max(initial=0)) + 1)
    low, high = max(0, middle - reach), min(len(x), middle + reach + 1)
    return edges[low : high + 1], x[low:high], y[low:high]
