"""Which panels there are, in the order in which they are offered. A panel that cannot be imported costs only itself."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from dataclasses import dataclass
from typing import Literal

from emviewer.ui.panels.base import Panel


@dataclass(frozen=True)
class PanelEntry:
    """A panel as the window knows it before it is imported.

    Parameters
    ----------
    where : str
        ``module:Class``.
    place : str
        ``main`` among the tabs, ``side`` split off to the right of them, ``below`` and ``side below``
        beneath them.
    for_kinds : tuple of str
        Kinds of document, or names of jobs whose results, open this panel by themselves when they are opened; panels
        that name the job go before those that name the kind.
    needs : str
        Module of an optional extra; without it the panel is not there.
    """

    where: str
    place: Literal["main", "side", "below", "side below"] = "main"
    for_kinds: tuple[str, ...] = ()
    needs: str = ""

    def load(self) -> type[Panel]:
        """Import the panel's class."""
        module, _, name = self.where.partition(":")
        found: type[Panel] = getattr(importlib.import_module(module), name)
        return found


PANELS = (
    PanelEntry("emviewer.ui.panels.slices:SlicesPanel", for_kinds=("map",)),
    PanelEntry("emviewer.ui.panels.explorer:ExplorerPanel", for_kinds=("map",)),
    PanelEntry("emviewer.ui.panels.compare:ComparePanel", for_kinds=("compare",)),
    PanelEntry("emviewer.ui.panels.scores:ScoresPanel", place="below", for_kinds=("compare",)),
    PanelEntry("emviewer.ui.panels.directions:DirectionsPanel", place="side", for_kinds=("compare",)),
    PanelEntry("emviewer.ui.panels.plot:PlotPanel", place="side below", for_kinds=("compare",)),
    PanelEntry("emviewer.ui.panels.centering:CenteringPanel", for_kinds=("center",)),
    PanelEntry("emviewer.ui.panels.align:AlignPanel", for_kinds=("align",)),
    PanelEntry("emviewer.ui.panels.difference:DifferencePanel", for_kinds=("align", "difference")),
    PanelEntry("emviewer.ui.panels.fsc:FscPanel", for_kinds=("align", "fsc")),
    PanelEntry(
        "emviewer.ui.panels.orientation_lab:OrientationLabPanel",
        for_kinds=("simulate", "train-distance", "recover", "reconstruct"),
    ),
    PanelEntry("emviewer.ui.panels.micrograph:MicrographPanel", for_kinds=("center",)),
    PanelEntry("emviewer.ui.panels.surface:SurfacePanel", needs="OpenGL"),
    PanelEntry("emviewer.ui.panels.gallery:GalleryPanel", for_kinds=("images", "result")),
    PanelEntry("emviewer.ui.panels.table:TablePanel"),
    PanelEntry("emviewer.ui.panels.sphere:SpherePanel", place="side", for_kinds=("result",)),
)


@functools.cache
def load_panels() -> tuple[list[tuple[PanelEntry, type[Panel]]], list[str]]:
    """Import all panels; return those that came, and a sentence for each that did not."""
    found, problems = [], []
    for entry in PANELS:
        if entry.needs and importlib.util.find_spec(entry.needs) is None:
            continue
        try:
            found.append((entry, entry.load()))
        except Exception as err:  # one broken panel must not take the others with it
            problems.append(f"The panel {entry.where} could not be loaded: {type(err).__name__}: {err}")
    return found, problems
