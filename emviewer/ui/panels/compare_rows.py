"""What every panel on a comparison does with rows: walk by score, tag with undo, take another map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog

from emviewer.engine.errors import FileError
from emviewer.ui import comparison, comparison_keep
from emviewer.ui.panels.base import Panel
from emviewer.ui.tags import KEEP, NAMES, REJECT, Codes
from emviewer.ui.workspace import Document


class CompareRows(Panel):
    """Mix-in of panels whose document holds a comparison."""

    @classmethod
    def accepts(cls, document: Document) -> bool:
        return comparison.of(document) is not None

    @property
    def compared(self) -> comparison.Comparison | None:
        """The comparison of the document."""
        return comparison.of(self.document)

    # walking --------------------------------------------------------------------------------------------------------
    def do_next_worst(self) -> None:
        """Go to the next row as the scores are sorted."""
        self.walk(1)

    def do_previous_worst(self) -> None:
        """Go to the row before as the scores are sorted."""
        self.walk(-1)

    def walk(self, by: int) -> None:
        """Go so many rows on in the order of the scores."""
        document, compared = self.document, self.compared
        order = np.empty(0, np.int64) if compared is None else compared.walk()
        if document is None or not len(order):
            return
        here = np.flatnonzero(order == self.workspace.row(document))
        place = int(here[0]) + by if len(here) else 0
        self.workspace.set_row(document, int(order[np.clip(place, 0, len(order) - 1)]))

    # tags -----------------------------------------------------------------------------------------------------------
    def tag_targets(self) -> np.ndarray:
        """Return the rows that a tag is for: the selected ones if the current is among several, else the current."""
        document = self.document
        if document is None:
            return np.empty(0, np.int64)
        row, selected = self.workspace.row(document), self.workspace.selection(document)
        if row is None or (len(selected) > 1 and row in selected):
            return selected
        return np.array([row], np.int64)

    def tag(self, tag: str) -> None:
        """Tag the rows, or take the tag off if all have it; one step for undo."""
        document, compared, rows = self.document, self.compared, self.tag_targets()
        if document is None or compared is None or not len(rows):
            return
        before, code = compared.tags.get(rows), NAMES.index(tag)
        if code and (before == code).all():
            code = 0
        n = len(rows)

        def put(codes: Codes | int) -> None:
            comparison.set_tags(document, rows, codes)
            self.workspace.touch(document)
            self._keep_tags(document)

        self.workspace.edited.emit(
            f"tag {n} image{'s' * (n != 1)} {NAMES[code] or 'none'}", lambda: put(code), lambda: put(before)
        )

    def _keep_tags(self, document: Document) -> None:
        """Write the tags beside the scores, so that closing loses nothing."""
        folder, compared = document.path, comparison.of(document)
        if folder is not None and compared is not None and not document.streaming:
            tags = compared.tags
            self.runner.view(
                ("tags", document.id), lambda check: comparison_keep.write_tags(folder, tags), lambda _: None,
                fail=self.say_error, slow=True,
            )  # fmt: skip

    def say_error(self, error: Exception) -> None:
        """Show an error in the panel's strip; a panel without one leaves it to the window."""
        notice = getattr(self, "notice", None)
        if notice is not None:
            notice.say(f"{error}.", "error")
        else:
            self.runner.view_failed(id(self), error)

    # pictures that were moved ---------------------------------------------------------------------------------------
    def relink(self) -> None:
        """Ask where the folder of the result is now and read the pictures from there."""
        document = self.document
        if document is None or document.path is None:
            return
        name = QFileDialog.getExistingDirectory(self, "Where is the result now?", str(document.path.parent))
        if name:
            self.relink_to(Path(name))

    def relink_to(self, folder: Path) -> None:
        """Read the pictures of the comparison from a folder into which its own was moved."""
        document = self.document
        if document is None:
            return
        try:
            comparison.move_to(document, folder)
        except FileError as err:
            self.say_error(err)
        else:
            self.workspace.touch(document)

    def do_tag_keep(self) -> None:
        """Tag to keep."""
        self.tag(KEEP)

    def do_tag_reject(self) -> None:
        """Tag to reject."""
        self.tag(REJECT)

    def do_tag_none(self) -> None:
        """Take the tag off."""
        self.tag("")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        number = event.key() - Qt.Key.Key_0
        if 1 <= number <= 9 and not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier:
            self.tag(str(number))
        else:
            super().keyPressEvent(event)

    # maps -----------------------------------------------------------------------------------------------------------
    def show_map(self, name: str) -> None:
        """Let table and pictures show another map; order, selection and tags stay."""
        document, compared = self.document, self.compared
        if document is None or compared is None or name == compared.shown or name not in compared.tables:
            return
        compared.shown, compared.chosen_by_hand = name, True
        comparison.refresh(document)
        self.workspace.touch(document)
