import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtTest import QTest

from emviewer.engine.types import Contrast
from emviewer.ui import colormaps
from emviewer.ui.canvas import Crosshair, ImageCanvas, to_words


@pytest.fixture
def canvas(qtbot):
    c = ImageCanvas()
    qtbot.addWidget(c)
    c.resize(400, 300)
    image = np.arange(50 * 100, dtype=np.float32).reshape(50, 100)
    c.set_image(image)
    c.set_contrast(Contrast(0, 4999))
    c.show()
    return c


def wheel(canvas, at, delta, modifiers=Qt.KeyboardModifier.NoModifier):
    event = QWheelEvent(
        at, canvas.mapToGlobal(at), QPoint(), QPoint(0, delta), Qt.MouseButton.NoButton, modifiers,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    canvas.wheelEvent(event)


def test_levels_map_to_the_ends_of_the_colour_map():
    words = to_words(np.array([[-1, 0, 5, 10, 99, np.nan]], np.float32), Contrast(0, 10))
    red = (words >> 16) & 255
    assert red[0, 0] == 0 and red[0, 1] == 0 and red[0, 3] == 255 and red[0, 4] == 255 and red[0, 5] == 0
    assert abs(int(red[0, 2]) - 127) <= 1
    inverted = to_words(np.array([[0, 10]], np.float32), Contrast(0, 10, inverted=True)) & 255
    assert list(inverted[0]) == [255, 0]
    assert np.unique(to_words(np.ones((2, 2), np.float32), Contrast(1, 1))).size == 1


def test_every_colour_map_has_256_opaque_colours():
    for name in colormaps.NAMES:
        table = colormaps.table(name)
        assert table.shape == (256,) and (table >> 24 == 255).all() and len(np.unique(table)) > 150
        np.testing.assert_array_equal(colormaps.table(name, True), table[::-1])


def test_row_zero_is_at_the_top_and_column_zero_at_the_left(canvas):
    shown = canvas.grab().toImage()
    rect = canvas.image_rect()

    def grey(x, y):
        at = canvas.to_widget(x + 0.5, y + 0.5)
        return QColor(shown.pixel(int(at.x() * shown.devicePixelRatio()), int(at.y() * shown.devicePixelRatio()))).red()

    canvas.show_scale_bar = False
    assert grey(50, 2) < grey(50, 25) < grey(50, 40)
    assert rect.width() / rect.height() == pytest.approx(2.0)


def test_zoom_keeps_the_point_under_the_cursor(canvas):
    at = QPointF(90, 120)
    before = canvas.to_image(at)
    wheel(canvas, at, 240, Qt.KeyboardModifier.ControlModifier)
    after = canvas.to_image(at)
    assert canvas.scale > canvas.fit_scale() * 1.2 and not canvas.fitted
    assert (after.x(), after.y()) == pytest.approx((before.x(), before.y()))
    canvas.fit()
    assert canvas.scale == pytest.approx(canvas.fit_scale())


def test_wheel_steps_ten_times_faster_with_shift(canvas, qtbot):
    steps = []
    canvas.stepped.connect(steps.append)
    wheel(canvas, QPointF(50, 50), -120)
    wheel(canvas, QPointF(50, 50), 120, Qt.KeyboardModifier.ShiftModifier)
    wheel(canvas, QPointF(50, 50), -60)
    wheel(canvas, QPointF(50, 50), -60)
    assert steps == [1, -10, 1]


def test_pointer_reads_pixels_and_clamps_while_dragging(canvas, qtbot):
    pointed, hovered = [], []
    canvas.pointed.connect(lambda x, y: pointed.append((x, y)))
    canvas.hovered.connect(hovered.append)
    at = canvas.to_widget(30.5, 20.5).toPoint()
    QTest.mouseMove(canvas, at)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=at)
    QTest.mouseMove(canvas, QPoint(1, 1))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=QPoint(1, 1))
    assert pointed[0] == (30, 20) and pointed[-1] == (0, 0)
    assert (30, 20) in hovered and canvas.value_at(30, 20) == 20 * 100 + 30
    assert canvas.pixel_at(QPointF(200, 2)) is None


def test_middle_drag_pans_and_right_drag_asks_for_levels(canvas):
    before = canvas.centre
    QTest.mousePress(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(100, 100))
    QTest.mouseMove(canvas, QPoint(140, 90))
    QTest.mouseRelease(canvas, Qt.MouseButton.MiddleButton, pos=QPoint(140, 90))
    moved = (before - canvas.centre) * canvas.scale
    assert (moved.x(), moved.y()) == pytest.approx((40, -10))
    asked = []
    canvas.levels_dragged.connect(lambda dx, dy: asked.append((dx, dy)))
    QTest.mousePress(canvas, Qt.MouseButton.RightButton, pos=QPoint(100, 100))
    QTest.mouseMove(canvas, QPoint(140, 70))
    assert asked == [(pytest.approx(0.1), pytest.approx(0.1))]


def test_a_coarse_image_takes_the_place_of_the_full_one(canvas):
    canvas.zoom(2.0)
    view = canvas.scale, canvas.centre
    full = canvas.image
    canvas.set_image(full.reshape(25, 2, 50, 2).mean((1, 3)), (100.0, 50.0), 2)
    assert (canvas.scale, canvas.centre) == view and canvas.world_size() == (100.0, 50.0)
    assert canvas.value_at(31, 21) == pytest.approx(full[20:22, 30:32].mean())
    canvas.grab()


def test_another_size_is_fitted(canvas):
    canvas.zoom(3.0)
    canvas.set_image(np.zeros((400, 10), np.float32))
    assert canvas.scale == pytest.approx(canvas.fit_scale())


@pytest.mark.parametrize("shape", [(1, 1), (3000, 2000), (1, 4000), (2500, 2500)])
def test_any_size_is_painted_at_any_zoom(canvas, shape):
    canvas.set_image(np.random.default_rng(0).random(shape, dtype=np.float32))
    for factor in (1.0, 0.2, 40.0):
        canvas.zoom(factor)
        canvas.set_crosshair(Crosshair(0, 0, QColor("red"), QColor("red")))
        assert not canvas.grab().isNull()


def test_nearest_above_one_and_smooth_below(canvas):
    checks = (np.indices((64, 64)).sum(0) % 2).astype(np.float32)
    canvas.show_scale_bar = False
    canvas.set_contrast(Contrast(0, 1))
    canvas.set_image(checks)
    canvas.set_view(4.0, QPointF(32, 32))
    values = {QColor(canvas.grab().toImage().pixel(x, 150)).red() for x in range(150, 250)}
    assert values <= {0, 255}
    canvas.set_view(0.4, QPointF(32, 32))
    middle = QColor(canvas.grab().toImage().pixel(200, 150)).red()
    assert 100 < middle < 155


def test_keys_and_focus(canvas):
    canvas.setFocus()
    steps = []
    canvas.stepped.connect(steps.append)
    QTest.keyClick(canvas, Qt.Key.Key_Right)
    QTest.keyClick(canvas, Qt.Key.Key_PageUp)
    before = canvas.scale
    QTest.keyClick(canvas, Qt.Key.Key_Plus)
    assert steps == [1, -10] and canvas.scale > before


def test_a_frame_shows_focus_that_came_by_key(canvas, qtbot):
    canvas.activateWindow()
    qtbot.waitUntil(canvas.isActiveWindow)
    canvas.show_scale_bar = False
    other = ImageCanvas(canvas)
    other.setGeometry(200, 100, 50, 50)
    other.show()
    for reason, framed in ((Qt.FocusReason.TabFocusReason, True), (Qt.FocusReason.MouseFocusReason, False)):
        other.setFocus()
        canvas.setFocus(reason)
        corner = QColor(canvas.grab().toImage().pixel(1, 1))
        assert (corner.blue() > 200) == framed
