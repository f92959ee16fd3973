"""Asking where to save: the file that is written is the one that was asked about."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_save_name(
    parent: QWidget, title: str, suggestion: str | Path, filters: str = "",
    beside: Callable[[Path], Iterable[Path]] = lambda path: (),
) -> Path | None:  # fmt: skip
    """Ask for the name of a file to write.

    Parameters
    ----------
    parent : QWidget
        Below whose window the question stands.
    title : str
        Of the dialog.
    suggestion : path
        The name that it begins with.
    filters : str
        ``Words (*.one);;Others (*.two)``: what can be written. A name that ends otherwise gets the suffix of the chosen
        filter; without filters it is left as it is.
    beside : callable
        Takes the name and returns further files that will be written with it.

    Returns
    -------
    Path or None
        None if nothing shall be saved. The dialog itself asks before a file of the very name that was typed is
        replaced; the same is asked here of a name that was completed and of the files beside.
    """
    begin = Path(suggestion)
    while True:
        name, chosen = QFileDialog.getSaveFileName(parent, title, str(begin), filters)
        if not name:
            return None
        path = completed(Path(name), chosen, filters)
        written = dict.fromkeys([path, *beside(path)])
        if may_replace(parent, (each for each in written if each != Path(name))):
            return path
        begin = path


def completed(path: Path, chosen: str, filters: str) -> Path:
    """Return a name with one of the suffixes of the filters, added whole: ``run1.5`` becomes ``run1.5.star``."""
    known = _suffixes(filters)
    if not known or path.suffix in known:
        return path
    if path.suffix.lower() in known:
        return path.with_name(path.name[: -len(path.suffix)] + path.suffix.lower())
    return path.with_name(path.name + (_suffixes(chosen) or known)[0])


def with_companions(path: Path) -> list[Path]:
    """Return what saved particles have beside them: a stack its star file, cryoSPARC's table its passthrough."""
    if path.suffix == ".mrcs":
        return [path.with_suffix(".star")]
    return [path.with_name(f"{path.stem}_passthrough.cs")] if path.suffix == ".cs" else []


def _suffixes(filters: str) -> list[str]:
    return re.findall(r"\*(\.\w+)", filters)


def may_replace(parent: QWidget, paths: Iterable[Path]) -> bool:
    """Ask before files that are there are replaced; return whether all may be written."""
    names = [path.name for path in paths if path.exists()]
    if not names:
        return True
    one = len(names) == 1
    words = f"{' and '.join(names)} {'is' if one else 'are'} there already. Replace {'it' if one else 'them'}?"
    yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
    return QMessageBox.question(parent, "Save", words, yes | no, no) == yes
