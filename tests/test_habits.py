"""The habits themselves: leftovers fail a test, and a bare machine gets what is missing, or one sentence."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

LEFTOVERS = """
import threading
from PySide6.QtCore import QSettings, QThread, QTimer
from PySide6.QtWidgets import QWidget

def test_clean(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    widget.show()

def test_leaves_window(qtbot):
    global window
    window = QWidget()

def test_leaves_timer():
    global timer
    timer = QTimer()
    timer.start(60000)

def test_leaves_thread():
    global stop
    stop = threading.Event()
    threading.Thread(target=stop.wait, daemon=True, name="forgotten").start()

def test_leaves_setting():
    stop.set()
    timer.stop()
    QSettings("house", "room").setValue("key", 1)

def test_finds_no_setting():
    assert QSettings("house", "room").value("key") is None
"""


def test_what_a_test_leaves_behind_fails_it(tmp_path):
    pytest.importorskip("PySide6")
    (tmp_path / "tests/ui").mkdir(parents=True)
    for name in ("tests/conftest.py", "tests/ui/conftest.py"):
        text = (ROOT / name).read_text()
        assert "PATIENCE_S = 2.0" in text
        (tmp_path / name).write_text(text.replace("PATIENCE_S = 2.0", "PATIENCE_S = 0.05"))
    (tmp_path / "tests/ui/test_leftovers.py").write_text(LEFTOVERS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=line", "-rEf", "tests/ui"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    blamed = {
        line.split("::")[1].split()[0] for line in done.stdout.splitlines() if line.startswith(("ERROR", "FAILED"))
    }
    assert blamed == {"test_leaves_window", "test_leaves_timer", "test_leaves_thread"}, done.stdout


@pytest.fixture
def bench(tmp_path):
    """Return a folder of fake programs and a way to run things with nothing but them and a few real ones."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name in ("sh", "env", "id", "rm", "touch", "cat", "which", "dirname"):
        real = next(Path(f) / name for f in ("/bin", "/usr/bin") if (Path(f) / name).exists())
        (bin_folder / name).symlink_to(real)

    class Bench:
        folder = tmp_path

        def program(self, name: str, text: str) -> None:
            (bin_folder / name).unlink(missing_ok=True)
            (bin_folder / name).write_text("#!/bin/sh\n" + text)
            (bin_folder / name).chmod(0o755)

        def run(self, *command: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                command, cwd=tmp_path, env={"PATH": str(bin_folder), "HOME": str(tmp_path)},
                capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip

        def calls(self) -> str:
            log = tmp_path / "calls"
            return log.read_text() if log.exists() else ""

    return Bench()


ENV_SCRIPT = str(ROOT / "scripts/python_env.sh")
OLD_PYTHON = "exit 1\n"
BARE_PYTHON = """case "$*" in
*ensurepip*) exit 1;;
*%d.%d*) echo 3.11;;
*venv*) echo "venv $*" >> calls; mkdir=$3;;
esac
"""


def test_without_a_suitable_python_one_sentence_says_so(bench):
    bench.program("python3", OLD_PYTHON)
    done = bench.run("sh", ENV_SCRIPT, ".")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "3.11" in done.stderr


def test_a_missing_venv_module_is_installed_as_root(bench):
    bench.program("python3.11", BARE_PYTHON)
    bench.program("id", "echo 0\n")
    bench.program("apt-get", 'echo "apt-get $*" >> calls\n')
    done = bench.run("sh", ENV_SCRIPT, ".")
    assert "python3.11-venv" in done.stdout
    assert "install -y --no-install-recommends python3.11-venv" in bench.calls()
    assert "venv -m venv .venv" in bench.calls()


def test_a_missing_venv_module_without_root_is_one_sentence(bench):
    bench.program("python3.11", BARE_PYTHON)
    bench.program("id", "echo 1000\n")
    bench.program("apt-get", 'echo "apt-get $*" >> calls\n')
    done = bench.run("sh", ENV_SCRIPT, ".")
    assert done.returncode == 1
    assert "sudo apt-get install python3.11-venv" in done.stderr
    assert bench.calls() == ""


def test_a_python_that_is_there_but_does_not_run_is_passed_over(bench):
    bench.program("python3.13", "exit 127\n")  # as pyenv's shims of versions that are not switched on
    bench.program("python3.12", 'echo "$0 $*" >> calls\n')
    done = bench.run("sh", ENV_SCRIPT, ".")
    assert "with " in done.stdout
    assert "python3.12 -m venv .venv" in bench.calls()


@pytest.fixture
def qt_libraries(monkeypatch):
    spec = importlib.util.spec_from_file_location("qt_libraries", ROOT / "scripts/qt_libraries.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module, "has_fonts", lambda: True)
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    return module


LDD = """
PySide6/QtGui.abi3.so:
\tlibEGL.so.1 => not found
\tlibc.so.6 => /lib/libc.so.6 (0x00007f)
PySide6/QtWidgets.abi3.so:
\tlibEGL.so.1 => not found
\tlibxkbcommon.so.0 => not found
"""


def fake_system(monkeypatch, module, outputs, root):
    """Let ``ldd`` answer with outputs in turn; record what else is called."""
    calls = []

    def run(command, **_):
        calls.append(command)
        text = (outputs.pop(0) if len(outputs) > 1 else outputs[0]) if command[0] == "ldd" else ""
        return subprocess.CompletedProcess(command, 0, stdout=text)

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.setattr(module.shutil, "which", lambda name: f"/usr/bin/{name}" if name == "apt-get" else None)
    monkeypatch.setattr(module.os, "geteuid", lambda: 0 if root else 1000)
    return calls


def test_missing_libraries_are_named_and_installed_as_root(qt_libraries, monkeypatch, capsys):
    calls = fake_system(monkeypatch, qt_libraries, [LDD, ""], root=True)
    assert qt_libraries.main() == 0
    installed = next(c for c in calls if "install" in c)
    assert installed[-2:] == ["libegl1", "libxkbcommon0"]
    assert "libegl1 libxkbcommon0" in capsys.readouterr().out


def test_missing_libraries_without_root_are_one_sentence(qt_libraries, monkeypatch, capsys):
    calls = fake_system(monkeypatch, qt_libraries, [LDD], root=False)
    assert qt_libraries.main() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "sudo apt-get install libegl1 libxkbcommon0" in said
    assert not any("install" in c for c in calls)


def test_nothing_is_installed_where_nothing_is_missing(qt_libraries, monkeypatch):
    calls = fake_system(monkeypatch, qt_libraries, [""], root=True)
    assert qt_libraries.main() == 0
    assert {c[0] for c in calls} == {"ldd"}


def test_macos_needs_nothing(qt_libraries, monkeypatch):
    calls = fake_system(monkeypatch, qt_libraries, [LDD], root=True)
    monkeypatch.setattr(qt_libraries.sys, "platform", "darwin")
    assert qt_libraries.main() == 0
    assert calls == []


@pytest.mark.parametrize(
    ("display", "wayland", "platform"),
    [("", "", "offscreen"), (":0", "", "xcb"), ("", "w", "wayland"), (":0", "w", "xcb")],
)
def test_the_libraries_of_a_display_are_looked_at_only_where_there_is_one(
    qt_libraries, monkeypatch, display, wayland, platform
):
    pytest.importorskip("PySide6")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", wayland)
    assert qt_libraries.platform_in_use() == platform
    plugins = {f.stem for f in qt_libraries.qt_files(platform) if f.parent.name == "platforms"}
    assert plugins == {"libqoffscreen", f"libq{platform}"}
    assert all(f.exists() for f in qt_libraries.qt_files(platform)) or os.uname().sysname != "Linux"
