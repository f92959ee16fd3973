"""What the information box says about a document."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from emviewer.ui.workspace import Document


def size_text(n_bytes: float) -> str:
    """Return a file size as a person says it (``1.4 GB``)."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if abs(n_bytes) < 1000 or unit == "GB":
            return f"{n_bytes:.0f} {unit}" if unit == "bytes" else f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return ""


def count_text(n: int) -> str:
    """Return a number with thin groups of three (``5 000``)."""
    return f"{n:,}".replace(",", "\u202f")


def facts_of(document: Document) -> list[tuple[str, str]]:
    """Return (name, value) lines: name, size, pixel size, what it was made from, notes, where it is."""
    lines: list[tuple[str, str]] = [("Name", document.title)]
    volume, stack = document.volume, document.stack
    if volume is not None:
        nz, ny, nx = volume.shape
        p = volume.pixel_size_A
        lines.append(("Size", f"{nx} × {ny} × {nz} voxels"))
        lines.append(("", f"{nx * p:.4g} × {ny * p:.4g} × {nz * p:.4g} Å"))
        lines.append(("Pixel size", f"{p:.4g} Å" + ("" if volume.pixel_size_known else " (not in the file)")))
        if any(volume.origin_A):
            lines.append(("Origin", ", ".join(f"{v:.4g}" for v in volume.origin_A) + " Å"))
        if volume.symmetry != "C1":
            lines.append(("Symmetry", volume.symmetry))
    if stack is not None:
        h, w = stack.shape
        lines.append(("Images", f"{count_text(len(stack))} of {w} × {h} pixels"))
        p = stack.pixel_size_A
        lines.append(("Pixel size", f"{p:.4g} Å" + ("" if stack.pixel_size_known else " (not in the file)")))
    if document.table is not None:
        lines.append(("Table", f"{count_text(len(document.table))} rows, {len(document.table.columns)} columns"))
    lines += [(name.capitalize() if name.islower() else name, str(value))
              for name, value in document.info.items() if not name.startswith("_")]  # fmt: skip
    for part in (volume, stack, document.info.get("_images")):
        lines += [("Note", note) for note in (part.notes if part is not None else ()) if ("Note", note) not in lines]
    if document.path is not None:
        lines += _file_lines(document)
    return lines


def _file_lines(document: Document) -> list[tuple[str, str]]:
    path = document.path
    assert path is not None
    lines = [("Folder", str(path.parent))]
    stat = document.info.get("_stat")
    if stat is not None:
        when = datetime.fromtimestamp(stat.st_mtime)
        lines.append(("File", f"{path.name}, {size_text(stat.st_size)}, {when:%Y-%m-%d %H:%M}"))
    return lines


_NAMES = {
    "n_views": "Views",
    "n_directions": "Directions",
    "covering_radius_deg": "Covering radius",
    "min_separation_deg": "Nearest views",
    "views_per_second": "Speed",
    "pixel_size_known": "Pixel size known",
    "n_images": "Images in all",
    "n_usable": "Images of use",
    "n_images_in_map": "Images in the map",
    "snr": "Signal to noise",
    "snr_region": "Region of the SNR",
    "noise_sigma": "Noise, σ",
    "confidence_median": "Median confidence",
    "error_median_deg": "Median error",
    "error_mean_deg": "Mean error",
    "fsc_0.143_A": "FSC 0.143",
    "fsc_0.5_A": "FSC 0.5",
    "error_p95_deg": "95 % of errors within",
    "error_median_o4_rad": "Median error, O(4)",
    "agreement_of_starts": "Starts agree",
    "mae_rad": "Mean error",
    "rms_rad": "RMS error",
}
_UNITS = {"_deg": "°", "_A": " Å", "_px": " px", "_per_second": " a second", "_rad": " rad", "_MB": " MB"}


def summary_line(name: str, value: Any) -> tuple[str, str]:
    """Return a key figure of ``summary.json`` as (name, value with unit) for a person."""
    unit = next((u for suffix, u in _UNITS.items() if name.endswith(suffix)), "")
    bare = next((name.removesuffix(s) for s in _UNITS if name.endswith(s)), name)
    label = _NAMES.get(name) or bare.replace("_", " ").capitalize()
    if isinstance(value, bool):
        return label, "yes" if value else "no"
    if value is None:
        return label, "–"
    if isinstance(value, int):
        return label, count_text(value) + unit
    return label, (f"{value:.4g}" if isinstance(value, float) else str(value)) + unit
