"""How a panel reaches the window that holds it: forms of further jobs, export. Without one there is nothing to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtWidgets import QWidget

from emviewer.ui.save_name import ask_save_name


def shell_of(widget: QWidget | None) -> Any:
    """Return the main window above a widget, also of a panel that floats; None if there is none."""
    while widget is not None and not hasattr(widget, "run_job"):
        widget = widget.parentWidget()
    return widget


def fill_form(widget: QWidget, job: str, values: dict[str, Any]) -> None:
    """Show the form of a job with these values in it."""
    window = shell_of(widget)
    if window is not None:
        window.show_task(job)
        window.inspector.task().form.set_values(values)


def ask_and_export(widget: QWidget, spec: dict[str, Any] | None, name: str) -> None:
    """Ask how and where, then write a figure."""
    from emviewer.ui import export

    window = shell_of(widget)
    if window is not None and spec is not None:
        export.ask_and_export(window, spec, name)


def ask_and_write_report(widget: QWidget, spec: dict[str, Any] | None) -> None:
    """Ask for a file and write a report there; beside the result unless another place is chosen."""
    window = shell_of(widget)
    if window is None or spec is None:
        return
    folder = Path(spec["result"])
    suggestion = folder.parent / f"{folder.name}_report.pdf"
    filters = "PDF (*.pdf);;SVG (*.svg);;PNG (*.png)"
    path = ask_save_name(widget, "Write the report", suggestion, filters)
    if path is not None:
        write_report(widget, spec, path)


def write_report(widget: QWidget, spec: dict[str, Any], out: Path) -> None:
    """Write a report in a lane; the window says when it is there, and how to make it again."""
    from emviewer.ui import export

    window = shell_of(widget)
    if window is not None:
        export.export(window, spec, out if out.suffix else out.with_suffix(".pdf"))
