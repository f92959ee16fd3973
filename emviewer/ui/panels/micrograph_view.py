"""The picture in the micrograph panel: asked for, shown, sharpened where one looks, its contrast and its folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QFileDialog

from emviewer.engine.micrograph import Piece
from emviewer.engine.micrograph_view import Look, Shown
from emviewer.engine.types import Contrast
from emviewer.ui import micrograph_folders


class MicrographView:
    """Mix-in of the micrograph panel."""

    def _ask_picture(self: Any) -> None:
        if self.source is None or self.index < 0:
            return
        picks, index = self.source.picks, self.index
        name, known = self._file(index)
        self.pictures.show(
            name, known, float(picks.pixel_A[index]), self._look(),
            lambda shown: self._got_picture(index, shown), lambda error: self._no_picture(index, error),
        )  # fmt: skip

    def _look(self: Any) -> Look:
        """Return how micrographs are shown; TIFF files are turned only where the table counts their rows so."""
        look = self.picture_form.look()
        turns = self.source is not None and self.source.of_relion
        return replace(look, upside_down=False) if look.upside_down is None and not turns else look

    def _file(self: Any, index: int) -> tuple[str, Path | None]:
        assert self.source is not None
        picks = self.source.picks
        return str(picks.names[index]), picks.paths[index] if index < len(picks.paths) else None

    def _in_time(self: Any) -> None:
        self._late.stop()
        self.plate.late = ""

    def _got_picture(self: Any, index: int, shown: Shown) -> None:
        if index != self.index or self.source is None:
            return
        self._in_time()
        self.shown = shown
        h, w = shown.micrograph.shape
        self.canvas.set_piece(None)
        self.plate.text = Path(self.source.picks.names[index]).name
        self.canvas.show_overview(shown.picture, (w, h), shown.factor, shown.reduced)
        self._set_pixel(shown.pixel_A)
        self._show_levels()
        self._say_picture(shown)
        self._show_boxes()
        self._asking.ask()
        following = self.list.neighbour(-1 if self._backwards else 1)
        if following not in (-1, index):
            self.pictures.fetch_ahead(*self._file(following), float(self.source.picks.pixel_A[following]), self._look())

    def _no_picture(self: Any, index: int, error: Exception) -> None:
        if index != self.index or self.source is None:
            return
        self._in_time()
        self.shown = None
        self.levels.set_distribution(None)
        w, h, known = self.source.picks.canvas_px(index)
        self.plate.text = Path(self.source.picks.names[index]).name
        self.canvas.show_blank(w, h)
        self._set_pixel(float(self.source.picks.pixel_A[index]))
        size = f"{w} × {h} pixels" + ("" if known else ", as far as the particles reach")
        self.picture_notice.say(
            f"{str(error).rstrip('.')}. The boxes stand on an empty field of {size}.", "warn", "Choose folder…",
            lambda: self._folder_wanted(True),
        )  # fmt: skip
        self._show_boxes()

    def _set_pixel(self: Any, pixel_A: float) -> None:
        self.canvas.pixel_size_A = pixel_A or None
        self.boxes_form.set_pixel(pixel_A)
        self.picture_form.set_unit(pixel_A > 0)

    def _say_picture(self: Any, shown: Shown) -> None:
        notes = [note for note in shown.micrograph.notes if "pixel size" not in note]
        if shown.turned and self.picture_form.look().upside_down is None:
            notes.append("the TIFF file is shown with its last row first, as RELION reads it")
        self.picture_notice.say("; ".join(notes), "info")

    def _say_hint(self: Any) -> None:
        """Say that the picks are off as a whole, or what is doubtful of the table."""
        assert self.source is not None
        common, notes = self.source.picking, list(self.source.notes)
        if common.clear:
            pixel = self.source.picks.pixel_A
            length = f", {common.length * float(pixel[0]):.1f} Å" if len(pixel) and pixel[0] > 0 else ""
            notes.insert(
                0,
                f"the picks as a whole stand beside the particles: these are at ({common.x:+.1f}, {common.y:+.1f}) px "
                f"from them{length}; look at the picking, or at where its coordinates begin",
            )
        self.hint_notice.say("; ".join(notes), "warn" if common.clear else "info")

    def _look_changed(self: Any) -> None:
        self._ask_picture()

    def _moved(self: Any) -> None:
        self._write_legend()
        self._asking.ask()

    def _ask_piece(self: Any) -> None:
        if self.shown is None:
            return
        wanted = self.canvas.wanted_piece(self.shown.finest_px)
        if wanted is not None:
            self.pictures.piece(self.shown, wanted, self._got_piece)

    def _got_piece(self: Any, piece: Piece) -> None:
        self.canvas.set_piece(piece)
        self._asking.ask()  # the view may have moved on meanwhile

    def _show_levels(self: Any) -> None:
        """Take the contrast of the micrograph shown: automatic, or as far from its middle as a person chose."""
        assert self.shown is not None
        found, s, c = self.shown.distribution, self.shown.spread, self.levels.contrast
        low, high = found.auto_low, found.auto_high
        if self._by_hand is not None:
            low, high = (s.middle + v * s.half_width for v in self._by_hand)
        self.levels.set_distribution(found)
        self.levels.set_contrast(replace(c, low=low, high=high))
        self.canvas.set_contrast(self.levels.contrast)

    def _levels_by_hand(self: Any, contrast: Contrast) -> None:
        if self.shown is not None:
            s, found = self.shown.spread, self.shown.distribution
            automatic = (contrast.low, contrast.high) == (found.auto_low, found.auto_high)
            relative = ((contrast.low - s.middle) / s.half_width, (contrast.high - s.middle) / s.half_width)
            self._by_hand = None if automatic else relative
        self.canvas.set_contrast(contrast)

    def _folder_wanted(self: Any, choose: bool) -> None:
        folder: Path | None = None
        if choose:
            begin = micrograph_folders.folder_of(self._home()) or (self._home() or Path.home()).parent
            name = QFileDialog.getExistingDirectory(self, "Folder of the micrographs", str(begin))
            if not name:
                return
            folder = Path(name)
        self.set_folder(folder)

    def set_folder(self: Any, folder: Path | None) -> None:
        """Look for the micrographs in this folder first, now and when the table is opened again (None: forget it)."""
        micrograph_folders.remember(self._home(), folder)
        self.picture_form.set_folder(folder)
        self.pictures.reset(self._finder())
        self._ask_picture()
