import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QIcon
from PySide6.QtWidgets import QApplication

from emviewer.ui import theme


def luminance(colour: str) -> float:
    def linear(v: float) -> float:
        return v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4

    c = QColor(colour)
    return 0.2126 * linear(c.redF()) + 0.7152 * linear(c.greenF()) + 0.0722 * linear(c.blueF())


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("c", [theme.LIGHT, theme.DARK], ids=["light", "dark"])
def test_text_can_be_read(c):
    for text, ground in (
        (c.text, c.window), (c.text, c.base), (c.text, c.raised), (c.text, c.selected), (c.dim, c.window),
        (c.dim, c.base), (c.on_accent, c.accent), (c.on_warn, c.warn), (c.on_error, c.error), (c.on_good, c.good),
        (c.on_error, c.base), (c.on_warn, c.base),
    ):  # fmt: skip
        assert contrast(text, ground) >= 4.5, (text, ground)  # WCAG AA
    assert contrast(c.faint, c.base) >= 3


def test_unknown_system_scheme_is_light():
    assert QApplication.styleHints().colorScheme() == Qt.ColorScheme.Unknown
    assert theme.colours("system") is theme.LIGHT


@pytest.mark.parametrize("name, dark", [("light", False), ("dark", True), ("system", False)])
def test_a_theme_changes_palette_and_stylesheet(name, dark):
    theme.apply(name)
    assert theme.is_dark() is dark
    assert "@" not in QApplication.instance().styleSheet()


@pytest.mark.parametrize("name", theme.icon_names())
def test_every_icon_draws_something_in_the_palette_colour(name):
    theme.apply("light")
    image = theme.icon(name, "#ff0000").pixmap(QSize(32, 32)).toImage()
    drawn = [image.pixelColor(x, y) for x in range(32) for y in range(32) if image.pixelColor(x, y).alpha() == 255]
    assert drawn
    if name != "logo":
        assert all((p.red(), p.green(), p.blue()) == (255, 0, 0) for p in drawn)


def test_icons_are_sharp_on_a_screen_with_twice_the_pixels():
    pixmap = theme.icon("open").pixmap(QSize(20, 20), 2.0, QIcon.Mode.Normal)
    assert (pixmap.width(), pixmap.devicePixelRatio()) == (40, 2.0)


def test_the_window_follows_a_theme_and_remembers_it(window):
    window.set_theme("dark")
    assert theme.is_dark()
    assert window.settings.theme == "dark"
    shade = window.actions_["open"].icon().pixmap(QSize(20, 20)).toImage()
    seen = {
        shade.pixelColor(x, y).name() for x in range(20) for y in range(20) if shade.pixelColor(x, y).alpha() == 255
    }
    assert seen == {theme.DARK.text}
    window.set_theme("light")
    assert not theme.is_dark()
