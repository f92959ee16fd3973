"""What all figures are told: width, headings, contrast."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Triple = tuple[float, float, float]


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
