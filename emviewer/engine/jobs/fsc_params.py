"""What a Fourier shell correlation can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

from emviewer.engine.params import JobParams, option

TITLE = "Fourier shell correlation"
HELP = (
    "Correlate two maps on one grid shell by shell: as they are, masked, and corrected for the mask by random phases. "
    "Writes fsc.csv and report.png/.pdf; thresholds 0.143, 0.5 and half-bit."
)


class FscParams(JobParams):
    """Parameters of the fsc job."""

    first: Path = option(help="a map, such as a half map", flag="", kind="input", group="Input")
    second: Path = option(help="another map on the same grid", flag="", kind="input", group="Input")
    mask: Path | None = option(None, "soft mask on the same grid", flag="--mask", kind="file", group="Input")
    threshold: float | None = option(
        None, "a further threshold to report", flag="--threshold", gt=-1, lt=1, group="Thresholds"
    )
    half1: list[Path] = option(
        [], "first half map of the first map, then of the second: draws the ceiling of their FSC", flag="--half1",
        kind="inputs", group="Input",
    )  # fmt: skip
    half2: list[Path] = option(
        [], "second half map of the first map, then of the second", flag="--half2", kind="inputs", group="Input"
    )
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
