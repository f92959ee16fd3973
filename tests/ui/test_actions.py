from collections import Counter

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QLabel

from emviewer.ui import theme
from emviewer.ui.actions import ACTIONS, MENUS
from emviewer.ui.dialogs import CommandPalette, ShortcutsSheet, fuzzy_score, palette_entries
from emviewer.ui.panels.registry import load_panels


def test_no_shortcut_is_given_twice(window):
    keys = Counter(k.toString() for a in window.actions_.actions.values() for k in a.shortcuts())
    assert [k for k, n in keys.items() if n > 1] == []


def test_every_shortcut_is_one_that_qt_understands():
    assert [k for a in ACTIONS for k in a.keys if QKeySequence(k).isEmpty()] == []


def test_every_panel_that_is_registered_loads():
    found, problems = load_panels()
    assert problems == []
    assert len({cls.kind for _, cls in found}) == len(found)


def test_no_action_is_dead(window):
    panels = [cls for _, cls in load_panels()[0]]
    dead = [
        a.name
        for a in ACTIONS
        if not hasattr(window, f"do_{a.name}") and not any(hasattr(cls, f"do_{a.name}") for cls in panels)
    ]
    assert dead == []


def test_every_menu_exists_and_every_icon_is_there():
    assert {a.menu for a in ACTIONS} <= set(MENUS)
    assert {a.icon for a in ACTIONS if a.icon} <= set(theme.icon_names())


def test_panel_actions_are_disabled_while_no_panel_is_open(window):
    assert not any(a.isEnabled() for a in window.actions_.of_panels())
    assert window.actions_["open"].isEnabled()
    assert not window.actions_["close_document"].isEnabled()


def test_the_sheet_lists_every_key(qtbot):
    sheet = ShortcutsSheet()
    qtbot.addWidget(sheet)
    shown = {label.text() for label in sheet.findChildren(QLabel)}
    for action in ACTIONS:
        if action.keys:
            assert action.text.replace("&", "").rstrip("…") in shown


@pytest.mark.parametrize(
    "query, better, worse",
    [("open", "File: Open", "View: Close panel"), ("cp", "View: Close panel", "File: Open"), ("dark", "Dark", "Card")],
)
def test_fuzzy_search_puts_what_is_meant_first(query, better, worse):
    assert fuzzy_score(query, better) > fuzzy_score(query, worse)


def test_palette_runs_what_is_chosen(qtbot, window):
    palette = CommandPalette(palette_entries(window), window)
    qtbot.addWidget(palette)
    qtbot.keyClicks(palette.line, "dark theme")
    palette.chosen()()
    assert window.settings.theme == "dark"
    assert theme.is_dark()
