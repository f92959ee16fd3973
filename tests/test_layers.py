"""The floors of the house: a room imports lower floors, and its own floor without a circle; the engine never Qt."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent / "emviewer"
FLOORS = {
    0: "errors types task params conventions",
    1: "mrc star cryosparc xmipp spider model files",
    2: "threads fft kernels rotations symmetry sampling filters resample ctf",
    3: "project sources simulate figure micrograph align2d match residuals centering align3d fsc difference distances "
    "orientations reconstruct learned",
    4: "jobs",
    5: "session cli",
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms.split()}
FORBIDDEN_IN_ENGINE = {"PySide6", "pyqtgraph", "qtpy", "PyQt5", "PyQt6"}


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room_of(path: Path) -> str:
    part = path.relative_to(ROOT / "engine").parts[0].removesuffix(".py")
    return next(
        (room for room in sorted(FLOOR_OF, key=len, reverse=True) if part == room or part.startswith(room + "_")), part
    )


def engine_files() -> list[Path]:
    return [p for p in (ROOT / "engine").rglob("*.py") if p.relative_to(ROOT / "engine").parts != ("__init__.py",)]


def test_every_room_of_the_engine_has_a_floor():
    assert {room_of(p) for p in engine_files()} <= set(FLOOR_OF)


def test_engine_imports_only_downwards_and_no_qt():
    wrong = []
    for path in engine_files():
        room = room_of(path)
        for name in imports_of(path):
            if name.split(".")[0] in FORBIDDEN_IN_ENGINE or name.startswith("emviewer.ui"):
                wrong.append(f"{room} imports {name}")
            if name.startswith("emviewer.engine."):
                other = room_of(ROOT / "engine" / (name.split(".")[2] + ".py"))
                if FLOOR_OF[other] > FLOOR_OF[room]:
                    wrong.append(f"{path.name} (floor {FLOOR_OF[room]}) imports {other} (floor {FLOOR_OF[other]})")
    assert not wrong


def test_no_circles():
    files = {
        ".".join(p.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): p
        for p in ROOT.rglob("*.py")
    }
    graph = {name: {n for n in imports_of(path) if n in files and n != name} for name, path in files.items()}
    state: dict[str, int] = {}

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert state.get(name) != 1, "circle: " + " -> ".join((*trail, name))
        if name not in state:
            state[name] = 1
            for other in graph[name]:
                visit(other, (*trail, name))
            state[name] = 2

    for name in graph:
        visit(name, ())


def test_importing_the_engine_loads_no_qt():
    code = (
        "import sys, pkgutil, importlib, emviewer.engine as e\n"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(e.__path__, 'emviewer.engine.')"
        " if not m.name.endswith('__main__')]\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('PySide6', 'pyqtgraph', 'shiboken6')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
