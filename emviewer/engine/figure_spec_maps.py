"""What figures of two maps in one frame are told: overlays, differences, surfaces, curves, reports."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from emviewer.engine.figure_spec_base import ContrastSpec, FigureSpec, Triple


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
    map_pixel_size_A : float or None
        Overrules the header of the moving map, if it is not that of the reference.
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
    map_pixel_size_A: float | None = Field(None, gt=0)
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


class SurfaceSpec(FigureSpec):
    """Contour surfaces of one map, or of a reference and a map moved onto it.

    Parameters
    ----------
    reference : str
        The map, or ``phantom:NAME``.
    map : str or None
        The moving map as it came.
    matrix, translation_A, magnification, map_pixel_size_A : 3 x 3 numbers, 3 numbers, number, number or None
        Its motion and pixel size, as in :class:`AlignmentSpec`.
    percent : float
        Of the reference's box that the surface encloses; the other encloses the same volume.
    azimuth_deg, elevation_deg, distance_A, fov_deg : float
        From where it is seen; no distance is 1.6 boxes.
    centre_A : three numbers
        The point looked at, from the centre of the reference.
    show : str
        ``both`` maps, the ``reference`` or the ``map`` alone.
    aspect : float
        Height over width.
    resolution_A : float or None
        At which an atomic model becomes a map.
    """

    kind: Literal["surface"] = "surface"
    reference: str
    map: str | None = None
    matrix: tuple[Triple, Triple, Triple] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    translation_A: Triple = (0.0, 0.0, 0.0)
    magnification: float = Field(1.0, gt=0)
    map_pixel_size_A: float | None = Field(None, gt=0)
    percent: float = Field(1.5, gt=0, le=95)
    azimuth_deg: float = 45.0
    elevation_deg: float = Field(30.0, ge=-90, le=90)
    distance_A: float | None = Field(None, gt=0)
    fov_deg: float = Field(60.0, gt=1, lt=170)
    centre_A: Triple = (0.0, 0.0, 0.0)
    show: Literal["both", "reference", "map"] = "both"
    aspect: float = Field(0.75, gt=0.1, lt=10)
    resolution_A: float | None = Field(None, gt=0)


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
    thresholds: list[float] = Field([0.143, 0.5])


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
    """The report of an alignment, a page a map, behind a table of all maps if there are several; of two maps, a page.

    Parameters
    ----------
    result : Path
        The folder of an align, difference or fsc job.
    map_name : str
        One of its maps alone; empty for all.
    """

    kind: Literal["align_report"] = "align_report"
    result: Path
    map_name: str = ""
