"""What a comparison of images with maps can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from emviewer.engine.params import JobParams, option

TITLE = "Compare images with maps"
HELP = (
    "Find or take the orientation of every image against every map, score what the reprojection leaves unexplained, "
    "find the outliers and rank the maps. Projections cannot tell the hand of a map: a map and its mirror image "
    "explain the images equally well. Writes scores.csv, per map reprojections.mrcs, aligned.mrcs, residuals.mrcs "
    "and scores.star, with several maps ranking.csv, and report.png/.pdf."
)


def _none_word(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _mask_word(value: Any) -> Any:
    text = str(value).strip()
    if text.startswith("radius:"):
        try:
            radius = float(text[7:])
        except ValueError:
            raise ValueError("is not radius:Å, as in radius:80") from None
        if not radius > 0:
            raise ValueError("needs a positive radius, as in radius:80")
    return text


class CompareParams(JobParams):
    """Parameters of the compare job."""

    images: Path = option(
        help="class averages or particles: .mrcs, RELION .star (particles, or a Class2D _model.star), .cs, .xmd, .stk",
        flag="",
        kind="input",
        group="Input",
    )
    maps: list[Path] = option(
        help="maps, models at --resolution, or phantom:NAME; or one RELION Class3D _model.star",
        flag="",
        kind="inputs",
        min_length=1,
        group="Input",
    )
    passthrough: Path | None = option(
        None, "for a .cs: the file with further fields", flag="--passthrough", kind="file", group="Input"
    )
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
    assignment: Literal["auto", "use", "search"] = option(
        "auto", "use the angles of the table or search (auto: use them when there are any)", group="Orientation"
    )
    sym: str = option("C1", "point group of the maps", flag="--sym", metavar="GROUP", group="Orientation")
    step: float = option(5.0, "angle between views searched", unit="°", flag="--step", ge=1, le=30, group="Orientation")
    max_shift: float | None = option(
        None, "largest shift; 10 % of the box unless told", unit="Å", flag="--max-shift", gt=0, group="Orientation"
    )
    refine: bool = option(True, "refine orientation and shift continuously", flag="--refine", group="Orientation")
    resample: Annotated[float | None, BeforeValidator(_none_word)] = option(
        3.0,
        "pixel size of the comparison, or none; the coarsest input's if that is coarser",
        unit="Å",
        flag="--resample",
        gt=0,
        metavar="Å|none",
        group="Comparison",
    )
    ctf: Literal["ignore", "apply", "phase-flipped"] = option(
        "ignore", "contrast transfer: ignore it, apply it to reprojections, or the images are phase-flipped",
        flag="--ctf", group="Comparison",
    )  # fmt: skip
    contrast: Literal["auto", "positive", "negative"] = option(
        "auto", "whether particles are bright as in the maps, or dark", flag="--contrast", group="Comparison"
    )
    mask: Annotated[str, BeforeValidator(_mask_word)] = option(
        "auto", "where images are compared", flag="--mask", metavar="FILE|radius:Å|auto", group="Comparison"
    )
    radial_filter: bool = option(
        False, "filter reprojections by the radial profile that fits the images best, as for a sharpened map",
        flag="--radial-filter", group="Comparison",
    )  # fmt: skip
    magnification: bool = option(
        False, "fit the magnification between images and each map, and say it", flag="--fit-magnification",
        advanced=True, group="Comparison",
    )  # fmt: skip
    class_size_weights: bool = option(
        False, "weigh class averages by their populations when maps are ranked", flag="--class-size-weights",
        group="Ranking",
    )  # fmt: skip
    extract: Literal["none", "particles", "map", "both"] = option(
        "none", "copy the best map, and the particles or classes that belong to it", flag="--extract", group="Ranking"
    )

    @model_validator(mode="after")
    def _known(self) -> CompareParams:
        if self.passthrough is not None and self.images.suffix != ".cs":
            raise ValueError("--passthrough belongs to images of a cryoSPARC .cs: leave it out")
        if self.assignment == "use" and self.magnification and not self.refine:
            raise ValueError("--fit-magnification refines orientations: leave out --no-refine")
        return self
