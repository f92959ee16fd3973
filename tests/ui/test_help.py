"""The help: pages in order, those that belong together beside each other, links that lead somewhere."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from PySide6.QtCore import QUrl

from emviewer.ui.dialogs import HelpViewer, in_order


@pytest.fixture
def viewer(qtbot):
    one = HelpViewer()
    qtbot.addWidget(one)
    return one


def test_a_page_without_a_number_follows_the_one_it_belongs_to():
    names = ["compare.md", "2-b.md", "align.md", "6-compare.md", "1-a.md", "2-align.md"]
    assert in_order(names) == ["1-a.md", "2-align.md", "align.md", "2-b.md", "6-compare.md", "compare.md"]


def test_the_page_on_comparing_leads_to_the_one_on_the_job(viewer):
    window = viewer.names.index("6-compare.md")
    assert viewer.names[window + 1] == "compare.md"
    assert viewer.contents.item(window + 1).text().startswith("\u2003")
    viewer.contents.setCurrentRow(window)
    assert "[The compare job and its numbers](compare.md)" in viewer.texts[window]
    viewer.page.anchorClicked.emit(QUrl("compare.md"))
    assert viewer.contents.currentRow() == window + 1
    assert "outlier_score" in viewer.page.toPlainText()


def test_every_link_from_page_to_page_leads_to_one(viewer):
    for name in viewer.names:
        text = files("emviewer.resources").joinpath("help", name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert target in viewer.names, f"{name} links to {target}"
