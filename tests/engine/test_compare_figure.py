"""The figure of a comparison, and what a comparison says before it runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emviewer.engine import figure, figure_triplets, mrc_write
from emviewer.engine.errors import DataError, FileError, ParameterError
from emviewer.engine.figure_spec import parse
from emviewer.engine.jobs.compare_estimate import estimate
from emviewer.engine.jobs.compare_params import CompareParams

N = 8


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A folder as a compare job leaves it: one map, eight images, the third without a score."""
    folder = tmp_path_factory.mktemp("result")
    rng = np.random.default_rng(1)
    (folder / "a").mkdir()
    for kind in ("aligned", "reprojections", "residuals"):
        with mrc_write.StackWriter(folder / "a" / f"{kind}.mrcs", (16, 16), 3.0) as writer:
            writer.append(rng.normal(size=(N, 16, 16)).astype(np.float32))
    cc = np.linspace(0.2, 0.9, N)
    cc[2] = np.nan
    pd.DataFrame(
        {
            "image": np.arange(N) + 1, "map": "a", "cc": cc, "outlier_score": np.arange(N)[::-1] * 1.0,
            "outlier": [1] + [0] * (N - 1), "gray_scale": 1.0, "gray_offset": 0.0, "status": "ok",
        }
    ).to_csv(folder / "scores.csv", index=False)  # fmt: skip
    return folder


def drawn(result, **spec):
    return figure_triplets.draw(parse({"kind": "compare", "result": str(result), **spec}))


def test_worst_and_best_are_chosen_by_the_outlier_score_without_failures(result):
    page = drawn(result, limit=3)
    texts = [t.get_text() for t in page.axes.texts]
    images = [t.split()[0] for t in texts if "outlier score" in t]
    assert images == ["1", "2", "4", "8", "7", "6"]
    assert len(page.images) == 3 * 6
    assert sum("flagged" in t for t in texts) == 1


def test_named_rows_are_shown_as_named(result):
    page = drawn(result, worst=[5, 1])
    assert [t.get_text().split()[0] for t in page.axes.texts if "outlier score" in t.get_text()] == ["6", "2"]


def test_the_residual_is_white_where_it_is_zero(result):
    page = drawn(result, worst=[0])
    shown = np.asarray(page.images[2].get_array())
    assert shown.shape == (16, 16, 3)
    from emviewer.engine.figure_page import colours

    assert colours(figure_triplets.DIVERGING)[127:129].min() > 235


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_it_is_written_in_every_format(result, tmp_path, kind):
    figure.render({"kind": "compare", "result": str(result), "dpi": 60}, tmp_path / f"f.{kind}")
    assert (tmp_path / f"f.{kind}").stat().st_size > 3000


def test_wrong_rows_maps_and_folders_are_sentences(result, tmp_path):
    with pytest.raises(DataError, match="no image 99"):
        drawn(result, worst=[98])
    with pytest.raises(DataError, match="no map nowhere"):
        drawn(result, map_name="nowhere")
    with pytest.raises(FileError, match="no comparison"):
        drawn(tmp_path)


@pytest.fixture
def stack(tmp_path):
    with mrc_write.StackWriter(tmp_path / "i.mrcs", (64, 64), 3.0) as writer:
        writer.append(np.zeros((5, 64, 64), np.float32))
    return tmp_path / "i.mrcs"


def test_the_estimate_counts_images_maps_and_directions(stack):
    one = estimate(CompareParams(images=stack, maps=["a.mrc"], step=5.0))
    assert one.startswith("5 images, 1 650 directions, about ")
    assert "5 images against 2 maps, 413 directions" in estimate(
        CompareParams(images=stack, maps=["a.mrc", "b.mrc"], step=5.0, sym="D2")
    )


def test_the_estimate_of_a_wrong_symmetry_is_a_sentence(stack):
    with pytest.raises(ParameterError):
        estimate(CompareParams(images=stack, maps=["a.mrc"], sym="Q9"))
