"""The one action table behind menus, toolbar, shortcuts, the ``?`` sheet and the command palette.

An action of the window is carried out by ``MainWindow.do_<name>``; an action of a panel by ``do_<name>`` of the panel
in front, and is enabled only while that panel has such a method. Keys of panel actions work while a panel has the
keyboard, so that typing into a form never turns a picture over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ActionSpec:
    """One thing a person can do.

    Parameters
    ----------
    name : str
        What ``do_<name>`` is called.
    text : str
        In menus; ``&`` marks the mnemonic.
    menu : str
        Menu it stands in, and its heading in the ``?`` sheet.
    keys : tuple of str
        Shortcuts, the first one shown.
    icon : str
        Name of an icon, or empty.
    tip : str
        One sentence for the tool tip and the status bar.
    scope : str
        ``window``, or ``panel`` when the panel in front does it.
    toolbar : bool
        Whether it has a button in the toolbar.
    separator : bool
        Whether a line stands above it in its menu.
    """

    name: str
    text: str
    menu: str
    keys: tuple[str, ...] = ()
    icon: str = ""
    tip: str = ""
    scope: Literal["window", "panel"] = "window"
    toolbar: bool = False
    separator: bool = False


def _panel(name: str, text: str, menu: str, *keys: str, **more: object) -> ActionSpec:
    return ActionSpec(name, text, menu, keys, scope="panel", **more)  # type: ignore[arg-type]


MENUS = ("&File", "&Edit", "&Image", "&Go", "&View", "&Task", "&Help")

ACTIONS: tuple[ActionSpec, ...] = (
    ActionSpec("open", "&Open…", "&File", ("Ctrl+O",), "open", "Open maps, image stacks or results", toolbar=True),
    ActionSpec("open_folder", "Open &result…", "&File", (), "folder", "Open the folder that a job wrote"),
    ActionSpec("open_example", "Open the &example", "&File", (), "example", "Build the example and open it"),
    ActionSpec(
        "open_session", "Open &session…", "&File", (), "", "Open what was open when a session was saved", separator=True
    ),
    ActionSpec("save_session", "&Save session…", "&File", ("Ctrl+S",), "save", "Save what is open and how it looks"),
    _panel(
        "save_selected",
        "Save selected &images…",
        "&File",
        "Ctrl+Shift+S",
        icon="export",
        separator=True,
        tip="Save the selected images as a stack with its star file",
    ),
    _panel(
        "export_figure",
        "Export &figure…",
        "&File",
        "Ctrl+E",
        icon="figure",
        tip="Export what the panel shows as PNG, SVG or PDF with a scale bar",
    ),
    ActionSpec(
        "reload", "&Reload from disk", "&File", ("Ctrl+R",), "reload", "Read the current document again", separator=True
    ),
    ActionSpec(
        "close_document",
        "&Close document",
        "&File",
        ("Ctrl+Shift+W",),
        "close",
        "Close the current document; its file stays as it is",
    ),
    ActionSpec("quit", "&Quit", "&File", ("Ctrl+Q",), "", "Close the window", separator=True),
    ActionSpec("undo", "&Undo", "&Edit", ("Ctrl+Z",), "undo", "Take back the last change of the selection"),
    ActionSpec("redo", "&Redo", "&Edit", ("Ctrl+Shift+Z", "Ctrl+Y"), "redo", "Make the change again"),
    _panel(
        "copy",
        "&Copy rows",
        "&Edit",
        "Ctrl+C",
        icon="copy",
        separator=True,
        tip="Copy the selected rows as tab-separated text",
    ),
    _panel(
        "copy_picture",
        "Copy &picture",
        "&Edit",
        "Ctrl+Shift+C",
        icon="image",
        tip="Copy what the panel shows as a picture",
    ),
    ActionSpec(
        "select_all",
        "Select &all",
        "&Edit",
        ("Ctrl+A",),
        "",
        "Select every row of the document",
        "panel",
        separator=True,
    ),
    ActionSpec("select_inverse", "&Invert selection", "&Edit", ("Ctrl+I",), "", "Select what is not selected", "panel"),
    ActionSpec("select_none", "C&lear selection", "&Edit", ("Esc",), "", "Select nothing", "panel"),
    _panel("select_above", "Select all a&bove", "&Edit", "[", tip="Select everything before the current tile"),
    _panel("select_below", "Select all b&elow", "&Edit", "]", tip="Select everything after the current tile"),
    _panel(
        "select_worse",
        "Select all &worse than this",
        "&Edit",
        "}",
        tip="Select the current row and every row that scores worse, whatever the order",
    ),
    _panel("tag_keep", "Tag: &keep", "&Edit", "Space", separator=True, tip="Tag rows to be kept; 1 to 9 give numbers"),
    _panel("tag_reject", "Tag: re&ject", "&Edit", "Del", tip="Tag rows to be rejected; no file is touched"),
    _panel("tag_none", "Tag: n&one", "&Edit", "0", tip="Take the tag off"),
    _panel(
        "auto_contrast",
        "&Auto contrast",
        "&Image",
        "C",
        icon="contrast",
        tip="Set black and white from robust percentiles",
    ),
    _panel(
        "toggle_shared_contrast",
        "&Shared contrast",
        "&Image",
        "Shift+C",
        tip="Change between one contrast for all images and one for each",
    ),
    _panel("full_range", "&Full range", "&Image", "T", tip="Set black and white to the smallest and largest value"),
    _panel("black_down", "&Black level down", "&Image", "F5", separator=True, tip="Move the black level down"),
    _panel("black_up", "B&lack level up", "&Image", "F6", tip="Move the black level up"),
    _panel("white_down", "&White level down", "&Image", "F7", tip="Move the white level down"),
    _panel("white_up", "W&hite level up", "&Image", "F8", tip="Move the white level up"),
    _panel(
        "invert",
        "&Invert display",
        "&Image",
        "I",
        icon="invert",
        separator=True,
        tip="Show black as white; the data stay as they are",
    ),
    _panel("spectrum", "Amplitude s&pectrum", "&Image", "F", tip="Show the amplitude spectrum of the view"),
    _panel("wipe", "&Wipe line", "&Image", "W", tip="Change between side by side and a wipe line; hold B to blink"),
    _panel("zoom_in", "Zoom &in", "&Image", "+", "=", icon="zoom-in", separator=True),
    _panel("zoom_out", "Zoom &out", "&Image", "-", icon="zoom-out"),
    _panel("zoom_fit", "Zoom to fi&t", "&Image", "Ctrl+0", icon="zoom-fit"),
    _panel("zoom_actual", "One pixel for one pi&xel", "&Image", "Ctrl+1"),
    _panel("maximise_x", "Only the cut along &X", "&Image", "X", separator=True, tip="Show one cut large"),
    _panel("maximise_y", "Only the cut along &Y", "&Image", "Y", tip="Show one cut large"),
    _panel("maximise_z", "Only the cut along &Z", "&Image", "Z", tip="Show one cut large"),
    _panel("three_cuts", "Th&ree cuts", "&Image", "O", tip="Show the three orthogonal cuts"),
    _panel("previous", "&Previous", "&Go", "Left", icon="previous", tip="Previous slice or image"),
    _panel("next", "&Next", "&Go", "Right", icon="next", tip="Next slice or image"),
    _panel("previous_page", "Ten &back", "&Go", "PgUp", tip="Ten slices or a page of images back"),
    _panel("next_page", "Ten &forward", "&Go", "PgDown", tip="Ten slices or a page of images forward"),
    _panel("first", "F&irst", "&Go", "Home", tip="First slice or image"),
    _panel("last", "&Last", "&Go", "End", tip="Last slice or image"),
    _panel("next_worst", "&Next by score", "&Go", "N", separator=True, tip="Next row as the scores are sorted"),
    _panel("previous_worst", "Previous &by score", "&Go", "P", tip="Previous row as the scores are sorted"),
    _panel("sort_now", "&Sort now", "&Go", "Shift+S", tip="Sort the scores afresh; the order is frozen until then"),
    _panel("search_here", "Search again &here", "&Go", "Shift+H", tip="Look for the best view near the one shown"),
    ActionSpec("close_panel", "&Close panel", "&View", ("Ctrl+W",), "", "Close the panel in front"),
    ActionSpec(
        "float_panel",
        "&Float panel",
        "&View",
        ("Ctrl+Shift+F",),
        "float",
        "Take the panel in front out of the window, or put it back",
    ),
    ActionSpec("reset_layout", "&Reset layout", "&View", (), "", "Put every panel back where it was at first"),
    ActionSpec(
        "theme_system", "Theme as the s&ystem", "&View", (), "", "Light or dark as the system says", separator=True
    ),
    ActionSpec("theme_light", "&Light theme", "&View", (), "sun"),
    ActionSpec("theme_dark", "&Dark theme", "&View", (), "moon"),
    ActionSpec(
        "palette",
        "Command &palette…",
        "&Help",
        ("Ctrl+K", "Ctrl+Shift+P"),
        "search",
        "Find any command, panel or document by typing",
    ),
    ActionSpec("shortcuts", "&Keyboard shortcuts", "&Help", ("?",), "keyboard", "Every key on one sheet"),
    ActionSpec("help", "&Help", "&Help", ("F1",), "help", "Read how things are done", toolbar=True),
    ActionSpec("about", "&About emviewer", "&Help", (), "", "Version, licence and what it is built on", separator=True),
)
