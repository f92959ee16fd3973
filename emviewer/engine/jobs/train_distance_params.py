"""What the training of a distance can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from emviewer.engine.jobs.simulate_params import Range
from emviewer.engine.params import JobParams, numbers, option

TITLE = "Train a distance"
HELP = (
    "Train a small network to tell the angle between the views of two images of one structure, on projections of your "
    "map with fresh views, shifts, CTF and noise at every draw. It holds for this structure and no other. Writes "
    "model.npz for `emviewer recover --method distances --distance learned --model model.npz`, its curve loss.csv, "
    'held-out pairs pairs.csv, report.png/.pdf. Needs torch: pip install "emviewer[learned]".'
)


def _none_word(value: Any) -> Any:
    return None if isinstance(value, str) and value.strip().lower() in ("none", "") else value


Ratios = Annotated[tuple[float, ...], numbers(":", 1, 2)]


class TrainDistanceParams(JobParams):
    """Parameters of the train-distance job."""

    map: Path = option(
        help="map, model (.pdb .cif) at --resolution, phantom:C1|…, or particles with orientations (.star), whose map "
        "is reconstructed",
        flag="", kind="input", group="Input",
    )  # fmt: skip
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
    sym: str = option("C1", "point group of the particle", flag="--sym", metavar="GROUP", group="Input")
    contrast: Literal["positive", "negative"] = option(
        "positive", "whether particles of a table are bright, as in a map, or dark", flag="--contrast", advanced=True,
        group="Input",
    )  # fmt: skip
    snr: Ratios = option(
        (0.06, 2.0), "variance of the signal over that of the noise: one, or a range drawn evenly in its logarithm",
        flag="--snr", kind="text", metavar="X|A:B", separator=":", group="Images",
    )  # fmt: skip
    snr_region: Literal["box", "disc"] = option(
        "box", "where the signal's variance is taken: in the map's whole box or the particle's disc",
        flag="--snr-region", group="Images",
    )  # fmt: skip
    shift: float | None = option(
        None, "standard deviation of the shifts left after centring; 1.5 % of the box unless told", unit="Å",
        flag="--shift", ge=0, group="Images",
    )  # fmt: skip
    defocus: Annotated[Range | None, BeforeValidator(_none_word)] = option(
        None, "range of underfocus; no CTF unless told", unit="Å", flag="--defocus", kind="text", metavar="A:B",
        separator=":", group="Images",
    )  # fmt: skip
    phases: Literal["flipped", "as-recorded"] = option(
        "flipped", "with a CTF: whether phases are flipped back, as recover does where a table tells the CTF",
        flag="--phases", advanced=True, group="Images",
    )  # fmt: skip
    kv: float = option(
        300.0, "acceleration voltage", unit="kV", flag="--kv", gt=0, le=3000, advanced=True, group="Images"
    )
    cs: float = option(2.7, "spherical aberration", unit="mm", flag="--cs", ge=0, le=20, advanced=True, group="Images")
    q0: float = option(0.1, "amplitude contrast", flag="--q0", ge=0, le=1, advanced=True, group="Images")
    n: int = option(
        5000, "projections of a pass, all of fresh views", flag="--n", ge=64, le=1_000_000, group="Training"
    )
    passes: int = option(30, "passes", flag="--passes", ge=1, le=1000, group="Training")
    box: int = option(
        64, "edge of the training images; fewer for a coarser map", unit="px", flag="--box", ge=24, le=256,
        advanced=True, group="Training",
    )  # fmt: skip
    step: float = option(
        12.0, "distance of the directions that the network tells apart; views come out finer", unit="°", flag="--step",
        ge=5, le=30, advanced=True, group="Training",
    )  # fmt: skip
    channels: int = option(96, "width of the network", flag="--channels", ge=8, le=512, advanced=True, group="Training")
    blocks: int = option(3, "depth of the network", flag="--blocks", ge=1, le=12, advanced=True, group="Training")

    @model_validator(mode="after")
    def _ordered(self) -> TrainDistanceParams:
        if not 0 < self.snr[0] <= self.snr[-1]:
            raise ValueError("--snr must be positive: a ratio, or a range A:B with A ≤ B")
        if self.defocus is not None and self.defocus[1] < self.defocus[0]:
            raise ValueError("--defocus ends before it begins: write A:B with A ≤ B")
        return self
