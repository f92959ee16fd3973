"""What an alignment of maps can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from emviewer.engine.params import JobParams, option

TITLE = "Align maps"
HELP = (
    "Find for every map the rotation, translation and hand that bring it onto the reference, and move its half maps, "
    "sharpened map, masks and particles with it. Writes reference.mrc, aligned/, masks/, difference/, particles/, "
    "transforms.json (x' = M x + t in Å about voxel n//2, map to reference), fsc/<map>.csv, align.cxc for ChimeraX, "
    "and report.png/.pdf. The FSC is that between the map and the reference, not a resolution."
)


def _start(value: Any) -> Any:
    """Return a start as 7 numbers, or as none at all."""
    items = [v.strip() for v in value.split(",")] if isinstance(value, str) else list(value)
    if items in ([], [""], ["none"]):
        return ()
    if len(items) not in (6, 7):
        raise ValueError(f"has {len(items)} of the 6 or 7 numbers separated by ','")
    return (*items, 0) if len(items) == 6 else tuple(items)


def _numbered(value: Any) -> Any:
    """Return the number of a map and a file that goes with it."""
    number, _, file = value.partition(":") if isinstance(value, str) else (value[0], "", value[1])
    if not str(number).isdigit() or not str(file):
        raise ValueError("is not the number of a map and a file, as 1:FILE")
    return int(number), file


Start = Annotated[tuple[float, ...], BeforeValidator(_start)]
Numbered = Annotated[tuple[int, Path], BeforeValidator(_numbered)]


class AlignParams(JobParams):
    """Parameters of the align job."""

    reference: Path = option(
        help="map that the others are aligned to: a map, phantom:NAME, or a model at --resolution",
        flag="",
        kind="input",
        group="Input",
    )
    maps: list[Path] = option(help="maps to align", flag="", kind="inputs", min_length=1, group="Input")
    ref_mask: Path | None = option(
        None, "mask of the reference, on its grid", flag="--ref-mask", kind="file", group="Masks"
    )
    mask: list[Path] = option(
        [], "mask of the maps: once for all, or once per map in their order", flag="--mask", kind="inputs",
        group="Masks",
    )  # fmt: skip
    no_mask: bool = option(
        False, "apply no mask, not even an automatic one; masks given are moved all the same", flag="--no-mask",
        group="Masks",
    )  # fmt: skip
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
    siblings: Literal["auto", "none"] = option(
        "auto", "half maps, sharpened map and mask beside a map move with it", flag="--siblings", group="Input"
    )
    leave: list[Path] = option(
        [], "file beside a map that does not move with it", flag="--leave", kind="inputs", metavar="FILE",
        advanced=True, group="Input",
    )  # fmt: skip
    also: list[Numbered] = option(
        [], "a further file that moves with a map: the map's number (0 the reference) and the file", flag="--also",
        kind="text", metavar="NUMBER:FILE", separator=":", advanced=True, group="Input",
    )  # fmt: skip
    particles: list[Path] = option(
        [], "particles: once per map in their order, or once for all by class; .star or .cs", flag="--particles",
        kind="inputs", group="Input",
    )  # fmt: skip
    hands: Literal["both", "input"] = option(
        "both", "try the mirror image of each map too, or only its own hand", flag="--hands", group="Search"
    )
    max_shift: float | None = option(
        None, "longest translation; 35 % of the box unless told", unit="Å", flag="--max-shift", gt=0, group="Search"
    )
    max_angle: float = option(
        180.0, "largest rotation, after a change of hand", unit="°", flag="--max-angle", gt=0, le=180, group="Search"
    )
    lowpass: float | None = option(
        None, "finest detail compared; 2.5 of the coarser voxels or 6 Å unless told", unit="Å", flag="--lowpass",
        gt=0, group="Search",
    )  # fmt: skip
    step: float | None = option(
        None, "angle between the rotations tried first; 8–15° by the size of the particle unless told", unit="°",
        flag="--step", ge=2, le=30, advanced=True, group="Search",
    )  # fmt: skip
    sym: str = option(
        "C1", "point group of the reference: of equivalent motions the smallest is taken", flag="--sym",
        metavar="GROUP", group="Search",
    )  # fmt: skip
    start: list[Start] = option(
        [], "where a map begins, once per map in their order (none: everywhere): euler_zyz_deg and translation_A as "
        "in transforms.json, 1 if the hand is flipped; it is looked for near there, its hand kept",
        unit="°, Å", flag="--start", kind="text", metavar="ROT,TILT,PSI,X,Y,Z[,FLIPPED]", separator=",",
        advanced=True, group="Search",
    )  # fmt: skip
    fit_magnification: bool = option(
        False, "refine the pixel size of each map too", flag="--fit-magnification", advanced=True, group="Search"
    )
    on: Literal["input", "reference"] = option(
        "input", "grid of the aligned maps: their own, or the reference's", flag="--on", group="Result"
    )
    difference: bool = option(True, "make difference maps", flag="--difference", group="Result")
    match: Literal["radial", "local", "none"] = option(
        "radial", "how amplitudes are matched before maps are subtracted", flag="--match", group="Result"
    )

    @model_validator(mode="after")
    def _counts(self) -> AlignParams:
        n = len(self.maps)
        for flag, given in (("--mask", self.mask), ("--particles", self.particles)):
            if len(given) not in (0, 1, n):
                raise ValueError(
                    f"{len(given)} times {flag} for {n} maps: give it once, or once per map in their order"
                )
        if len(self.start) not in (0, n):
            raise ValueError(f"{len(self.start)} times --start for {n} maps: give it once per map in their order")
        if any(number > n for number, _ in self.also):
            raise ValueError(f"--also names a map beyond the {n} that are given")
        return self

    def beside(self, number: int) -> list[Path]:
        """Return the further files that move with a map (1 the first; 0 the reference)."""
        return [file for k, file in self.also if k == number]
