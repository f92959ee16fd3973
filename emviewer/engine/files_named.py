"""Images that a table names: found from an unknown project folder, read lazily across many stacks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emviewer.engine.errors import FileError
from emviewer.engine.files_bytes import suffixes
from emviewer.engine.files_stack import open_stack
from emviewer.engine.types import F32, ImageStack

_OPEN_STACKS = 128
_TRIES = 200


@dataclass(frozen=True)
class ImageNames:
    """Which image of which file each row of a table means.

    Parameters
    ----------
    files : sequence of str
        The file names, each once.
    which : ndarray of int64, shape (n,)
        Index into `files` of each row.
    index : ndarray of int64, shape (n,)
        Image within the file, from 0.
    """

    files: Sequence[str]
    which: NDArray[np.int64]
    index: NDArray[np.int64]

    @classmethod
    def parse(cls, names: pd.Series) -> ImageNames:
        """Read ``000012@stack.mrcs`` (counted from 1), or a plain file name (its first image).

        Raises
        ------
        FileError
            If what stands before the ``@`` is no number from 1 upwards; it names the row.
        """
        paths, index = [], np.zeros(len(names), np.int64)
        for i, name in enumerate(names.tolist()):
            number, at, path = name.partition("@")
            paths.append(path if at else name)
            if at:
                if not number.isdigit() or int(number) < 1:
                    raise FileError(
                        f"image name {name!r} in row {i + 1} has no number before the @", "", "mend the table"
                    )
                index[i] = int(number) - 1
        which, files = pd.factorize(np.array(paths, dtype=object))
        return cls([str(f) for f in files], which.astype(np.int64), index)

    def name(self, row: int) -> str:
        """Return the name of a row's image as RELION writes it."""
        return f"{self.index[row] + 1:06d}@{self.files[self.which[row]]}"


class Finder:
    """Finds files that are named relative to a project folder nobody has told.

    Parameters
    ----------
    table : path
        The table that names them: its folder and each folder above are tried, nearest first.
    project_dir : path, optional
        Tried after those.

    Raises
    ------
    FileError
        If the given project folder is none.

    Notes
    -----
    The folder that had the last file is tried first. At the very end the bare file name is looked for beside the
    table, for stacks that were copied out of their project together with it.
    """

    def __init__(self, table: Path, project_dir: str | Path | None = None) -> None:
        home = table.expanduser().resolve().parent
        self.folders = [home, *home.parents]
        if project_dir is not None:
            told = Path(project_dir).expanduser()
            if not told.is_dir():
                raise FileError("there is no such project folder", told, "check --project-dir")
            self.folders.append(told.resolve())
        self._home = home
        self._last = home

    def find(self, name: str) -> Path | None:
        """Return where the file is, or None."""
        wanted = Path(name)
        if wanted.is_absolute() and wanted.is_file():
            return wanted
        if not wanted.is_absolute():
            for folder in (self._last, *self.folders):
                if (folder / wanted).is_file():
                    self._last = folder
                    return folder / wanted
        beside = self._home / wanted.name
        return beside if beside.is_file() else None

    def is_bare(self, found: Path, name: str) -> bool:
        """Whether a file was found only by its bare name."""
        return all(found != folder / name for folder in self.folders) and found != Path(name)

    def where(self) -> str:
        """Return the folders looked into, in words."""
        first, last = self.folders[0], self.folders[-1]
        told = f" and {last}" if len(self.folders) > len(self._home.parents) + 1 else ""
        return f"looked in {first} and every folder above it{told}"


class _NamedStack:
    """Reads rows across files; keeps the most recently used ones open. Thread-safe."""

    def __init__(
        self, names: ImageNames, finder: Finder, table: Path, scale: F32 | None, cut_short: bool = False
    ) -> None:
        self.names, self.finder, self.table, self.scale, self.cut_short = names, finder, table, scale, cut_short
        self.shape: tuple[int, int] = (0, 0)
        self.substitute: dict[str, Path] = {}
        self._open: OrderedDict[int, ImageStack] = OrderedDict()
        self._lock = threading.Lock()

    def stack(self, file: int) -> ImageStack:
        with self._lock:
            if file in self._open:
                self._open.move_to_end(file)
                return self._open[file]
        name = self.names.files[file]
        path = self.substitute.get(name) or self.finder.find(name)
        if path is None:
            raise FileError(
                f"the image file {name} was not found", self.table, f"{self.finder.where()}; give --project-dir"
            )
        opened = open_stack(path, cut_short=self.cut_short)
        with self._lock:
            self._open[file] = opened
            while len(self._open) > _OPEN_STACKS:
                self._open.popitem(last=False)
        return opened

    def read(self, ids: NDArray[np.int64]) -> F32:
        out = np.empty((len(ids), *self.shape), np.float32)
        which, index = self.names.which[ids], self.names.index[ids]
        order = np.lexsort((index, which))
        for part in np.split(order, np.flatnonzero(np.diff(which[order])) + 1):
            if part.size:
                out[part] = self._of_file(int(which[part[0]]), index[part], int(ids[part[0]]))
        if self.scale is not None:
            out *= self.scale[ids][:, None, None]
        return out

    def _of_file(self, file: int, index: NDArray[np.int64], row: int) -> F32:
        stack = self.stack(file)
        if stack.shape != self.shape:
            raise FileError(
                f"image {self.names.name(row)} is {stack.shape[1]} x {stack.shape[0]} pixels and the others are "
                f"{self.shape[1]} x {self.shape[0]}",
                self.table,
                "split the table by image size",
            )
        if index.max() >= stack.n:
            raise FileError(
                f"{int(index.max()) + 1:06d}@{self.names.files[file]} was not found: the stack has {stack.n} images",
                self.table,
                "the stack and the table do not belong together",
            )
        return stack.read(index)


def open_named(
    names: ImageNames,
    table: Path,
    *,
    pixel_size_A: float | None = None,
    project_dir: str | Path | None = None,
    scale: F32 | None = None,
    cut_short: bool = False,
) -> tuple[ImageStack | None, tuple[str, ...]]:
    """Open the images that a table names.

    Parameters
    ----------
    names : ImageNames
        Which image each row means.
    table : pathlib.Path
        The table, from where the search starts.
    pixel_size_A : float, optional
        What the table says; else the header of the first stack that is found.
    project_dir : path, optional
        Another folder to look in.
    scale : ndarray of float32, shape (n,), optional
        Factor for each image (cryoSPARC's ``blob/sign``).
    cut_short : bool
        Whether stacks that end early are opened too, see :func:`emviewer.engine.mrc.read_stack`.

    Returns
    -------
    stack : ImageStack or None
        None if not one of the first 200 files is there.
    notes : tuple of str
        What was not found, or found under another name.

    Notes
    -----
    Only the first file is opened; a file that is missing later is an error that names the image when it is asked for.
    """
    finder = Finder(table, project_dir)
    source = _NamedStack(names, finder, table, scale, cut_short)
    notes: tuple[str, ...] = ()
    first = next((i for i, f in enumerate(names.files[:_TRIES]) if finder.find(f) is not None), None)
    if first is None:
        substitute = _beside(names, table)
        if substitute is None:
            what = names.files[0] if names.files else "no image"
            return None, (f"the images were not found, e.g. {what} ({finder.where()})",)
        source.substitute[names.files[0]] = substitute
        notes = (f"{names.files[0]} was not found; {substitute.name} beside the table has as many images and is used",)
        first = 0
    opened = source.stack(first)
    if opened.source is not None and not notes and finder.is_bare(opened.source, names.files[first]):
        notes = (f"{names.files[first]} was not found under this path; {opened.source.name} beside the table is used",)
    source.shape = opened.shape
    notes += _disagreement(opened, pixel_size_A)
    known = pixel_size_A is not None or opened.pixel_size_known
    stack = ImageStack(
        n=len(names.which),
        shape=opened.shape,
        pixel_size_A=opened.pixel_size_A if pixel_size_A is None else pixel_size_A,
        read=source.read,
        source=table,
        name=suffixes(table)[1],
        pixel_size_known=known,
        notes=opened.notes,
    )
    return stack, notes


def settled_pixel(edge_A: float | None, stack: ImageStack | None, notes: list[str]) -> float | None:
    """Return the pixel size of the table or else of its images; if neither knows it, None and a note."""
    if edge_A is None and stack is not None and stack.pixel_size_known:
        edge_A = stack.pixel_size_A
    if edge_A is None:
        notes.append("neither table nor images know the pixel size")
    return edge_A


def _disagreement(opened: ImageStack, pixel_size_A: float | None) -> tuple[str, ...]:
    """Say that the header of the images tells another pixel size, unless it is the 1 Å of those who do not know."""
    said = opened.pixel_size_A
    if pixel_size_A is None or not opened.pixel_size_known or said == 1.0:
        return ()
    if abs(said - pixel_size_A) <= 0.01 * pixel_size_A:
        return ()
    return (f"the header of the images says {said:.4g} Å/pixel; {pixel_size_A:.4g} Å is used",)


def _beside(names: ImageNames, table: Path) -> Path | None:
    """Return the stack called like the table, if the table names one single stack of just as many images."""
    if len(names.files) != 1:
        return None
    for suffix in (".mrcs", ".mrc", ".stk"):
        candidate = table.with_name(suffixes(table)[1] + suffix)
        if candidate.is_file() and open_stack(candidate).n == int(names.index.max()) + 1:
            return candidate
    return None


def missing_files(names: ImageNames, table: Path, project_dir: str | Path | None = None) -> list[str]:
    """Return the named files that cannot be found (the first 10 000 are looked for)."""
    finder = Finder(table, project_dir)
    return [f for f in names.files[:10_000] if finder.find(f) is None]
