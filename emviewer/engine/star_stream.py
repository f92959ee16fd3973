"""A RELION 3.1 particle table that grows on disk row by row and is whole after every append."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

Value = str | int | float


def optics_group(box: int, pixel_size_A: float, microscope: tuple[float, float, float] | None) -> dict[str, Value]:
    """Return the one optics group of a set of images.

    Parameters
    ----------
    box, pixel_size_A : int, float
        Edge of the images in pixels, of a pixel in Å.
    microscope : tuple of float or None
        Voltage in kV, spherical aberration in mm, amplitude contrast; None for images without a CTF.
    """
    optics: dict[str, Value] = {
        "rlnOpticsGroup": 1,
        "rlnOpticsGroupName": "opticsGroup1",
        "rlnImagePixelSize": float(pixel_size_A),
        "rlnImageSize": box,
        "rlnImageDimensionality": 2,
    }
    if microscope is not None:
        labels = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast")
        optics |= dict(zip(labels, microscope, strict=True))
    return optics


def view_columns(stack: str, with_ctf: bool) -> tuple[tuple[str, str], ...]:
    """Return the columns of views of a map: number in the stack, angles, origins, optics group, and the defocus."""
    angles = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi", "rlnOriginXAngst", "rlnOriginYAngst")
    columns = (("rlnImageName", "%06d@" + stack), *((name, "%12.6f") for name in angles), ("rlnOpticsGroup", "%2d"))
    defocus = (("rlnDefocusU", "%12.3f"), ("rlnDefocusV", "%12.3f"), ("rlnDefocusAngle", "%11.4f"))
    return columns + defocus if with_ctf else columns


class ParticleStream:
    """Write an optics block at once, then particle rows as they come.

    Parameters
    ----------
    path : path
        The ``.star`` file, made anew.
    optics : mapping of str to value
        One optics group: RELION labels without underscore and their values.
    columns : sequence of (label, format)
        Particle columns in order; format is that of ``%`` (``%12.6f``).

    Raises
    ------
    OSError
        The disk is full or the file cannot be written.

    Notes
    -----
    Rows are written unbuffered, and an append that fails takes its rows back: the file never ends within a row.
    """

    def __init__(self, path: Path, optics: Mapping[str, Value], columns: Sequence[tuple[str, str]]) -> None:
        self.path = path
        self.n = 0
        self._row = " ".join(form for _, form in columns) + " \n"
        self._file = path.open("wb", buffering=0)
        head = ["", "# version 30001", "", "data_optics", "", "loop_"]
        head += [f"_{label} #{i}" for i, label in enumerate(optics, 1)]
        head += [" ".join(_text(v) for v in optics.values()) + " ", "", ""]
        head += ["# version 30001", "", "data_particles", "", "loop_"]
        head += [f"_{label} #{i}" for i, (label, _) in enumerate(columns, 1)]
        self._put("\n".join(head) + "\n")
        self._last = (self._file.tell(), 0)

    def append(self, rows: Sequence[Sequence[Value]]) -> None:
        """Add rows of one value a column, and take them back if the disk is full.

        Raises
        ------
        OSError
            The rows could not be written; the file ends with the rows before them.
        """
        self._last = (self._file.tell(), self.n)
        self._put("".join([self._row % tuple(row) for row in rows]))
        self.n += len(rows)

    def take_back(self) -> None:
        """Remove the rows of the last append (their images could not be written)."""
        place, self.n = self._last
        self._file.truncate(place)
        self._file.seek(place)

    def _put(self, text: str) -> None:
        start = self._file.tell()
        rest = memoryview(text.encode())
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._file.truncate(start)
            self._file.seek(start)
            raise

    def close(self) -> None:
        """Close the file, and remove it if it has no row; closing twice is no error."""
        if not self._file.closed and self.n == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _text(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return str(value)
