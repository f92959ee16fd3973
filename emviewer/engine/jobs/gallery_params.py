"""What a projection gallery can be asked for. Imports nothing heavy: help and forms need this alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import model_validator

from emviewer.engine.params import JobParams, numbers, option

TITLE = "Projection gallery"
HELP = (
    "Project a map over orientation space. A projection is the line sum of the map in voxel units, with its centre "
    "at pixel n//2. Writes projections.mrcs, projections.star (RELION 3.1), gallery.png, summary.json and job.json."
)

Range = Annotated[tuple[float, ...], numbers(":", 2, 3)]
Series = Annotated[tuple[float, float, float, float], numbers(":", 4)]
View = Annotated[tuple[float, float, float], numbers(",", 3)]
Defocus = Annotated[tuple[float, ...], numbers(",", 1, 2, 3)]


class GalleryParams(JobParams):
    """Parameters of the gallery job.

    Which views: ``grid`` at ``step`` over the sphere unless ``angles``, ``view``, ``tilt_series`` or ``random``
    says otherwise. ``rot`` and ``tilt`` are ranges; a step written in a range goes before ``step``. The grid is laid
    into the ranges, taking symmetry equivalents into them. An even grid has one step and some width: with two
    different steps, a range narrower than its step, or negative tilts, every rot is combined with every tilt
    (``product``).
    """

    map: Path = option(
        help="map (.mrc .map .ccp4 .npy, .gz .bz2), model (.pdb .cif) at --resolution, or phantom:C1|C4|D2|D7|T|O|I",
        flag="",
        kind="input",
        group="Input",
    )
    resolution: float | None = option(
        None, "resolution at which a model becomes a density", unit="Å", flag="--resolution", gt=0, group="Input"
    )
    step: float = option(15.0, "angle between neighbouring views", unit="°", flag="--step", gt=0, le=90, group="Views")
    sym: str = option(
        "C1",
        "point group (Cn Dn T O I I1-I4, Ci Cs Cnv Cnh Sn Dnv Dnh Td Th Oh Ih) or a file in Xmipp's symmetry format",
        flag="--sym",
        metavar="GROUP",
        group="Views",
    )
    grid: Literal["even", "healpix", "xmipp", "product"] = option(
        "even",
        "how directions are laid on the sphere (product: every rot with every tilt)",
        flag="--grid",
        group="Views",
    )
    rot: Range | None = option(
        None,
        "range of rot",
        unit="°",
        flag="--rot",
        kind="text",
        metavar="A:B[:STEP]",
        separator=":",
        group="Views",
    )
    tilt: Range | None = option(
        None,
        "range of tilt",
        unit="°",
        flag="--tilt",
        kind="text",
        metavar="A:B[:STEP]",
        separator=":",
        group="Views",
    )
    psi_step: float | None = option(
        None,
        "in-plane angle between images of one direction; none unless told",
        unit="°",
        flag="--psi-step",
        gt=0,
        le=360,
        group="Views",
    )
    view: list[View] = option(
        [],
        "one view; may be given several times",
        unit="°",
        flag="--view",
        kind="text",
        metavar="ROT,TILT,PSI",
        separator=",",
        advanced=True,
        group="Views",
    )
    tilt_series: Series | None = option(
        None,
        "tilts from A to B about an axis in the image plane at angle AXIS from its x",
        unit="°",
        flag="--tilt-series",
        kind="text",
        metavar="AXIS:A:B:STEP",
        separator=":",
        advanced=True,
        group="Views",
    )
    angles: Path | None = option(
        None,
        "table with rlnAngleRot, rlnAngleTilt, rlnAnglePsi; its origins are applied too",
        flag="--angles",
        kind="file",
        advanced=True,
        metavar="FILE.star",
        group="Views",
    )
    random: int | None = option(
        None,
        "number of views spread at random over all orientations",
        flag="--random",
        ge=1,
        advanced=True,
        group="Views",
    )
    method: Literal["fourier", "real", "shears"] = option(
        "fourier", "how a projection is made", flag="--method", group="Projection"
    )
    interp: Literal["best", "nearest", "linear", "cubic"] = option(
        "best", "interpolation (fourier)", flag="--interp", group="Projection"
    )
    pad: float | None = option(
        None,
        "zero padding of the map (fourier); what the interpolation needs unless told",
        flag="--pad",
        ge=1,
        le=8,
        group="Projection",
    )
    max_res: float | None = option(
        None, "finest detail kept; Nyquist unless told", unit="Å", flag="--max-res", gt=0, group="Projection"
    )
    box: int | None = option(
        None, "edge of the images; the map's unless told", unit="px", flag="--box", ge=2, le=16384, group="Projection"
    )
    shift_sigma: float = option(
        0.0,
        "standard deviation of random shifts in x and y",
        unit="px",
        flag="--shift-sigma",
        ge=0,
        group="Experiment",
    )
    snr: float | None = option(
        None,
        "signal over noise variance, the signal's taken in the particle's disc; no noise unless told",
        flag="--snr",
        gt=0,
        group="Experiment",
    )
    defocus: Defocus | None = option(
        None,
        "underfocus along the two axes and the angle of the first; no CTF unless told",
        unit="Å, °",
        flag="--defocus",
        kind="text",
        metavar="Å[,Å2,ANGLE]",
        separator=",",
        group="Experiment",
    )
    kv: float = option(300.0, "acceleration voltage", unit="kV", flag="--kv", gt=0, le=3000, group="Experiment")
    cs: float = option(2.7, "spherical aberration", unit="mm", flag="--cs", ge=0, le=20, group="Experiment")
    q0: float = option(0.1, "amplitude contrast", flag="--q0", ge=0, le=1, group="Experiment")

    @property
    def steps(self) -> tuple[float, float]:
        """Steps of rot and tilt in degrees: as written in their ranges, otherwise ``step``."""
        rot, tilt = self.rot or (), self.tilt or ()
        either = next((r[2] for r in (rot, tilt) if len(r) == 3), self.step)
        return (rot[2] if len(rot) == 3 else either), (tilt[2] if len(tilt) == 3 else either)

    @property
    def lattice(self) -> str:
        """The grid that is really used: ``even`` becomes ``product`` where no even grid can be laid."""
        steps = self.steps
        narrow = any(r is not None and r[1] - r[0] < s for r, s in zip((self.rot, self.tilt), steps, strict=True))
        signed = self.tilt is not None and self.tilt[0] < 0
        return "product" if self.grid == "even" and (steps[0] != steps[1] or narrow or signed) else self.grid

    @property
    def lays_a_grid(self) -> bool:
        """Whether the views come from a grid on the sphere, not from a list or random numbers."""
        lists = (self.angles, self.tilt_series, self.random)
        return not self.view and all(given is None for given in lists) and self.lattice != "product"

    def resolved(self) -> dict[str, Any]:
        """Return the parameters as used; the step is the one that counts."""
        return super().resolved() | {"step": self.steps[0], "grid": self.lattice}

    @model_validator(mode="after")
    def _one_choice_of_views(self) -> GalleryParams:
        given = {
            "--rot/--tilt": self.rot is not None or self.tilt is not None,
            "--angles": self.angles is not None,
            "--view": bool(self.view),
            "--tilt-series": self.tilt_series is not None,
            "--random": self.random is not None,
        }
        chosen = [flag for flag, there in given.items() if there]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: choose one")
        if self.grid in ("healpix", "xmipp") and self.steps[0] != self.steps[1]:
            raise ValueError(f"--grid {self.grid} has one step, --rot and --tilt give two: make them equal")
        for flag, limits in (("--rot", self.rot), ("--tilt", self.tilt)):
            if limits is not None:
                _check_range(flag, limits)
        if self.tilt_series is not None:
            _, first, last, step = self.tilt_series
            if step == 0:
                raise ValueError("--tilt-series has a step of 0: give degrees between neighbouring tilts")
            if (last - first) * step < 0:
                raise ValueError("--tilt-series never reaches its end: give the step the other sign")
        return self


def _check_range(flag: str, limits: tuple[float, ...]) -> None:
    low, high = limits[:2]
    text = ":".join(f"{v:g}" for v in limits)
    if high < low:
        raise ValueError(f"{flag} {text} ends before it begins: write A:B:STEP with A ≤ B")
    if len(limits) == 3 and limits[2] <= 0:
        raise ValueError(f"{flag} {text} has no positive step: write A:B:STEP")
    if flag == "--tilt" and (low < -180 or high > 180):
        raise ValueError(f"{flag} {text} leaves -180 to 180: tilt is the angle from the z axis")
    if flag == "--rot" and high - low > 360:
        raise ValueError(f"{flag} {text} goes round more than once: give at most 360°")
