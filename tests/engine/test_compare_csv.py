"""Scores as text are what pandas would write, whatever the names hold."""

from __future__ import annotations

import numpy as np
import pandas as pd

from emviewer.engine.jobs.compare_csv import write_csv


def test_the_text_is_that_of_pandas(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "image": np.arange(1, 8),
            "image_name": ["a,b", 'with "quotes"', "plain", "ünïcode", "", "two\nlines", "nan"],
            "cc": np.r_[rng.normal(size=4) * 10.0 ** np.array([-9, 0, 5, 12]), np.nan, np.inf, -0.0],
            "mirror": pd.array([0, 1, None, 0, 1, None, 0], dtype="Int64"),
            "outlier": np.array([True, False] * 3 + [True]).astype(int),
        }
    )
    write_csv(tmp_path / "ours.csv", table)
    table.to_csv(tmp_path / "theirs.csv", index=False, float_format="%.6g")
    assert (tmp_path / "ours.csv").read_bytes() == (tmp_path / "theirs.csv").read_bytes()
