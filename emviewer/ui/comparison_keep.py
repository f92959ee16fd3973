"""What a person did to a comparison, kept beside its scores: tags, and views set by hand. For the lanes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine.errors import FileError
from emviewer.engine.types import F32
from emviewer.ui.comparison import TAG, Comparison
from emviewer.ui.tags import NAMES, Tags

TAGS_FILE, VIEWS_FILE, PICTURES_FILE = "tags.csv", "views_by_hand.csv", "views_by_hand.npz"
HAND_KINDS = ("aligned", "reprojections", "fitted", "residuals")


def read_tags(folder: Path) -> dict[int, str]:
    """Return the tags that were given to a result."""
    path = folder / TAGS_FILE
    if not path.is_file():
        return {}
    with contextlib.suppress(ValueError, KeyError, pd.errors.ParserError):
        found = pd.read_csv(path, dtype={"image": int, TAG: str})
        rows = zip(found["image"].tolist(), found[TAG].tolist(), strict=True)
        return {i - 1: str(t) for i, t in rows if i > 0 and t in NAMES[1:]}
    return {}


def write_tags(folder: Path, tags: Tags) -> None:
    """Keep the tags beside the scores.

    Raises
    ------
    FileError
        The folder is gone or cannot be written.
    """
    column = pd.Series(tags.column(len(tags)))
    column = column[column != ""]
    table = pd.DataFrame({"image": column.index + 1, TAG: column.to_numpy(object)})
    try:
        table.to_csv(folder / TAGS_FILE, index=False)
    except OSError as err:
        raise _not_kept("tags", folder, err) from err


def _not_kept(what: str, folder: Path, err: OSError) -> FileError:
    why = "its folder is gone" if not folder.is_dir() else (err.strerror or str(err)).lower()
    return FileError(f"the {what} cannot be kept with the result, {why}", folder, "save the rows elsewhere")


def read_views(folder: Path, comparison: Comparison) -> None:
    """Put the views that were set by hand, and their pictures, in place of what the job found."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        views = pd.read_csv(folder / VIEWS_FILE, dtype={"map": str, "status": str, "reason": str})
        with np.load(folder / PICTURES_FILE, allow_pickle=False) as pictures:
            for values in views.to_dict("records"):
                name, row = str(values.pop("map")), int(values.pop("image")) - 1
                table = comparison.tables[name]
                if row not in table.index:
                    continue
                comparison.originals[name, row] = table.loc[row].copy()
                for column, value in values.items():
                    if column in table:
                        table.at[row, column] = value
                comparison.replaced[name, row] = {kind: pictures[f"{name}/{row}/{kind}"] for kind in HAND_KINDS}


def write_views(folder: Path, rows: dict[tuple[str, int], tuple[pd.Series, dict[str, F32]]]) -> None:
    """Keep the views set by hand beside the scores, which stay as they were.

    Raises
    ------
    FileError
        The folder is gone or cannot be written.
    """
    lines = [{"map": name, "image": row + 1} | _plain(scores) for (name, row), (scores, _) in rows.items()]
    pictures = {f"{n}/{r}/{kind}": images[kind] for (n, r), (_, images) in rows.items() for kind in HAND_KINDS}
    try:
        if not rows:
            for name in (VIEWS_FILE, PICTURES_FILE):
                (folder / name).unlink(missing_ok=True)
            return
        pd.DataFrame(lines).to_csv(folder / VIEWS_FILE, index=False)
        np.savez_compressed(folder / PICTURES_FILE, **pictures)
    except OSError as err:
        raise _not_kept("views set by hand", folder, err) from err


def views_of(comparison: Comparison) -> dict[tuple[str, int], tuple[pd.Series, dict[str, F32]]]:
    """Return rows and pictures of the views set by hand, as they are now."""
    return {
        (name, row): (comparison.tables[name].loc[row].copy(), images)
        for (name, row), images in comparison.replaced.items()
    }


def _plain(scores: pd.Series) -> dict[str, Any]:
    return {str(k): v for k, v in scores.items() if k not in ("map", "image", "image_name")}
