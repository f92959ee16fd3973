"""What a simulated set of particles can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from emviewer.engine.params import JobParams, numbers, option

TITLE = "Simulate particles"
HELP = (
    "Make a set of particle images with known orientations from a map, a model or a built-in phantom: random views of "
    "a chosen coverage, shifts, CTF and noise. Writes particles.mrcs, particles.star with the truth, report.png/.pdf."
)

Range = Annotated[tuple[float, float], numbers(":", 2)]


def _none_word(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _coverage_word(value: Any) -> Any:
    text = str(value).strip().lower()
    name, colon, kappa = text.partition(":")
    if name == "preferred":
        try:
            wrong = not colon or not 0 < float(kappa) < 1e4
        except ValueError:
            wrong = True
        if wrong:
            raise ValueError("needs a concentration, as in preferred:5")
    elif text not in ("so3", "euler", "half", "quarter"):
        raise ValueError("must be one of so3, euler, half, quarter, preferred:KAPPA")
    return text


class SimulateParams(JobParams):
    """Parameters of the simulate job."""

    map: Path = option(
        help="map (.mrc .map .ccp4 .npy, .gz .bz2), model (.pdb .cif) at --resolution, or phantom:C1|C4|D2|D7|T|O|I",
        flag="", kind="input", group="Input",
    )  # fmt: skip
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
    n: int = option(500, "number of images", flag="--n", ge=1, le=10_000_000, group="Views")
    coverage: Annotated[str, BeforeValidator(_coverage_word)] = option(
        "so3",
        "how views are spread: uniform over all orientations (so3), uniform in each Euler angle, directions over half "
        "or a quarter of the sphere, or crowded about z with a concentration",
        flag="--coverage", metavar="so3|euler|half|quarter|preferred:KAPPA", group="Views",
    )  # fmt: skip
    sym: str = option(
        "C1", "point group of the map: views are moved into its asymmetric unit", flag="--sym", metavar="GROUP",
        group="Views",
    )  # fmt: skip
    box: int | None = option(
        None, "edge of the images; the map's unless told", unit="px", flag="--box", ge=8, le=16384, group="Images"
    )
    snr: Annotated[float | None, BeforeValidator(_none_word)] = option(
        None, "variance of the signal over that of the noise, or none", flag="--snr", gt=0, metavar="X|none",
        group="Images",
    )  # fmt: skip
    snr_region: Literal["disc", "box"] = option(
        "disc", "where the signal's variance is taken: in the particle's disc or the whole box", flag="--snr-region",
        group="Images",
    )  # fmt: skip
    shift_px: float = option(
        0.0, "random shifts: standard deviation (gaussian) or half width (triangular)", unit="px", flag="--shift-px",
        ge=0, group="Images",
    )  # fmt: skip
    shift_kind: Literal["gaussian", "triangular"] = option(
        "gaussian", "distribution of the shifts along x and y", flag="--shift-kind", group="Images"
    )
    defocus: Annotated[Range | None, BeforeValidator(_none_word)] = option(
        None, "range of underfocus; no CTF unless told", unit="Å", flag="--defocus", kind="text", metavar="A:B",
        separator=":", group="Images",
    )  # fmt: skip
    kv: float = option(300.0, "acceleration voltage", unit="kV", flag="--kv", gt=0, le=3000, group="Images")
    cs: float = option(2.7, "spherical aberration", unit="mm", flag="--cs", ge=0, le=20, group="Images")
    q0: float = option(0.1, "amplitude contrast", flag="--q0", ge=0, le=1, group="Images")

    @model_validator(mode="after")
    def _ordered(self) -> SimulateParams:
        if self.defocus is not None and self.defocus[1] < self.defocus[0]:
            raise ValueError("--defocus ends before it begins: write A:B with A ≤ B")
        return self
