"""Two maps dropped into the window are offered to be aligned, subtracted, correlated."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QPushButton

from emviewer.engine import mrc


def drop(window, paths):
    """Drop files onto the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(p)) for p in paths])
    window.dropEvent(
        QDropEvent(
            QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
    )


def offered(window) -> dict[str, QPushButton]:
    """Return the buttons of the offer, none while there is none."""
    found = [n for n in window.notices.notices() if n.key == "pair"]
    return {b.text(): b for n in found for b in n.findChildren(QPushButton)}


@pytest.fixture
def maps(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("b_second.mrc", "a_first.mrc", "c_third.mrc"):
        mrc.write_map(tmp_path / name, rng.standard_normal((12, 12, 12)).astype(np.float32), 2.0)
    with mrc.StackWriter(tmp_path / "stack.mrcs", (8, 8), 2.0) as writer:
        writer.append(rng.standard_normal((2, 8, 8)).astype(np.float32))
    return tmp_path


@pytest.mark.parametrize(
    ("button", "job", "names"),
    [("Align", "align", ("reference", "maps")), ("Difference", "difference", ("reference", "map")),
     ("FSC", "fsc", ("first", "second"))],
)  # fmt: skip
def test_two_maps_fill_the_form_in_the_order_they_came(window, qtbot, maps, button, job, names):
    paths = [maps / "b_second.mrc", maps / "a_first.mrc"]
    drop(window, paths)
    qtbot.waitUntil(lambda: button in offered(window), timeout=20000)
    offered(window)[button].click()
    form = window.inspector.task()
    assert form.job == job
    first, second = (form.form.values()[name] for name in names)
    assert str(first) == str(paths[0])
    assert second == ([str(paths[1])] if job == "align" else str(paths[1]))


def test_three_maps_are_offered_to_be_aligned_only(window, qtbot, maps):
    drop(window, sorted(maps.glob("*.mrc")))
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 3, timeout=20000)
    assert list(offered(window)) == ["Align"]
    offered(window)["Align"].click()
    values = window.inspector.task().form.values()
    assert values["reference"] == str(maps / "a_first.mrc") and len(values["maps"]) == 2


def test_a_map_and_images_are_offered_nothing(window, qtbot, maps):
    drop(window, [maps / "a_first.mrc", maps / "stack.mrcs"])
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 2, timeout=20000)
    assert not offered(window)


def test_an_offer_outlives_the_maps_without_harm(window, qtbot, maps):
    drop(window, [maps / "a_first.mrc", maps / "b_second.mrc"])
    qtbot.waitUntil(lambda: bool(offered(window)), timeout=20000)
    for document in list(window.workspace.documents.values()):
        window.workspace.remove(document)
    offered(window)["Align"].click()
    assert window.inspector.task() is None
