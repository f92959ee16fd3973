"""The loops of matching are compiled beforehand, said, and remembered apart from those of projection."""

from __future__ import annotations

import numpy as np
import pytest

from emviewer.engine import kernels, kernels_match, kernels_match_score, kernels_match_search, match_warm, mrc_write
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


def test_a_comparison_says_it_and_compiles_nothing_afterwards(tmp_path):
    loops = (
        kernels_match.refine_one, kernels_match_score.score_images, kernels_match_search.best_psi_and_shift,
        kernels_match_search.pick_distinct,
    )  # fmt: skip
    volume = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
    mrc_write.write_map(tmp_path / "map.mrc", Map3D(volume, 3.0))
    with mrc_write.StackWriter(tmp_path / "images.mrcs", (24, 24), 3.0) as writer:
        writer.append(volume[8:12])
    params = validated(
        CompareParams, {"images": tmp_path / "images.mrcs", "maps": [tmp_path / "map.mrc"], "report": "none"}
    )
    said, compiled = [], []
    for batch in run_job(SPEC, params, tmp_path / "out"):
        said.append(batch.stage)
        if "compiling" not in batch.stage and not compiled:
            compiled += [list(loop.signatures) for loop in loops if "opening" not in batch.stage]
    assert any("(first use)" in text for text in said)
    assert compiled == [loop.signatures for loop in loops]


def test_it_can_be_cancelled_and_is_not_noted_then():
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(match_warm.warm_up(check))
    assert not kernels.is_compiled(match_warm.LOOPS)
