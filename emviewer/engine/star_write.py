"""Writing STAR text the way RELION reads it; text columns go out as they came in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pa_compute

from emviewer.engine.files_whole import whole

_ROWS = 50_000
_NEEDS_QUOTES = r"\s|^[\"'#_]|^$|^(?:data_|loop_)"


def write_star(path: str | Path, blocks: Mapping[str, pd.DataFrame]) -> None:
    """Write blocks as a STAR file; the file appears whole or not at all.

    Parameters
    ----------
    path : path
        Written beside and then renamed.
    blocks : mapping of str to DataFrame
        As `read_star` gives them. Text is written unchanged (quoted only where it holds a blank or is empty);
        integers as they are; floats with 6 decimals, or in scientific notation where that would lose digits; a
        missing value as ``None`` in text and ``nan`` in numbers. The index is not written.

    Raises
    ------
    OSError
        If the file cannot be written; nothing is left behind.
    """
    with whole(Path(path)) as beside, beside.open("w", encoding="utf-8", newline="\n") as file:
        for name, frame in blocks.items():
            _write_block(file, name, frame)


def write_particles(path: str | Path, table: pd.DataFrame, optics: pd.DataFrame | None = None) -> None:
    """Write a RELION 3.1 particle file: the optics groups and the particles.

    Parameters
    ----------
    path : path
        The ``.star`` file.
    table : DataFrame
        The particles; ``rlnOpticsGroup`` names the group of each.
    optics : DataFrame or None
        The optics groups; None writes the single block of RELION 1.x to 3.0.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    write_star(path, {"": table} if optics is None else {"optics": optics, "particles": table})


def _write_block(file: TextIO, name: str, frame: pd.DataFrame) -> None:
    relion = any(str(c).startswith("rln") for c in frame.columns)
    comment = frame.attrs.get("comment") or ("version 30001" if relion and name else "")
    file.write(f"\n# {comment}\n" if comment else "")
    file.write(f"\ndata_{name}\n\n")
    if not frame.attrs.get("loop", True) and len(frame) <= 1:
        for column in frame.columns:
            file.write(f"_{column} {_tokens(frame[column])[0].as_py()}\n")
    else:
        file.write("loop_ \n")
        for i, column in enumerate(frame.columns):
            file.write(f"_{column} #{i + 1} \n")
        for start in range(0, len(frame), _ROWS):
            file.write(_rows(frame.iloc[start : start + _ROWS]))
    file.write("\n")


def _rows(frame: pd.DataFrame) -> str:
    """Return the lines of a loop; arrow joins the columns, which for text needs no Python string per value."""
    columns = [_tokens(frame.iloc[:, j]) for j in range(frame.shape[1])]
    if not columns:
        return ""
    blank, empty, newline = (pa.scalar(text, pa.large_string()) for text in (" ", "", "\n"))
    rows = pa_compute.binary_join_element_wise(*columns, blank)
    return "".join(pa_compute.binary_join_element_wise(rows, empty, newline).to_pylist())


def _tokens(column: pd.Series) -> pa.LargeStringArray:
    """Return the values of a column as STAR tokens."""
    if pd.api.types.is_bool_dtype(column.dtype):
        column = column.astype(int)
    if pd.api.types.is_integer_dtype(column.dtype):
        return pa.array([str(v) for v in column.tolist()], pa.large_string())
    if pd.api.types.is_float_dtype(column.dtype):
        return pa.array(_decimals(column.to_numpy(np.float64)), pa.large_string())
    if column.dtype != "str":
        column = column.map(str, na_action="ignore").astype("str")
    text = pa.array(column, pa.large_string())
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    text = pa_compute.fill_null(text, "None")
    wants = pa_compute.match_substring_regex(text, _NEEDS_QUOTES)
    if pa_compute.any(wants).as_py():
        return pa.array(
            [_quoted(v) if q else v for v, q in zip(text.to_pylist(), wants.to_pylist(), strict=True)],
            pa.large_string(),
        )
    return text


def _quoted(value: str) -> str:
    value = value.replace("\n", " ")
    return f"'{value}'" if '"' in value else f'"{value}"'


def _decimals(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[str]:
    size = np.abs(values[np.isfinite(values) & (values != 0)])
    if size.size == 0 or (size.min() >= 1e-3 and size.max() < 1e9):
        return [f"{v:.6f}" for v in values.tolist()]
    return [f"{v:.6f}" if v == 0 or 1e-3 <= abs(v) < 1e9 else f"{v:.8e}" for v in values.tolist()]
