"""What a difference map can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from emviewer.engine.params import JobParams, option

TITLE = "Difference map"
HELP = (
    "Subtract a map from a reference in the same frame, after band limit, amplitude match and robust scale, and list "
    "what stands out of the noise. Writes difference.mrc (reference - map), difference_z.mrc, blobs.csv and "
    "report.png/.pdf. The map is put on the reference's grid, voxel n//2 on voxel n//2: align it first."
)


class DifferenceParams(JobParams):
    """Parameters of the difference job."""

    reference: Path = option(help="map to subtract from", flag="", kind="input", group="Input")
    map: Path = option(help="map to subtract, in the frame of the reference", flag="", kind="input", group="Input")
    mask: Path | None = option(
        None, "where maps are compared, on the grid of the reference; around both densities unless told",
        flag="--mask", kind="file", group="Input",
    )  # fmt: skip
    half1: list[Path] = option(
        [], "first half map of the reference, then of the map", flag="--half1", kind="inputs", group="Significance"
    )
    half2: list[Path] = option(
        [], "second half map of the reference, then of the map", flag="--half2", kind="inputs", group="Significance"
    )
    lowpass: float | None = option(
        None, "finest detail; where the maps cease to correlate unless told", unit="Å", flag="--lowpass", gt=0,
        group="Matching",
    )  # fmt: skip
    match: Literal["radial", "local", "none"] = option(
        "radial", "match amplitudes by shell, local contrast too, or subtract as they are", flag="--match",
        group="Matching",
    )  # fmt: skip
    threshold: float = option(
        4.5, "least significance of a blob, in standard deviations", flag="--threshold", gt=0, group="Significance"
    )
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )

    @model_validator(mode="after")
    def _pairs(self) -> DifferenceParams:
        if len(self.half1) != len(self.half2) or len(self.half1) > 2:
            raise ValueError("--half1 and --half2 come in pairs: for the reference, then for the map")
        return self
