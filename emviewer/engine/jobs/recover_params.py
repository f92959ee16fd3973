"""What orientation recovery can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_validator

from emviewer.engine.params import JobParams, option

TITLE = "Recover orientations"
HELP = (
    "Find the orientations of class averages or particles from the images alone, and reconstruct a map. Projections "
    "cannot tell the hand: the map and its mirror image are equally right. Writes orientations.star with a confidence "
    "for every image, map.mrc, half1.mrc, half2.mrc, fsc.csv, report.png/.pdf; with --truth it states the errors."
)


def _distance_word(value: Any) -> Any:
    text = str(value).strip()
    word, colon, number = text.partition(":")
    if text in ("learned", "common-lines", "euclidean", "true") or text.lower().endswith(".npy"):
        return text
    if word == "perturbed" and colon:
        try:
            if 0 <= float(number) < 4:
                return text
        except ValueError:
            pass
        raise ValueError("needs a standard deviation in rad, as in perturbed:0.2")
    raise ValueError("must be one of learned, common-lines, euclidean, FILE.npy, true, perturbed:SIGMA_RAD")


class RecoverParams(JobParams):
    """Parameters of the recover job."""

    images: Path = option(
        help="class averages or particles: .mrcs, RELION .star (particles, or a Class2D _model.star), .cs, .xmd, .stk",
        flag="", kind="input", group="Input",
    )  # fmt: skip
    passthrough: Path | None = option(
        None, "for a .cs: the file with further fields", flag="--passthrough", kind="file", group="Input"
    )
    method: Literal["auto", "common-lines", "distances"] = option(
        "auto", "from the images by common lines, with a search where few are seen (auto); by common lines alone; or "
        "from pairwise distances, which auto takes too if another --distance is asked for",
        flag="--method", group="Orientation",
    )  # fmt: skip
    distance: Annotated[str, BeforeValidator(_distance_word)] = option(
        "common-lines", "distances: estimated from the images, a matrix in rad, or of the truth", flag="--distance",
        metavar="learned|common-lines|euclidean|FILE.npy|true|perturbed:SIGMA_RAD", group="Orientation",
    )  # fmt: skip
    model: Path | None = option(
        None, "trained distance (needed by --distance learned)", flag="--model", kind="file", advanced=True,
        group="Orientation",
    )  # fmt: skip
    begin: Path | None = option(
        None, "orientations to begin with, in the order of the images, such as those of a job that was stopped; they "
        "are settled by the images, without random starts", flag="--begin", kind="file", metavar="FILE.star",
        advanced=True, group="Orientation",
    )  # fmt: skip
    sym: str = option("C1", "point group of the particle", flag="--sym", metavar="GROUP", group="Orientation")
    max_shift: float | None = option(
        None, "largest shift of a particle from the centre; 8 % of the box unless told", unit="Å", flag="--max-shift",
        ge=0, group="Orientation",
    )  # fmt: skip
    starts: int = option(
        4, "random starts until two agree, up to three times as many; where none do, confidence is low",
        flag="--starts", ge=1, le=100, advanced=True, group="Orientation",
    )  # fmt: skip
    contrast: Literal["positive", "negative"] = option(
        "positive", "whether particles are bright, as in a map, or dark", flag="--contrast", group="Input"
    )
    ctf: Literal["auto", "ignore", "flip"] = option(
        "auto", "phases that the CTF turned: flip them back where the table tells the CTF of every image (auto)",
        flag="--ctf", advanced=True, group="Input",
    )  # fmt: skip
    truth: Path | None = option(
        None, "table with the true orientations, in the order of the images: errors are stated", flag="--truth",
        kind="file", metavar="FILE.star", group="Report",
    )  # fmt: skip
    reconstruct: bool = option(True, "reconstruct the map and its halves", flag="--reconstruct", group="Report")

    @model_validator(mode="after")
    def _complete(self) -> RecoverParams:
        if self.way != "distances":
            return self
        if self.truth is None and (self.distance == "true" or self.distance.startswith("perturbed")):
            raise ValueError(f"--distance {self.distance} needs --truth FILE.star")
        if self.distance == "learned" and self.model is None:
            raise ValueError("--distance learned needs --model FILE")
        return self

    @property
    def way(self) -> Literal["auto", "common-lines", "distances", "begin"]:
        """The method as used: asked for distances of a kind, auto takes them; given views, they are settled."""
        if self.begin is not None:
            return "begin"
        return "distances" if self.method == "auto" and self.distance != "common-lines" else self.method
