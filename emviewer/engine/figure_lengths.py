"""Lengths of scale bars, the same on the screen and on paper: round, near a fifth of the width, in a reader's unit."""

from __future__ import annotations

import math


def round_length(width: float, fraction: float = 0.2) -> float:
    """Return the 1, 2 or 5 × 10ⁿ nearest (in ratio) to ``fraction`` of ``width`` (same unit)."""
    wanted = width * fraction
    power = 10.0 ** math.floor(math.log10(wanted))
    return min((m * power for m in (1.0, 2.0, 5.0, 10.0)), key=lambda length: abs(math.log(length / wanted)))


def length_text(length_A: float) -> str:
    """Return a length as text: Å below 100 nm, then nm, then µm."""
    if length_A >= 1e4:
        return f"{length_A / 1e4:g} µm"
    return f"{length_A / 10:g} nm" if length_A >= 1000 else f"{length_A:g} Å"
