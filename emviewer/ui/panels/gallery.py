"""The gallery: every image of a stack as a tile, filling while a job runs."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QStackedLayout, QVBoxLayout, QWidget

from emviewer.ui import columns
from emviewer.ui.panels.gallery_captions import VIEW, Captions
from emviewer.ui.panels.gallery_figure import page_spec
from emviewer.ui.panels.gallery_grid import TileGrid
from emviewer.ui.panels.gallery_header import GalleryHeader
from emviewer.ui.panels.rows_panel import RowsPanel
from emviewer.ui.row_order import ROW_NUMBER
from emviewer.ui.runner import Runner
from emviewer.ui.workspace import Document, Workspace

EMPTY = "No images to show.\n\nOpen a stack or a table of images, or run a gallery from a map."
WAITING = "Waiting for the first images…"


class GalleryPanel(RowsPanel):
    """Grid of tiles with captions, selection, contrast and export."""

    kind = "gallery"
    heading = "Gallery"

    def __init__(self, workspace: Workspace, runner: Runner, parent: QWidget | None = None) -> None:
        super().__init__(workspace, runner, parent)
        self.header = GalleryHeader()
        self.captions = Captions()
        self.grid = TileGrid(self.picker, self.thumbnails)
        self.grid.caption = self.captions
        self.message = QLabel(EMPTY)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setObjectName("dim")
        self.message.setWordWrap(True)
        self._arrange()
        self._connect()
        self.setFocusProxy(self.grid)
        self.header.show_tile(self.grid.tile)
        self._reset()

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return document.kind in ("images", "result") and (document.stack is not None or document.streaming)

    def _arrange(self) -> None:
        self.pages = QStackedLayout()
        self.pages.addWidget(self.message)
        self.pages.addWidget(self.grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.header)
        layout.addWidget(self.notice)
        layout.addLayout(self.pages, 1)

    def _connect(self) -> None:
        self.picker.changed.connect(self._show_count)
        self.picker.current_moved.connect(self._move_to)
        self.grid.activated.connect(self.open_large)
        self.grid.menu_wanted.connect(self.show_menu)
        self.grid.hovered.connect(self._hover)
        self.grid.tile_size_changed.connect(self._tile_changed)
        self.header.tile_wanted.connect(self.grid.set_tile)
        self.header.sort_wanted.connect(lambda key, up: self.sort([(key, up)] if key else []))
        self.header.caption_toggled.connect(self._toggle_caption)
        self.header.shared_wanted.connect(self.contrast.set_shared)
        self.header.command.connect(self.do)
        self.header.low_pass_wanted.connect(self._set_low_pass)
        self.contrast.changed.connect(self._restyle)

    # the document ---------------------------------------------------------------------------------------------------
    def _reset(self) -> None:
        if self.stack is not None:
            height, width = self.stack.shape
            self.grid.aspect = width / height
            self.header.show_unit("Å" if self.stack.pixel_size_known else "px")
        self.captions.set_table(self.table, defaults=True)
        self.grid.caption_lines = len(self.captions.fields)
        self.grid.forget_captions()
        self.contrast.spectrum = False
        self.contrast.reset(self.stack)
        self.grid.verticalScrollBar().setValue(0)
        self._show_menus()
        self._show_page()
        self._restyle()
        self.grid.relayout()
        if self.picker.current is not None:
            self.grid.scroll_to(self.picker.current)

    def _grown(self) -> None:
        if self.stack is not None and self.stack.n and self.grid.aspect != self.stack.shape[1] / self.stack.shape[0]:
            self.grid.aspect = self.stack.shape[1] / self.stack.shape[0]
        before = list(self.captions.choices())
        self.captions.set_table(self.table, defaults=False)
        if self.captions.choices() != before:
            self.grid.forget_captions()
            self._show_menus()
        self.contrast.follow(self.stack)
        self._show_page()
        self._show_count()
        self.grid.grown()

    def _reordered(self) -> None:
        self._show_menus()
        self.grid.verticalScrollBar().setValue(0)
        self.grid.relayout()

    def _move_to(self, place: int) -> None:
        self.grid.scroll_to(place)

    def _show_page(self) -> None:
        waiting = self.document is not None and self.document.streaming
        self.message.setText(WAITING if waiting else EMPTY)
        self.pages.setCurrentIndex(1 if len(self.rows) and self.stack is not None else 0)

    def _show_menus(self) -> None:
        key, ascending = self.rows.keys[0] if self.rows.keys else ("", True)
        choices = [(name, text) for name, text in self.captions.choices() if name not in (ROW_NUMBER, VIEW)]
        self.header.show_sorting(choices, key, ascending, columns.heading(key)[0] if key else "")
        self.header.show_captions(self.captions.choices(), self.captions.fields)

    def _show_count(self) -> None:
        document = self.document
        partial = document is not None and document.info.get("Status") == "partial"
        self.header.show_count(self.count_text() + (", partial" if partial else ""))

    # looks ----------------------------------------------------------------------------------------------------------
    def _restyle(self) -> None:
        self.thumbnails.set_style(self.contrast.style(max(1, round(self.grid.tile * self.devicePixelRatioF()))))
        self.header.show_contrast(
            shared=self.contrast.shared,
            inverted=self.contrast.contrast.inverted,
            spectrum=self.contrast.spectrum,
            low_pass_A=self.contrast.low_pass_A,
        )
        self.grid.request()

    def _tile_changed(self, size: int) -> None:
        self.header.show_tile(size)
        self._restyle()

    def _toggle_caption(self, name: str) -> None:
        self.captions.toggle(name)
        self.grid.caption_lines = len(self.captions.fields)
        self.grid.forget_captions()
        self._show_menus()
        self.grid.relayout()

    def _set_low_pass(self, cutoff_A: float) -> None:
        self.contrast.low_pass_A = cutoff_A
        self._restyle()

    def _hover(self, place: int) -> None:
        if place < 0:
            self.status.emit("")
            return
        self.status.emit("   ".join(self.captions(int(self.rows.shown[place]))))

    # actions --------------------------------------------------------------------------------------------------------
    def do_spectrum(self) -> None:
        self.contrast.spectrum = not self.contrast.spectrum
        self._restyle()

    def do_zoom_in(self) -> None:
        self.grid.set_tile(round(self.grid.tile * 1.25))

    def do_zoom_out(self) -> None:
        self.grid.set_tile(round(self.grid.tile / 1.25))

    def do_zoom_fit(self) -> None:
        """Make all tiles fit on the page, if they can."""
        self.grid.set_tile(self.grid.fitting_tile())

    def do_zoom_actual(self) -> None:
        """Show one pixel of the images as one pixel of the screen."""
        if self.stack is not None:
            self.grid.set_tile(round(max(self.stack.shape) / self.devicePixelRatioF()))

    def do_previous(self) -> None:
        self.grid.go(-1)

    def do_next(self) -> None:
        self.grid.go(1)

    def do_previous_page(self) -> None:
        self.grid.go(-self.grid.columns * self.grid.page)

    def do_next_page(self) -> None:
        self.grid.go(self.grid.columns * self.grid.page)

    def do_first(self) -> None:
        self.grid.go(-len(self.rows))

    def do_last(self) -> None:
        self.grid.go(len(self.rows))

    # the window's questions -----------------------------------------------------------------------------------------
    def picture_widget(self) -> QWidget:
        return self.grid.viewport()

    def figure_spec(self) -> dict[str, Any] | None:
        return page_spec(self.document, self.grid, self.captions, self.contrast)

    def state(self) -> dict[str, Any]:
        return {
            "tile": self.grid.tile,
            "captions": list(self.captions.fields),
            "sort": [list(key) for key in self.rows.keys],
            "contrast": self.contrast.state(),
            "first": self.rows.id_at(self.grid.visible()[0]) if len(self.rows) else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        known = {name for name, _ in self.captions.choices()}
        if "captions" in state:
            self.captions.fields = [name for name in state["captions"] if name in known]
            self.grid.caption_lines = len(self.captions.fields)
            self.grid.forget_captions()
        self.contrast.restore(state.get("contrast", {}))
        self.grid.set_tile(int(state.get("tile", self.grid.tile)))
        keys = [(str(name), bool(up)) for name, up in state.get("sort", []) if name in known]
        if keys:
            self.sort(keys)
        place = self.rows.place_of(state.get("first"))
        self._show_menus()
        self.grid.relayout()
        if place is not None:
            self.grid.show_first(place)
