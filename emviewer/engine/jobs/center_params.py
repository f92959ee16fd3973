"""What centring class averages can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from emviewer.engine.params import JobParams, option

TITLE = "Centre particles"
HELP = (
    "Find the centre of every class average and carry it to its members: to their alignment and to their place in the "
    "micrograph. Writes centered_classes.mrcs, classes.star, particles.star or .cs (for re-extraction), "
    "particles_in_place.star or .cs (valid with the present images), coordinates/, micrographs.csv and "
    "report.png/.pdf. Images and input tables are not touched."
)


class CenterParams(JobParams):
    """Parameters of the center job."""

    classes: Path = option(
        help="class averages: RELION Class2D _model.star, a stack .mrcs, cryoSPARC class_averages.cs, or Xmipp .xmd",
        flag="",
        kind="input",
        group="Input",
    )
    particles: Path | None = option(
        None,
        "their members, if not the _data.star beside a _model.star or in the .xmd: .star, .cs, .xmd",
        flag="--particles",
        kind="file",
        group="Input",
    )
    passthrough: Path | None = option(
        None, "for a .cs: the file with the places in micrographs", flag="--passthrough", kind="file", group="Input"
    )
    micrographs: Path | None = option(
        None,
        "table or folder of the micrographs, for their sizes and pixel size",
        flag="--micrographs",
        kind="file",
        group="Input",
    )
    method: Literal["auto", "mass", "mirror", "reprojection", "xmipp"] = option(
        "auto",
        "auto: by what the image shows; mass: the silhouette; mirror: the half turn; reprojection: against --map; "
        "xmipp: its ten iterations",
        group="Centre",
    )
    map: Path | None = option(
        None, "map for reprojection; auto takes it where it is sure", flag="--map", kind="file", group="Centre"
    )
    sym: str = option("C1", "point group of the map", flag="--sym", metavar="GROUP", advanced=True, group="Centre")
    resolution: float | None = option(
        None, "resolution at which a model becomes a map", unit="Å", flag="--resolution", gt=0, advanced=True,
        group="Centre",
    )  # fmt: skip
    rotate: bool = option(
        False, "turn the long axis vertical, too (reprojection: to the map's own turn)", flag="--rotate", group="Centre"
    )
    max_shift: float | None = option(
        None, "classes further off are left alone; 30 % of the box unless told", unit="Å", flag="--max-shift", gt=0,
        group="Centre",
    )  # fmt: skip
    store: Literal["coordinates", "alignment", "both"] = option(
        "both",
        "where particles has the displacement; both: whole pixels in the coordinates, the rest in the origins",
        flag="--store",
        group="Output",
    )

    @model_validator(mode="after")
    def _fits(self) -> CenterParams:
        if self.method == "reprojection" and self.map is None:
            raise ValueError("--method reprojection needs a map: give --map")
        if self.map is not None and self.method not in ("auto", "reprojection"):
            raise ValueError(f"--map is not used by --method {self.method}: leave one of them out")
        if self.passthrough is not None and self.particles is None:
            raise ValueError("--passthrough belongs to --particles: give both")
        return self
