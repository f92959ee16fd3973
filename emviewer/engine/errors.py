"""Errors that a user can mend: one sentence that says what, where and what to do."""

from __future__ import annotations


class EmviewerError(Exception):
    """An error the user can mend.

    Parameters
    ----------
    what : str
        What is wrong, as a clause without a final full stop.
    where : str
        The file, row, option or folder concerned; empty if ``what`` names it.
    what_to_do : str
        How to mend it, as a clause.

    Notes
    -----
    ``str(error)`` is the one sentence shown by the window and by the command line.
    Anything that is not an ``EmviewerError`` is a bug.
    """

    def __init__(self, what: str, where: object = "", what_to_do: str = "") -> None:
        self.what = what
        self.where = str(where)
        self.what_to_do = what_to_do
        super().__init__(what, self.where, what_to_do)

    def __str__(self) -> str:
        head = f"{self.what} ({self.where})" if self.where else self.what
        return f"{head}: {self.what_to_do}" if self.what_to_do else head


class FileError(EmviewerError):
    """A file that cannot be found, read, or is not what its name says."""


class DataError(EmviewerError):
    """Data that were read but cannot be used (NaN, empty, wrong size, no pixel size)."""


class ParameterError(EmviewerError):
    """A parameter outside its bounds, or parameters that contradict each other."""


class OutputError(EmviewerError):
    """A result that cannot be written (unwritable folder, full disk, existing results)."""
