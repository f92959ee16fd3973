#!/bin/sh
# Make .venv with a Python of at least 3.11 if it is not there, and install the requirement given ("." or ".[test]").
set -e
want=${1:-.}

suitable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then sudo "$@"
    else return 1
    fi
}

if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
    found= bare=
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python3.14}; do
        for python in $(which -a "$name" 2>/dev/null); do
            suitable "$python" || continue
            if has_venv "$python"; then found=$python; break 2; fi
            bare=${bare:-$python}
        done
    done
    if [ -z "$found" ] && [ -n "$bare" ] && command -v apt-get >/dev/null 2>&1; then
        package=python$("$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
        echo "emviewer: Python's venv module is missing; installing the system package $package"
        if as_root apt-get update -qq && as_root apt-get install -y --no-install-recommends "$package"; then
            found=$bare
        else
            echo "emviewer: $package could not be installed without root: run 'sudo apt-get install $package', then make again" >&2
            exit 1
        fi
    fi
    if [ -z "$found" ]; then
        echo "emviewer: no Python of version 3.11 or newer with its venv module was found: install one (Debian, Ubuntu: python3 python3-venv; macOS: python.org or brew), then make again" >&2
        exit 1
    fi
    echo "emviewer: making .venv with $found"
    rm -rf .venv
    "$found" -m venv .venv
fi
echo "emviewer: installing $want into .venv"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$want"
