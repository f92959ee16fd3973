"""The loops of matching are compiled beforehand, said, and remembered apart from those of projection."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from emviewer.engine import kernels, match_warm, mrc_write
from emviewer.engine.jobs.compare import SPEC
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated
from emviewer.engine.task import Cancelled
from emviewer.engine.types import Map3D


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMVIEWER_CACHE", str(tmp_path / "cache"))


def test_compiling_is_said_once_a_machine():
    assert not kernels.is_compiled(match_warm.LOOPS)
    said = list(match_warm.warm_up())
    assert said and all(text.startswith("compiling ") and text.endswith("(first use)") for text in said)
    assert kernels.is_compiled(match_warm.LOOPS)
    assert not kernels.is_compiled()
    kernels.mark_compiled()
    assert kernels.is_compiled(match_warm.LOOPS)


AFTERWARDS = """
import json, sys
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from emviewer.engine import match_warm
from emviewer.engine.jobs.compare import SPEC
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.run import run_job
from emviewer.engine.params import validated

def compiled():
    modules = [module for name, module in sys.modules.items() if name.startswith("emviewer.engine.kernels")]
    loops = {loop for module in modules for loop in vars(module).values() if isinstance(loop, Dispatcher)}
    return {f"{loop.py_func.__module__}.{loop.__name__}": [str(s) for s in loop.signatures] for loop in loops}

for _ in match_warm.warm_up():
    pass
before = compiled()
folder = Path(sys.argv[1])
params = {"images": folder / "images.mrcs", "maps": [folder / "map.mrc"], "report": "none"}
said = [batch.stage for batch in run_job(SPEC, validated(CompareParams, params), folder / "out")]
print(json.dumps([said, before, compiled()]))
"""


@pytest.fixture
def folder(tmp_path):
    volume = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
    mrc_write.write_map(tmp_path / "map.mrc", Map3D(volume, 3.0))
    with mrc_write.StackWriter(tmp_path / "images.mrcs", (24, 24), 3.0) as writer:
        writer.append(volume[8:12])
    return tmp_path


def test_a_comparison_says_it(folder):
    params = validated(
        CompareParams, {"images": folder / "images.mrcs", "maps": [folder / "map.mrc"], "report": "none"}
    )
    said = [batch.stage for batch in run_job(SPEC, params, folder / "out")]
    assert any("(first use)" in text for text in said)


def test_a_comparison_compiles_nothing_afterwards(folder):
    """In a process of its own, as other tests have compiled in this one."""
    run = subprocess.run([sys.executable, "-c", AFTERWARDS, folder], capture_output=True, text=True, check=True)
    said, before, after = json.loads(run.stdout)
    assert not any("(first use)" in text for text in said)
    assert len(before["emviewer.engine.kernels_match.refine_one"]) == 1
    assert after == before


def test_it_can_be_cancelled_and_is_not_noted_then():
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(match_warm.warm_up(check))
    assert not kernels.is_compiled(match_warm.LOOPS)
