"""The right-click menu of the gallery: what relion_display taught everybody to look for."""

from __future__ import annotations

from PySide6.QtWidgets import QMenu

from emviewer.ui import columns
from emviewer.ui.panels.rows_jobs import RowsJobs


def build(panel: RowsJobs, place: int) -> QMenu:
    """Return the menu for a right click at a place (-1: beside the images)."""
    menu = QMenu(panel)
    n = columns.grouped(max(1, panel.picker.count))
    forms = "" if panel.can("tag_keep") else " as .mrcs and .star"  # scores are saved in other forms, too
    some = len(panel.selected_positions()) > 0
    entries: list[tuple[str, str, bool] | None] = [
        ("Open large\tEnter", "open_current", place >= 0),
        ("Show metadata…", "metadata", place >= 0),
        ("Original size\tCtrl+1", "zoom_actual", panel.can("zoom_actual")),
        ("Amplitude spectrum\tF", "spectrum", panel.can("spectrum")),
        None,
        ("Select all\tCtrl+A", "select_all", True),
        ("Invert selection\tCtrl+I", "select_inverse", True),
        ("Clear selection\tEsc", "select_none", panel.picker.count > 0),
        ("Select this and all above\t[", "select_above", place >= 0),
        ("Select this and all below\t]", "select_below", place >= 0),
        ("Select all worse than this\t}", "select_worse", place >= 0),
        *([None] if panel.can("tag_keep") else []),
        ("Tag: keep\tSpace", "tag_keep", place >= 0),
        ("Tag: reject\tDel", "tag_reject", place >= 0),
        ("Tag: none\t0", "tag_none", place >= 0),
        None,
        (f"Average and standard deviation of {n}", "average", panel.picker.count > 1),
        (f"Save {n} selected{forms}…\tCtrl+Shift+S", "save_selected", some),
        *([(f"Save the particles of {n} selected as .star…", "save_members", some)] if panel.has_members else []),
        None,
        ("Copy rows\tCtrl+C", "copy", some),
        ("Copy picture\tCtrl+Shift+C", "copy_picture", True),
    ]
    export = getattr(panel.window(), "do_export_figure", None)
    for entry in entries:
        if entry is None:
            menu.addSeparator()
        elif panel.can(entry[1]):
            text, command, enabled = entry
            action = menu.addAction(text, lambda c=command: panel.do(c))
            action.setEnabled(enabled)
    if export is not None and panel.has_figure():
        menu.addAction("Export page as a figure…\tCtrl+E", export)
    return menu
