"""What a figure is told: plain JSON data that the window saves beside each figure, so that it can be made again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from emviewer.engine.errors import ParameterError

JOURNAL_WIDTHS_MM = (85.0, 120.0, 180.0)
Triple = tuple[float, float, float]
Pair = tuple[float, float]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
_FILES = ("table", "stack", "result", "curves", "difference", "aligned", "z", "picture")
_MAPS = ("map", "reference")
"""Fields that are paths, and those that may be ``phantom:NAME`` instead."""


class ContrastSpec(BaseModel):
    """Grey values of the first and last colour; None lets the figure choose (0.5 to 99.5 percentile)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    low: float | None = None
    high: float | None = None
    colormap: str = "grey"
    inverted: bool = False


class FigureSpec(BaseModel):
    """What all figures share.

    Parameters
    ----------
    width_mm : float
        Width on paper; journals take 85, 120 or 180.
    dpi : int
        Of PNG and TIFF, and of what is drawn as pixels in PDF and SVG.
    title, subtitle, letter : str
        Heading, a line beneath it, and a bold panel letter in the corner; each may be empty.
    contrast : ContrastSpec
        Shared by all images of the figure.
    scale_bar : bool
        Whether a scale bar of round length is drawn.
    pixel_size_A : float or None
        Overrules that of the file.
    """

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    width_mm: float = Field(180.0, ge=20, le=1000)
    dpi: int = Field(300, ge=50, le=2400)
    title: str = ""
    subtitle: str = ""
    letter: str = ""
    contrast: ContrastSpec = ContrastSpec()
    scale_bar: bool = True
    pixel_size_A: float | None = Field(None, gt=0)


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
    rows: list[int] = []
    limit: int = Field(120, ge=1, le=2000)
    captions: list[str] = []
    texts: list[str] = []
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
    worst: list[int] = []
    best: list[int] = []
    limit: int = Field(5, ge=1, le=100)


class CutsSpec(FigureSpec):
    """What figures of cuts of several maps on one grid share.

    Parameters
    ----------
    reference : str
        The map on whose grid the cuts are, or ``phantom:NAME``.
    position : tuple of int or None
        Voxel ``(x, y, z)`` that the cuts go through; None is the centre n // 2.
    half_width : int
        Planes averaged on either side of each cut.
    cuts : list of str
        Which cuts, in order.
    second : ContrastSpec
        Of the other map; ``contrast`` is the reference's.
    """

    reference: str
    position: tuple[int, int, int] | None = None
    half_width: int = Field(0, ge=0)
    cuts: list[Literal["XY", "XZ", "YZ"]] = Field(["XY", "XZ", "YZ"], min_length=1, max_length=3)
    second: ContrastSpec = ContrastSpec()


class AlignmentSpec(CutsSpec):
    """A reference and a map moved onto it.

    Parameters
    ----------
    map : str
        The moving map as it came, or ``phantom:NAME``.
    matrix, translation_A : 3 x 3 numbers, 3 numbers
        Its motion, ``x' = M x + t`` in Å about voxel n // 2.
    magnification : float
        Factor of the moving map's pixel size.
    mode : str
        ``overlay`` in cyan and red, ``wipe`` half and half at the position, ``side`` one above the other.
    names : tuple of str
        What the two maps are called.
    """

    kind: Literal["alignment"] = "alignment"
    map: str
    matrix: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    translation_A: Triple = (0.0, 0.0, 0.0)
    magnification: float = Field(1.0, gt=0)
    mode: Literal["overlay", "wipe", "side"] = "overlay"
    names: tuple[str, str] = ("Reference", "Moving map")


class DifferenceSpec(CutsSpec):
    """Reference, aligned map and their difference: a row each.

    Parameters
    ----------
    difference : Path
        Reference minus map.
    aligned : Path or None
        The map, in the reference's frame.
    z : Path or None
        The difference in standard deviations of the noise.
    as_z : bool
        Whether the third row shows that in place of the density.
    half_range : float or None
        Where the colours of the difference end, on both sides of zero; None is five standard deviations.
    significant : float or None
        Differences of at least this z-score are coloured on the reference.
    levels : tuple of float or None
        Densities of the contour lines of the reference and of the map; None draws none.
    """

    kind: Literal["difference"] = "difference"
    difference: Path
    aligned: Path | None = None
    z: Path | None = None
    as_z: bool = False
    half_range: float | None = Field(None, gt=0)
    significant: float | None = Field(None, gt=0)
    levels: tuple[float, float] | None = None


class CurvesSpec(FigureSpec):
    """Shell correlations.

    Parameters
    ----------
    curves : Path or None
        A table with ``frequency_inv_A`` and columns ``fsc…``.
    values : dict or None
        The same as columns of numbers (None where there is none), for curves that are in no file.
    thresholds : list of float
        Levels drawn as lines, and where the best curve crosses them said.
    """

    kind: Literal["fsc"] = "fsc"
    curves: Path | None = None
    values: dict[str, list[float | None]] | None = None
    thresholds: list[float] = [0.143, 0.5]


class SearchSpec(FigureSpec):
    """Scores of the rotations that a search tried.

    Parameters
    ----------
    table : Path
        ``angle_deg, score, flipped``, as an alignment writes it.
    """

    kind: Literal["search"] = "search"
    table: Path


class ReportSpec(FigureSpec):
    """The report of an alignment, a page a map, behind a table of all maps if there are several.

    Parameters
    ----------
    result : Path
        The folder of an align job.
    map_name : str
        One of its maps alone; empty for all.
    """

    kind: Literal["align_report"] = "align_report"
    result: Path
    map_name: str = ""


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
    moves: list[bool] = []
    texts: list[str] = []
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
    before: list[Pair] = []
    after: list[Pair] = []
    colours: list[Colour] = []
    arrows: float = Field(0.0, ge=0)
    outside: list[int] = []
    words: tuple[str, str] = ("picked", "centred")
    scale: tuple[str, float, float] | None = None

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
    GallerySpec | SlicesSpec | ImageSpec | TripletsSpec | AlignmentSpec | DifferenceSpec | CurvesSpec | SearchSpec
    | ReportSpec | CentringSpec | MicrographSpec
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
