"""Pictures of the window, made by the program on its example: the start page and every panel, light and dark.

usage: python scripts/screenshots.py [FOLDER]      (demo-out unless given; needs no display)
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# The log and the information box of the pictures name files; they should not be those of somebody's home.
os.environ["EMVIEWER_CACHE"] = str(Path(tempfile.gettempdir()) / "emviewer")

from PySide6.QtCore import QEvent, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from emviewer.ui import theme
from emviewer.ui.settings import Settings
from emviewer.ui.start import make_application
from emviewer.ui.window import MainWindow
from emviewer.ui.workspace import Document

SIZE = (1440, 900)
COVER = "gallery"
"""The panel whose light picture becomes ``window.png``, the one in the README."""
LONGEST_S = 600.0


def say(_kind: object, _context: object, text: str) -> None:
    """Pass on what Qt says, but for what the offscreen platform says of every window."""
    if "propagateSizeHints" not in text:
        print(text, file=sys.stderr)


def wait(app: QApplication, done: Callable[[], bool], what: str) -> None:
    """Let the window work until something is done."""
    end = time.monotonic() + LONGEST_S
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} took longer than {LONGEST_S:g} s")
        app.processEvents()
        time.sleep(0.005)


def settle(app: QApplication, seconds: float = 1.5) -> None:
    """Let the window draw what the view lane still brings."""
    end = time.monotonic() + seconds
    wait(app, lambda: time.monotonic() > end, "drawing")


def fill(app: QApplication, window: MainWindow) -> Document:
    """Open the example, wait for its gallery and return the gallery's document."""
    window.do_open_example()
    wait(app, lambda: any(d.kind == "result" for d in window.workspace.documents.values()), "the example")
    wait(app, lambda: not any(job.active for job in window.runner.jobs), "the jobs of the example")
    settle(app)
    result = next(d for d in window.workspace.documents.values() if d.kind == "result")
    rows = len(result.table) if result.table is not None else 0
    window.workspace.set_current(result)
    window.workspace.select(result, [i for i in (1, 5, 6, 11) if i < rows])
    window.workspace.set_row(result, min(6, rows - 1))
    return result


def shots(app: QApplication, window: MainWindow, folder: Path, name: str) -> list[Path]:
    """Grab the start page and, on the example, every panel."""
    made: list[Path] = []

    def grab(what: str) -> None:
        settle(app)
        path = folder / f"{what}-{name}.png"
        if not window.grab().save(str(path)):
            raise OSError(f"{path} cannot be written")
        made.append(path)

    grab("start")
    result = fill(app, window)
    for kind, (entry, panel) in window.area.kinds.items():
        own = [d for d in window.workspace.documents.values() if d.info.get("job") in entry.for_kinds]
        documents = [*own, result, *window.workspace.documents.values()]
        document = next((d for d in documents if panel.accepts(d)), None)
        if document is not None:
            window.workspace.set_current(document)
            window.area.bring(window.area.open_panel(kind, document))
            grab(kind)
    return made


def main(folder: Path) -> int:
    """Make all pictures in ``folder`` and say where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    qInstallMessageHandler(say)
    app = make_application()
    app.setQuitOnLastWindowClosed(False)
    made: list[Path] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("light", "dark"):
            settings = Settings(Path(scratch) / f"{name}.ini")
            settings.theme = name
            theme.apply(name)
            window = MainWindow(settings)
            window.resize(*SIZE)
            window.show()
            made += shots(app, window, folder, name)
            window.end()
            app.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    cover = folder / f"{COVER}-light.png"
    (folder / "window.png").write_bytes(cover.read_bytes())
    print(f"emviewer: {len(made)} screenshots in {folder.absolute()}, such as {cover.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-out")))
