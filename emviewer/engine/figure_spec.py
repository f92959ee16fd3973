"""What a figure is told: plain JSON data that the window saves beside each figure, so that it can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from emviewer.engine.errors import ParameterError
from emviewer.engine.figure_spec_base import ContrastSpec, FigureSpec, Triple
from emviewer.engine.figure_spec_lab import LabSpec
from emviewer.engine.figure_spec_maps import (
    AlignmentSpec,
    CurvesSpec,
    DifferenceSpec,
    ReportSpec,
    SearchSpec,
    SurfaceSpec,
)

__all__ = [
    "KINDS", "AlignmentSpec", "AnyFigure", "CentringSpec", "ContrastSpec", "CurvesSpec", "DifferenceSpec", "FigureSpec",
    "GallerySpec", "ImageSpec", "LabSpec", "MicrographSpec", "ReportSpec", "SearchSpec", "SlicesSpec", "SurfaceSpec",
    "TripletsSpec", "parse",
]  # fmt: skip

Pair = tuple[float, float]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
_FILES = ("table", "stack", "result", "curves", "difference", "aligned", "z", "picture")
_MAPS = ("map", "reference")
"""Fields that are paths, and those that may be ``phantom:NAME`` instead."""


class GallerySpec(FigureSpec):
    """A page of tiles.

    Parameters
    ----------
    table, stack : Path or None
        Images: a RELION table that names them, or a stack alone. One of them.
    rows : list of int
        Row ids (from 0) in the order shown; empty for the first ``limit``.
    captions : list of str
        Caption fields: columns of the table (``rlnAngleRot``), or ``rot_deg, tilt_deg, psi_deg, row``.
    texts : list of str
        Captions as they are, one a row; they go before ``captions``.
    columns : int or None
        Tiles across; None chooses.
    per_tile_contrast : bool
        Whether each tile has its own range.
    percentiles : tuple of float
        Percentiles that become the limits where ``contrast`` gives none.
    project_dir : Path or None
        Folder that names in the table are relative to.
    """

    kind: Literal["gallery"] = "gallery"
    table: Path | None = None
    stack: Path | None = None
    rows: list[int] = Field([])
    limit: int = Field(120, ge=1, le=2000)
    captions: list[str] = Field([])
    texts: list[str] = Field([])
    columns: int | None = Field(None, ge=1, le=200)
    per_tile_contrast: bool = False
    percentiles: tuple[float, float] = (0.5, 99.5)
    project_dir: Path | None = None


class SlicesSpec(FigureSpec):
    """Three orthogonal cuts of a map.

    Parameters
    ----------
    map : str
        A map, or ``phantom:NAME``.
    position : tuple of int or None
        Voxel ``(x, y, z)`` that the cuts go through; None is the centre n // 2.
    half_width : int
        Planes averaged on either side of each cut.
    cuts : list of str
        Which cuts, in order.
    crosshair : bool
        Whether the place of the other cuts is drawn.
    resolution_A : float or None
        At which an atomic model becomes a map.
    """

    kind: Literal["slices"] = "slices"
    map: str
    position: tuple[int, int, int] | None = None
    half_width: int = Field(0, ge=0)
    cuts: list[Literal["XY", "XZ", "YZ"]] = Field(["XY", "XZ", "YZ"], min_length=1, max_length=3)
    crosshair: bool = False
    resolution_A: float | None = Field(None, gt=0)


class ImageSpec(FigureSpec):
    """One image: of a stack or table (``row``), or the projection of a map at ``angles``.

    Parameters
    ----------
    stack, table : Path or None
        Images, of which ``row`` (from 0) is shown.
    map : str or None
        A map to project at ``angles`` (rot, tilt, psi; degrees).
    caption : str
        Beneath the image; the angles when empty and a map is projected.
    resolution_A : float or None
        At which an atomic model becomes a map.
    max_res_A : float or None
        Finest detail of the projection; Nyquist unless told.
    """

    kind: Literal["image"] = "image"
    stack: Path | None = None
    table: Path | None = None
    row: int = Field(0, ge=0)
    map: str | None = None
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    caption: str = ""
    resolution_A: float | None = Field(None, gt=0)
    max_res_A: float | None = Field(None, gt=0)
    project_dir: Path | None = None


class TripletsSpec(FigureSpec):
    """Images of a comparison with their reprojections and residuals.

    Parameters
    ----------
    result : Path
        The folder of a compare job.
    map_name : str
        Which of its maps; empty for the first.
    worst, best : list of int
        Row ids (from 0); when both are empty, by outlier score.
    limit : int
        How many on either side when none are named.
    """

    kind: Literal["compare"] = "compare"
    result: Path
    map_name: str = ""
    worst: list[int] = Field([])
    best: list[int] = Field([])
    limit: int = Field(5, ge=1, le=100)


class CentringSpec(FigureSpec):
    """Class averages before and after their centring.

    Parameters
    ----------
    table, stack : Path or None
        The averages as they came: a table that names them, or a stack. One of them.
    rows : list of int
        Which (from 0), in the order shown.
    centres : list of three numbers
        For each row its centre ``x, y`` in pixels from n // 2, and psi (degrees).
    moves : list of bool
        For each row whether it is moved; empty for all.
    texts : list of str
        Captions, one a row.
    columns : int or None
        Pairs across; None chooses.
    project_dir : Path or None
        Folder that names in the table are relative to.
    """

    kind: Literal["center"] = "center"
    table: Path | None = None
    stack: Path | None = None
    rows: list[int] = Field(min_length=1, max_length=2000)
    centres: list[Triple]
    moves: list[bool] = Field([])
    texts: list[str] = Field([])
    columns: int | None = Field(None, ge=1, le=50)
    project_dir: Path | None = None


class MicrographSpec(FigureSpec):
    """A micrograph, or a part of it, with boxes about its particles.

    Parameters
    ----------
    picture : Path or None
        The micrograph; None draws the boxes on a grey field.
    size : tuple of int
        Its width and height in pixels.
    crop : tuple of float or None
        Part that is shown: first column and row, width and height in pixels.
    low_pass_px : float
        Finest period shown, in pixels of the micrograph; 0 is all.
    flat : bool
        Whether slow changes of the background are taken away.
    upside_down : bool
        Whether the last row of the file comes first.
    box_px : float
        Edge of the boxes.
    circles : bool
        Draw circles in their place.
    before, after : list of two numbers
        Places ``(x, y)`` of the particles; either may be empty.
    colours : list of str
        ``#rrggbb`` of each particle; empty for a colour before and one after.
    arrows : float
        How many times longer than they are the arrows from before to after are drawn; 0 draws none.
    outside : list of int
        Particles (from 0) that are crossed out.
    words : tuple of str
        What the boxes before and after are called.
    scale : tuple or None
        Title, lowest and highest value of what the colours stand for.
    key : list of two texts
        Or a colour and its meaning each.
    """

    kind: Literal["micrograph"] = "micrograph"
    picture: Path | None = None
    size: tuple[int, int]
    crop: tuple[float, float, float, float] | None = None
    low_pass_px: float = Field(0.0, ge=0)
    flat: bool = False
    upside_down: bool = False
    box_px: float = Field(100.0, gt=0)
    circles: bool = False
    before: list[Pair] = Field([])
    after: list[Pair] = Field([])
    colours: list[Colour] = Field([])
    arrows: float = Field(0.0, ge=0)
    outside: list[int] = Field([])
    words: tuple[str, str] = ("picked", "centred")
    scale: tuple[str, float, float] | None = None
    key: list[tuple[Colour, str]] = Field([])

    @model_validator(mode="after")
    def _fits(self) -> MicrographSpec:
        n = max(len(self.before), len(self.after))
        if any(len(rows) not in (0, n) for rows in (self.before, self.after, self.colours)):
            raise ValueError("before, after and colours need one value a particle, or none at all")
        if any(not 0 <= i < n for i in self.outside):
            raise ValueError(f"outside names a particle that is not there (there are {n})")
        if min(self.size) < 1 or (self.crop is not None and min(self.crop[2:]) <= 0):
            raise ValueError("a micrograph needs a size of at least one pixel, and a part of it too")
        return self


AnyFigure = (
    GallerySpec | SlicesSpec | ImageSpec | TripletsSpec | AlignmentSpec | DifferenceSpec | SurfaceSpec | CurvesSpec
    | SearchSpec | ReportSpec | CentringSpec | MicrographSpec | LabSpec
)  # fmt: skip
KINDS = tuple(str(get_args(cls.model_fields["kind"].annotation)[0]) for cls in get_args(AnyFigure))
_ADAPTER: TypeAdapter[AnyFigure] = TypeAdapter(Annotated[AnyFigure, Field(discriminator="kind")])


def parse(spec: dict[str, Any], base: Path | None = None, where: object = "") -> AnyFigure:
    """Validate a spec and make its paths absolute.

    Parameters
    ----------
    spec : dict
        Plain data; ``kind`` is one of :data:`KINDS`.
    base : Path, optional
        Folder that relative paths start from (that of the spec's file); the current folder unless given.
    where : object
        The file the spec came from, for error sentences.

    Raises
    ------
    ParameterError
        A field is missing, unknown or out of bounds.
    """
    try:
        figure = _ADAPTER.validate_python(spec)
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        if first["type"].startswith("union_tag"):
            what = f"there is no figure of the kind {spec['kind']!r}" if "kind" in spec else "the figure has no kind"
            raise ParameterError(what, where, f"choose one of {', '.join(KINDS)}") from None
        place = ".".join(str(part) for part in first["loc"][1:]) or "kind"
        raise ParameterError(
            f"the figure's {place} is wrong: {first['msg'].removeprefix('Value error, ')}", where, "mend the spec"
        ) from None
    if isinstance(figure, (GallerySpec, ImageSpec, CentringSpec)) and not any(
        (figure.table, figure.stack, getattr(figure, "map", None))
    ):
        raise ParameterError("the figure names no images", where, "give stack or table in the spec")
    root = (base or Path.cwd()).absolute()
    paths = {name: getattr(figure, name, None) for name in _FILES}
    moved: dict[str, Any] = {name: root / value for name, value in paths.items() if value is not None}
    for name in _MAPS:
        volume = getattr(figure, name, None)
        if volume is not None and not volume.startswith("phantom:"):
            moved[name] = str(root / volume)
    return figure.model_copy(update=moved)
