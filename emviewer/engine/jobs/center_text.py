"""Change some numbers of a text table and leave every other value the text it was."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pa_compute
from numpy.typing import NDArray

from emviewer.engine.types import F64

_TEXT = pd.StringDtype("pyarrow", na_value=np.nan)
_ROWS = 100_000


def replaced(table: pd.DataFrame, column: str, values: F64, rows: NDArray[np.bool_], missing: str = "0.000000") -> None:
    """Write numbers with 6 decimals into the given rows of a column, which is made if there is none.

    Parameters
    ----------
    table : DataFrame
        Changed in place.
    column : str
        Name.
    values : ndarray of float64, shape (n,)
        Numbers.
    rows : ndarray of bool, shape (n,)
        Where they are written.
    missing : str
        What the other rows of a new column get.
    """
    parts = []
    for start in range(0, len(values), _ROWS):
        parts.append(pa.array([f"{v:.6f}" for v in values[start : start + _ROWS].tolist()], pa.large_string()))
    new = pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())
    if not rows.all():
        old: pa.Array | pa.Scalar = pa.scalar(missing, pa.large_string())
        if column in table.columns:
            old = pa.array(table[column].astype("str"), pa.large_string())
            old = old.combine_chunks() if isinstance(old, pa.ChunkedArray) else old
        new = pa_compute.if_else(pa.array(rows), new, old)
    table[column] = pd.Series(pd.array(new, dtype=_TEXT), index=table.index)


def words(table: pd.DataFrame, column: str, which: NDArray[np.integer], names: tuple[str, ...]) -> None:
    """Write a column of a few words, by index."""
    index = pa.array(which.astype(np.int32))
    values = pa.DictionaryArray.from_arrays(index, pa.array(names, pa.large_string())).cast(pa.large_string())
    table[column] = pd.Series(pd.array(values, dtype=_TEXT), index=table.index)


def coded(table: pd.DataFrame, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Return each row's index into the different texts of a column, and these in order of appearance."""
    values = pa.array(table[column].astype("str"), pa.large_string())
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = values.dictionary_encode()
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), np.int64), encoded.dictionary.to_pylist()
