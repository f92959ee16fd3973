"""How columns are called and their values written, in table headers, captions and menus."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import pandas as pd

from emviewer.ui.row_order import MISSING_TEXT, ROW_NUMBER

MISSING = "–"
_KNOWN = {
    ROW_NUMBER: ("#", ""),
    "rlnAngleRot": ("rot", "°"),
    "rlnAngleTilt": ("tilt", "°"),
    "rlnAnglePsi": ("psi", "°"),
    "rlnOriginXAngst": ("shift x", "Å"),
    "rlnOriginYAngst": ("shift y", "Å"),
    "rlnOriginX": ("shift x", "px"),
    "rlnOriginY": ("shift y", "px"),
    "rlnDefocusU": ("defocus U", "Å"),
    "rlnDefocusV": ("defocus V", "Å"),
    "rlnDefocusAngle": ("defocus angle", "°"),
    "rlnImageName": ("image", ""),
    "rlnReferenceImage": ("image", ""),
    "rlnMicrographName": ("micrograph", ""),
    "rlnClassNumber": ("class", ""),
    "rlnClassDistribution": ("class share", "%"),
    "rlnEstimatedResolution": ("resolution", "Å"),
    "rlnAccuracyRotations": ("accuracy of rotation", "°"),
    "rlnAccuracyTranslationsAngst": ("accuracy of shift", "Å"),
    "rlnCoordinateX": ("x", "px"),
    "rlnCoordinateY": ("y", "px"),
    "rlnImagePixelSize": ("pixel size", "Å"),
    "frc05_A": ("FRC ½", "Å"),
    "outlier_score": ("outlier", ""),
    "cc_margin": ("margin", ""),
    "cc_second": ("second cc", ""),
    "rlnVoltage": ("voltage", "kV"),
    "rlnSphericalAberration": ("Cs", "mm"),
    "angleRot": ("rot", "°"),
    "angleTilt": ("tilt", "°"),
    "anglePsi": ("psi", "°"),
    "shiftX": ("shift x", "px"),
    "shiftY": ("shift y", "px"),
}
DERIVED = {
    "rot_deg": "rlnAngleRot",
    "tilt_deg": "rlnAngleTilt",
    "psi_deg": "rlnAnglePsi",
    "shift_x_A": "rlnOriginXAngst",
    "shift_y_A": "rlnOriginYAngst",
}
"""Columns that the window adds beside RELION's, and what they repeat."""
_SUFFIXES = {"_deg": "°", "_A": "Å", "_px": "px", "_inv_A": "1/Å", "Angst": "Å"}


@lru_cache(maxsize=4096)
def heading(name: str) -> tuple[str, str]:
    """Return (words, unit) of a column: RELION's and Xmipp's labels by their meaning, ours by their suffix."""
    if name in _KNOWN:
        return _KNOWN[name]
    words, unit = str(name), ""
    for suffix, of in sorted(_SUFFIXES.items(), key=lambda item: -len(item[0])):
        if words.endswith(suffix):
            words, unit = words.removesuffix(suffix), of
            break
    if words.startswith(("rln", "_rln")):
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", words.removeprefix("_").removeprefix("rln")).lower()
    return words.replace("_", " ").strip() or str(name), unit


def repeated(names: Iterable[str]) -> list[str]:
    """Return the columns that only say again what one of RELION's in the same table says."""
    known = set(names)
    return [ours for ours, theirs in DERIVED.items() if ours in known and theirs in known]


def title(name: str) -> str:
    """Return the heading with its unit in brackets."""
    words, unit = heading(name)
    return f"{words} ({unit})" if unit else words


def shown(value: Any, unit: str = "") -> str:
    """Return a value as the user reads it: four significant digits, angles to 0.1°, a dash where it is missing.

    A share (unit %) is stored as a fraction of 1.
    """
    if value is None:
        return MISSING
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in MISSING_TEXT:
            return MISSING
        if unit != "%" and "." not in text and "e" not in text.lower():
            return text
        try:
            value = float(text)
        except ValueError:
            return text
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if math.isnan(value):
            return MISSING
        if unit == "%":
            return f"{100 * value:.2f}"
        if unit == "°":
            return f"{value:.1f}".replace("-0.0", "0.0") if abs(value) < 0.05 else f"{value:.1f}"
        if value == 0 or 1e-3 <= abs(value) < 1e6:
            digits = max(0, 3 - (math.floor(math.log10(abs(value))) if value else 0))
            text = f"{value:.{digits}f}"
            return text.rstrip("0").rstrip(".") if "." in text else text
        return f"{value:.3g}"
    return str(value)


def values_of(table: pd.DataFrame, name: str) -> Any:
    """Return the values of a column (``#``: the row ids) by position, in the form that is quickest to index."""
    column = table.index if name == ROW_NUMBER else table[name]
    return column.to_numpy() if column.dtype.kind in "iufb" else column.array


def same(before: pd.DataFrame | None, after: pd.DataFrame, names: Iterable[str]) -> bool:
    """Return whether columns of two tables are the same arrays; costs nothing however many rows there are.

    Tables of one document share the columns that did not change. ``False`` may also mean equal values elsewhere.
    """
    if before is None or len(before) != len(after):
        return False
    return all(_place(before, name) == _place(after, name) for name in names)


def _place(table: pd.DataFrame, name: str) -> object:
    if name not in table:
        return None
    column = table[name]
    return column.to_numpy().__array_interface__["data"][0] if column.dtype.kind in "iufb" else id(column.array)


def exact(value: Any) -> str:
    """Return a value with nothing rounded, for copying; empty where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return str(value)


def grouped(n: int) -> str:
    """Return a count with thin spaces between thousands: 1 652."""
    return f"{n:,}".replace(",", "\u2009")
