"""Small tables of numbers as CSV, written without loading pandas (0.4 s of a command that takes three)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emviewer.engine.files_whole import whole


def write_table(path: Path, columns: Mapping[str, NDArray[Any] | None], digits: int = 6) -> None:
    """Write columns of equal length, numbers to some significant digits; what is not a number, or None, stays empty.

    The file appears whole or not at all.
    """
    length = max((len(v) for v in columns.values() if v is not None), default=0)
    texts = []
    for values in columns.values():
        if values is None:
            texts.append([""] * length)
        elif values.dtype.kind in "iub":
            texts.append([str(v) for v in values.tolist()])
        else:
            texts.append([f"{v:.{digits}g}" if np.isfinite(v) else "" for v in values.tolist()])
    lines = [",".join(columns), *(",".join(row) for row in zip(*texts, strict=True))]
    with whole(path) as beside:
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
