"""``emviewer info FILE ...``: what each file is, for a person or as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import click

from emviewer.engine.cli.say import say_error
from emviewer.engine.errors import EmviewerError
from emviewer.engine.files_info import Facts, describe

_KINDS = {
    "map": "3D map",
    "images": "images",
    "star": "RELION table",
    "cryosparc": "cryoSPARC table",
    "xmipp": "Xmipp table",
    "model": "atomic model",
    "table": "table",
}


@click.command(help="Say what each file is: kind, size, pixel size, axis order, statistics, problems found.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list, one object a file")
@click.option("--pixel-size", type=click.FloatRange(min=0, min_open=True), metavar="Å", help="overrule the files")
@click.option("--project-dir", metavar="FOLDER", help="where the image names of tables start")
@click.option("--passthrough", metavar="FILE.cs", help="further fields of a .cs file")
@click.option("--statistics/--no-statistics", default=True, help="read all numbers, or headers and tables only  [yes]")
def command(
    files: tuple[str, ...],
    as_json: bool,
    pixel_size: float | None,
    project_dir: str | None,
    passthrough: str | None,
    statistics: bool,
) -> int:
    """Describe files; return 2 if one of them cannot be read (the others are described all the same)."""
    described: list[Facts] = []
    failed = False
    for path in files:
        try:
            facts = describe(
                path,
                pixel_size_A=pixel_size,
                project_dir=project_dir,
                passthrough=passthrough if str(path).endswith(".cs") else None,
                with_statistics=statistics,
            )
        except EmviewerError as err:
            failed = True
            facts = {"path": path, "kind": "unreadable", "error": str(err), "problems": [str(err)]}
            say_error(err)
        if as_json:
            described.append(facts)
        elif "error" not in facts:
            click.echo("\n".join(lines(facts)))
    if as_json:
        click.echo(json.dumps(_finite(described), indent=2, ensure_ascii=False))
    return 2 if failed else 0


def _finite(value: Any) -> Any:
    """Return plain data in which nan and infinity, which JSON does not know, are null."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def lines(facts: Facts) -> list[str]:
    """Return the description of a file in a few lines for a person."""
    out = [f"{facts['path']}: {_headline(facts)}"]
    for label, text in (
        ("format", _format(facts)),
        ("origin", _numbers(facts.get("origin_A"), "Å")),
        ("table", _table(facts)),
        ("atoms", _atoms(facts)),
        ("values", _values(facts)),
    ):
        if text:
            out.append(f"  {label:<8} {text}")
    out += [f"  note     {problem}" for problem in facts["problems"]]
    return out


def _headline(facts: Facts) -> str:
    kind = _KINDS[facts["kind"]]
    if facts["kind"] == "map":
        size = f"{facts['nx']} x {facts['ny']} x {facts['nz']} voxels"
        return f"{kind}, {size}, {_pixel(facts)}"
    if facts["kind"] == "model":
        return f"{kind}, {facts['n_atoms']} atoms in {facts['chains']} chains"
    parts = [kind]
    if "n_rows" in facts:
        parts = [f"{kind} of {facts['n_rows']} rows"]
    if "n_images" in facts:
        n = facts["n_images"]
        parts.append(f"{n} image{'' if n == 1 else 's'} of {facts['width']} x {facts['height']} pixels")
    elif "n_rows" in facts and facts["kind"] != "table":
        parts.append("no images")
    if facts["kind"] != "table":
        parts.append(_pixel(facts))
    return ", ".join(parts[1:] if facts["kind"] == "images" else parts)


def _pixel(facts: Facts) -> str:
    if facts["pixel_size_A"] is None:
        return "pixel size unknown"
    return f"{facts['pixel_size_A']:.5g} Å/{'voxel' if facts['kind'] == 'map' else 'pixel'}"


def _format(facts: Facts) -> str:
    parts = [facts["format"]]
    if "packing" in facts:
        parts[0] += f" in {facts['packing']}"
    if "mode" in facts:
        parts.append(f"mode {facts['mode']}")
    if "byte_order" in facts:
        parts.append(facts["byte_order"] if "none" in facts["byte_order"] else f"{facts['byte_order']} endian")
    if "axis_order" in facts and facts["kind"] == "map":
        parts.append("axes " + " ".join(facts["axis_order"]))
    if "space_group" in facts:
        parts.append(f"ISPG {facts['space_group']}")
    return ", ".join(parts)


def _numbers(values: list[float] | None, unit: str) -> str:
    return ", ".join(f"{v:.6g}" for v in values) + f" {unit}" if values is not None else ""


def _table(facts: Facts) -> str:
    if "n_rows" not in facts:
        return ""
    parts = [f"{len(facts['columns'])} columns"]
    if len(facts["blocks"]) > 1:
        parts.append("blocks " + ", ".join(f"{name or '(no name)'} ({n})" for name, n in facts["blocks"].items()))
    if facts["poses"] != "none":
        parts.append(f"{facts['poses']} poses")
    if facts["ctf"]:
        low, high = facts["defocus_A"]
        parts.append(f"CTF, defocus {low:.0f} to {high:.0f} Å" if high > low else f"CTF, defocus {low:.0f} Å")
    if facts["members"] is not None:
        parts.append(f"{facts['members']} member particles")
    return "; ".join(parts)


def _atoms(facts: Facts) -> str:
    if "n_atoms" not in facts:
        return ""
    common = sorted(facts["elements"].items(), key=lambda e: -e[1])
    named = ", ".join(f"{e} {n}" for e, n in common[:6]) + (" …" if len(common) > 6 else "")
    extent = " x ".join(f"{e:.0f}" for e in facts["extent_A"])
    low, high = facts["bfactor_A2"]
    waters = f"{facts['n_water_atoms']} of them water" if facts["n_water_atoms"] else "no water"
    return f"{named}; {waters}; {extent} Å; B {low:.0f} to {high:.0f} Å²"


def _values(facts: Facts) -> str:
    stats = facts.get("statistics")
    if not stats or not stats["n"]:
        return ""
    text = f"min {stats['min']:.5g}, max {stats['max']:.5g}, mean {stats['mean']:.5g}, SD {stats['sd']:.5g}"
    return text + (f" (of {stats['of_images']} images)" if "of_images" in stats else "")
