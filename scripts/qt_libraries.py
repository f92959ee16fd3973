"""Find the system libraries that Qt lacks on this machine, and install their Debian or Ubuntu packages.

Looks at what the installed PySide6 really links to (``ldd``), so nothing is installed where nothing is missing;
the libraries for a real X display are looked at only when there is one. On macOS Qt's wheel brings everything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLX.so.0": "libglx0",
    "libOpenGL.so.0": "libopengl0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libzstd.so.1": "libzstd1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
}
FONT_PACKAGE = "fonts-dejavu-core"
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", str(Path.home() / ".fonts"))
MODULES = ("QtCore", "QtGui", "QtWidgets", "QtSvg", "QtPrintSupport", "QtOpenGL", "QtOpenGLWidgets", "QtTest")


def platform_in_use() -> str:
    """Return the plugin by which Qt would reach the display: ``xcb``, ``wayland``; ``offscreen`` if there is none."""
    if os.environ.get("DISPLAY"):
        return "xcb"
    return "wayland" if os.environ.get("WAYLAND_DISPLAY") else "offscreen"


def qt_files(platform: str) -> list[Path]:
    """Return the files of the installed PySide6 that the program loads; screenshots and tests are always offscreen."""
    spec = find_spec("PySide6")
    if spec is None or spec.origin is None:
        return []
    home = Path(spec.origin).parent
    files = [f for module in MODULES for f in home.glob(f"{module}.*so")]
    return files + [home / f"Qt/plugins/platforms/libq{name}.so" for name in sorted({"offscreen", platform})]


def missing_libraries(ldd_output: str) -> set[str]:
    """Return the names that ``ldd`` did not find."""
    return set(re.findall(r"^\s*(\S+) => not found", ldd_output, re.MULTILINE))


def has_fonts() -> bool:
    """Return whether any font that Qt can use is installed."""
    return any(next(Path(f).rglob("*.[to]t[fc]"), None) for f in FONT_FOLDERS if Path(f).is_dir())


def missing(platform: str) -> set[str]:
    """Return what is missing: names of libraries, and ``fonts``."""
    files = [str(f) for f in qt_files(platform) if f.exists()]
    done = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False)
    return missing_libraries(done.stdout) | (set() if has_fonts() else {"fonts"})


def packages_for(names: set[str]) -> list[str]:
    """Return the Debian packages that bring these libraries; unknown ones are left out."""
    return sorted({FONT_PACKAGE if n == "fonts" else PACKAGES[n] for n in names if n == "fonts" or n in PACKAGES})


def root_prefix() -> list[str] | None:
    """Return what to put before a command so that it runs as root; None if there is no way."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        silent = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
        if silent or sys.stdin.isatty():
            return ["sudo"]
    return None


def install(packages: list[str]) -> bool:
    """Install packages with apt, saying so; return whether apt ran through."""
    prefix = root_prefix()
    if prefix is None or not shutil.which("apt-get"):
        return False
    print(f"emviewer: Qt lacks system libraries; installing {' '.join(packages)}", flush=True)
    command = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]
    subprocess.run([*command, "update", "-qq"], check=False)
    wanted = [*command, "install", "-y", "-qq", "--no-install-recommends", *packages]
    return subprocess.run(wanted, check=False, stdout=subprocess.DEVNULL).returncode == 0


def main() -> int:
    """Install what is missing; return 0 if nothing is missing any more."""
    if not sys.platform.startswith("linux"):
        return 0
    platform = platform_in_use()
    lacking = missing(platform)
    if not lacking:
        return 0
    packages = packages_for(lacking)
    if packages and install(packages) and not missing(platform):
        return 0
    lacking = missing(platform)
    advice = (
        f"run 'sudo apt-get install {' '.join(packages_for(lacking))}'" if packages_for(lacking) else "install them"
    )
    print(f"emviewer: Qt lacks {', '.join(sorted(lacking))}: {advice}, then make again", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
