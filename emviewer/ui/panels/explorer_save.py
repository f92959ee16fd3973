"""Saving one projection: as it is shown (PNG), or its values with their pixel size (MRC)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from emviewer.engine import mrc
from emviewer.engine.errors import OutputError
from emviewer.engine.task import Check
from emviewer.engine.types import Contrast
from emviewer.ui.canvas import to_qimage
from emviewer.ui.panels.explorer_orientation import View
from emviewer.ui.panels.explorer_prepare import Turning


def save_view(
    turning: Turning, view: View, resolution_A: float, contrast: Contrast, path: Path
) -> Callable[[Check], Path]:
    """Return the work that projects and writes ``path`` (``.png`` or ``.mrc``), for a lane.

    Raises
    ------
    OutputError
        Another suffix, or a folder that cannot be written.
    """

    def work(check: Check) -> Path:
        image = turning.image(view.matrix, resolution_A)
        suffix = path.suffix.lower()
        if suffix in (".mrc", ".mrcs"):
            pixel_size_A = turning.pixel_size_A * turning.factor
            with mrc.StackWriter(path, image.shape, pixel_size_A) as writer:
                writer.append(image[None])
        elif suffix == ".png":
            if not to_qimage(image, contrast).save(str(path)):
                raise OutputError("the picture cannot be written", path, "choose a folder that you may write to")
        else:
            raise OutputError(
                f"a view cannot be saved as {suffix or 'a file without suffix'}", path, "use .png or .mrc"
            )
        return path

    return work
