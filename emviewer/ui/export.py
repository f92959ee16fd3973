"""Export of what a panel shows as a figure; its spec is saved beside it, so that it can be made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QWidget,
)

from emviewer.engine.files_whole import whole
from emviewer.engine.task import Check
from emviewer.ui.forms import PathEdit
from emviewer.ui.notices import Notice
from emviewer.ui.save_name import ask_save_name, completed, may_replace

FILTERS = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png);;TIFF (*.tiff *.tif)"
WIDTHS = ((85, "85 mm, one column"), (120, "120 mm, one and a half"), (180, "180 mm, two columns"))
RESOLUTIONS = (150, 300, 600)


class ExportDialog(QDialog):
    """Asks for file, width, resolution, panel letter and scale bar, and before it replaces a file that is there.

    Parameters
    ----------
    suggestion : path
        Where the figure goes unless another place is chosen.
    """

    def __init__(self, suggestion: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Export figure")
        self._folder = suggestion.parent
        self._asked: Path | None = None
        self.path = PathEdit(ask=self._ask)
        self.path.line.setText(str(suggestion))
        self.path.line.setAccessibleName("File")
        self.width_mm = QComboBox()
        for width, text in WIDTHS:
            self.width_mm.addItem(text, width)
        self.width_mm.setCurrentIndex(len(WIDTHS) - 1)
        self.dpi = QComboBox()
        for dpi in RESOLUTIONS:
            self.dpi.addItem(f"{dpi} dots per inch", dpi)
        self.dpi.setCurrentIndex(1)
        self.letter = QLineEdit()
        self.letter.setPlaceholderText("none")
        self.letter.setMaxLength(4)
        self.scale_bar = QCheckBox("Scale bar")
        self.scale_bar.setChecked(True)
        hint = QLabel("The suffix says the format: .pdf, .svg, .png or .tiff.")
        hint.setProperty("role", "dim")
        form = QFormLayout(self)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("File", self.path)
        form.addRow("", hint)
        form.addRow("Width", self.width_mm)
        form.addRow("Resolution", self.dpi)
        form.addRow("Panel letter", self.letter)
        form.addRow("", self.scale_bar)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Cancel)
        self.export_button = buttons.addButton("Export", QDialogButtonBox.ButtonRole.AcceptRole)
        self.export_button.setProperty("primary", True)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form.addRow(buttons)
        self.resize(self.fontMetrics().averageCharWidth() * 80, self.sizeHint().height())

    def _ask(self) -> str:
        self._asked = ask_save_name(self, "Export figure", self.out(), FILTERS, _beside) or self._asked
        return str(self._asked or "")

    def out(self) -> Path:
        """Return the file to write: a bare name goes into the folder that was suggested, without suffix it is a PDF."""
        return completed((self._folder / Path(self.path.text()).expanduser()).absolute(), "", FILTERS)

    def accept(self) -> None:
        """Close, unless no file is named, or one would be replaced that the person wants to keep."""
        out = self.out()
        if self.path.text() and (out == self._asked or may_replace(self, [out, *_beside(out)])):
            super().accept()

    def options(self) -> dict[str, Any]:
        """Return what goes into the spec."""
        chosen: dict[str, Any] = {
            "width_mm": float(self.width_mm.currentData()),
            "dpi": self.dpi.currentData(),
            "scale_bar": self.scale_bar.isChecked(),
        }
        return chosen | ({"letter": self.letter.text()} if self.letter.text() else {})


def _beside(out: Path) -> list[Path]:
    """Return what is written with a figure: its spec."""
    return [out.with_suffix(".json")]


def write_figure(spec: dict[str, Any], out: Path, check: Check) -> Path:
    """Render a figure and save its spec beside it; for a lane."""
    from emviewer.engine import figure

    check()
    figure.render(spec, out)
    with whole(_beside(out)[0]) as beside:
        beside.write_text(json.dumps(spec, indent=1) + "\n")
    return out


def ask_and_export(window: Any, spec: dict[str, Any], name: str) -> None:
    """Ask where and how, then export in a lane and say so."""
    folder = Path(window.settings.folder or Path.home())
    dialog = ExportDialog(folder / f"{name}.pdf", window)
    if dialog.exec():
        export(window, spec | dialog.options(), dialog.out())
    dialog.deleteLater()


def export(window: Any, spec: dict[str, Any], out: Path) -> None:
    """Export a spec in a lane; the command that makes it again goes to the log."""

    def done(where: Path) -> None:
        window.log.command(f"emviewer figure '{where.with_suffix('.json')}' --out '{where}'")
        show = ("Show figure", lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(where))))
        window.notices.show_notice(
            Notice("good", f"The figure was written as {where.name}.", buttons=(show,), key="figure"), linger=True
        )

    window.runner.view(
        ("figure", out),
        lambda check: write_figure(spec, out, check),
        done,
        fail=lambda error: window.show_error(error, "The figure could not be made"),
        slow=True,
    )
