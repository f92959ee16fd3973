"""Light and dark: one palette each, a small stylesheet made from it, and icons recoloured to it."""

from __future__ import annotations

import functools
import re
from dataclasses import asdict, dataclass
from importlib.resources import files

from PySide6.QtCore import QByteArray, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication


@dataclass(frozen=True)
class Colours:
    """The colours of a theme, as ``#rrggbb``; the stylesheet uses them by name."""

    window: str
    base: str
    raised: str
    hover: str
    text: str
    dim: str
    faint: str
    border: str
    accent: str
    on_accent: str
    selected: str
    warn: str
    on_warn: str
    error: str
    on_error: str
    good: str
    on_good: str
    canvas: str = "#101215"


LIGHT = Colours(
    window="#f3f4f6", base="#ffffff", raised="#fbfbfc", hover="#e6e9ee", text="#1b212b", dim="#586273",
    faint="#8b94a3", border="#d3d8e0", accent="#1f5fbf", on_accent="#ffffff", selected="#d6e4fa",
    warn="#fff1c9", on_warn="#5b4300", error="#fde3e1", on_error="#8a1c14", good="#dff3e4", on_good="#135a2b",
)  # fmt: skip
DARK = Colours(
    window="#22262c", base="#1a1d22", raised="#2a2f36", hover="#353b44", text="#e6e9ee", dim="#a3acb9",
    faint="#727c8a", border="#3a414b", accent="#6aa5ff", on_accent="#0d1b30", selected="#2f4a73",
    warn="#4a3c14", on_warn="#ffe3a0", error="#53231f", on_error="#ffc9c3", good="#1e4029", on_good="#b9ecc8",
)  # fmt: skip


def system_is_dark() -> bool:
    """Return whether the system asks for dark; unknown (offscreen, bare X11) means light."""
    return QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark


def colours(theme: str) -> Colours:
    """Return the colours of ``system``, ``light`` or ``dark``."""
    dark = theme == "dark" or (theme == "system" and system_is_dark())
    return DARK if dark else LIGHT


def is_dark() -> bool:
    """Return whether the application shows the dark theme now."""
    return QApplication.palette().color(QPalette.ColorRole.Window).lightness() < 128


def current() -> Colours:
    """Return the colours that the application shows now."""
    return DARK if is_dark() else LIGHT


def make_palette(c: Colours) -> QPalette:
    """Return the Qt palette of a theme."""
    palette = QPalette()
    role = QPalette.ColorRole
    for name, colour in (
        (role.Window, c.window), (role.WindowText, c.text), (role.Base, c.base), (role.AlternateBase, c.raised),
        (role.Text, c.text), (role.Button, c.raised), (role.ButtonText, c.text), (role.BrightText, c.on_error),
        (role.ToolTipBase, c.raised), (role.ToolTipText, c.text), (role.PlaceholderText, c.faint),
        (role.Highlight, c.accent), (role.HighlightedText, c.on_accent), (role.Link, c.accent),
        (role.LinkVisited, c.accent), (role.Mid, c.border), (role.Midlight, c.hover), (role.Light, c.raised),
        (role.Dark, c.border), (role.Shadow, c.border), (role.Accent, c.accent),
    ):  # fmt: skip
        palette.setColor(name, QColor(colour))
    for name in (role.WindowText, role.Text, role.ButtonText, role.HighlightedText):
        palette.setColor(QPalette.ColorGroup.Disabled, name, QColor(c.faint))
    palette.setColor(QPalette.ColorGroup.Disabled, role.Highlight, QColor(c.border))
    return palette


def stylesheet(c: Colours) -> str:
    """Return ``resources/styles/window.qss`` with the colours of a theme in place of ``@names``."""
    text = files("emviewer.resources").joinpath("styles/window.qss").read_text()
    folder = files("emviewer.resources").joinpath("styles", "dark" if c is DARK else "light")
    table = asdict(c) | {"arrows": str(folder).replace("\\", "/")}
    return re.sub(r"@([a-z_]+)", lambda found: table[found.group(1)], text)


def apply(theme: str) -> None:
    """Give the whole application a theme (``system``, ``light``, ``dark``)."""
    app = QApplication.instance()
    c = colours(theme)
    QApplication.setStyle("Fusion")
    QApplication.setPalette(make_palette(c))
    app.setStyleSheet(stylesheet(c))


def icon_names() -> list[str]:
    """Return the names of the icons that ship with the program."""
    return sorted(p.name[:-4] for p in files("emviewer.resources").joinpath("icons").iterdir() if p.name[-4:] == ".svg")


def icon(name: str, colour: str = "") -> QIcon:
    """Return an icon in the palette's colours, sharp at every device pixel ratio.

    Parameters
    ----------
    name : str
        File name in ``resources/icons`` without the suffix.
    colour : str
        ``#rrggbb``; the theme's text colour if empty.
    """
    return _icon(name, colour, is_dark())


@functools.cache
def _icon(name: str, colour: str, dark: bool) -> QIcon:
    c = DARK if dark else LIGHT
    source = files("emviewer.resources").joinpath(f"icons/{name}.svg").read_text()
    made = QIcon()
    for mode, shade in ((QIcon.Mode.Normal, colour or c.text), (QIcon.Mode.Disabled, c.faint)):
        renderer = QSvgRenderer(QByteArray(source.replace("currentColor", shade).encode()))
        for size in (16, 20, 24, 32, 40, 64):
            pixmap = QPixmap(size, size)
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            renderer.render(painter, QRectF(0, 0, size, size))
            painter.end()
            made.addPixmap(pixmap, mode)
    return made
