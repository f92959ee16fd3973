# From a fresh clone: `make demo` shows the program on its example, `make test` runs the tests. Nothing to prepare.
PY := .venv/bin/python
APP := .venv/installed-app
DEV := .venv/installed-dev
QT := .venv/qt-libraries

.PHONY: help demo test test-slow lint format bench screenshots clean

help:
	@echo "make demo         the window on a ready example (without a display: the same, headless, into demo-out/)"
	@echo "make test         the tests, except the slow ones (make test-slow: only those)"
	@echo "make lint         ruff and mypy (make format mends what can be mended)"
	@echo "make bench        the benchmarks; prints their tables"
	@echo "make screenshots  pictures of every panel, into demo-out/, and the one of the README"

$(APP): pyproject.toml scripts/python_env.sh
	@sh scripts/python_env.sh .
	@touch $@

$(DEV): pyproject.toml $(APP)
	@sh scripts/python_env.sh ".[test,lint]"
	@touch $@

$(QT): scripts/qt_libraries.py $(APP)
	@$(PY) scripts/qt_libraries.py
	@touch $@

demo: $(APP)
	@$(PY) scripts/qt_libraries.py
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then $(PY) -m emviewer demo; \
	else $(PY) -m emviewer demo --headless --out demo-out && $(PY) scripts/screenshots.py demo-out; fi

test: $(DEV) $(QT)
	@$(PY) -m pytest -m "not slow"

test-slow: $(DEV) $(QT)
	@$(PY) -m pytest -m slow

lint: $(DEV)
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

format: $(DEV)
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

bench: $(DEV) $(QT)
	@sh benchmarks/run.sh $(PY)

screenshots: $(APP) $(QT)
	@$(PY) scripts/screenshots.py demo-out && mkdir -p docs && cp demo-out/window.png docs/window.png

clean:
	rm -rf .venv .cache demo-out build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
