"""RELION's tables: the text of a STAR file, its numbers, and the images it names."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pa_compute

from emviewer.engine.errors import DataError
from emviewer.engine.star_read import read_star
from emviewer.engine.star_write import write_particles, write_star
from emviewer.engine.types import F64

__all__ = ["numbers", "read_star", "write_particles", "write_star"]


def numbers(table: pd.DataFrame, column: str) -> F64:
    """Return a column as float64, whether it holds text or numbers.

    Raises
    ------
    DataError
        If there is no such column, or a value is no number (it names the first such row, counted from 1).
    """
    if column not in table.columns:
        raise DataError(f"the table has no column {column}", "", "choose another table")
    values = table[column]
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values.to_numpy(np.float64, na_value=np.nan)
    try:
        return np.asarray(
            pa_compute.cast(pa.array(values, pa.large_string()), pa.float64()).to_numpy(False), np.float64
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError):
        found = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(np.isnan(found) & ~values.astype(str).str.lower().isin(["nan", "-nan", "none", ""]))
    if wrong.size:
        row = int(wrong[0])
        raise DataError(f"{values.iloc[row]!r} in row {row + 1} of {column} is no number", "", "mend the table")
    return found
