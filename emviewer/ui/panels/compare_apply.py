"""A view set by hand put into the table of scores, as one step for undo, and kept beside the result."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd

from emviewer.ui import comparison, comparison_keep
from emviewer.ui.runner import Runner
from emviewer.ui.table_model import SORT_ELSEWHERE
from emviewer.ui.workspace import Document, Workspace


class ViewSetter:
    """Changes rows of the scores.

    Parameters
    ----------
    workspace : Workspace
        Hears of every step.
    runner : Runner
        Whose lane copies long tables and writes files.
    fail : callable
        Told when the views cannot be kept beside the result.
    """

    def __init__(self, workspace: Workspace, runner: Runner, fail: Callable[[Exception], None]) -> None:
        self.workspace, self.runner, self.fail = workspace, runner, fail

    def apply(self, document: Document, row: int, values: pd.Series, images: dict[str, Any]) -> None:
        """Put scores and pictures of another view into a row of the map shown."""
        compared = comparison.of(document)
        if compared is None:
            return
        name = compared.shown
        old, old_images = compared.table_of(name).loc[row].copy(), compared.replaced.get((name, row))
        compared.originals.setdefault((name, row), old)
        put = partial(self._put, document, name, row)
        self.workspace.edited.emit(
            f"set the view of image {row + 1}", lambda: put(values, images), lambda: put(old, old_images)
        )

    def _put(self, document: Document, name: str, row: int, values: pd.Series, images: dict[str, Any] | None) -> None:
        current = comparison.of(document)
        if current is None or name not in current.tables:
            return
        before = current.tables[name]

        def take(changed: pd.DataFrame) -> None:
            if current.tables.get(name) is not before:  # changed meanwhile: begin again from what it is now
                self._put(document, name, row, values, images)
                return
            current.tables[name] = changed
            if images is None:
                current.replaced.pop((name, row), None)
            else:
                current.replaced[name, row] = images
            current.version += 1
            comparison.refresh(document)
            self.workspace.touch(document)
            self._keep(document, current)

        work, key = partial(with_row, before, row, values), ("set view", document.id, name, row)
        if len(before) < SORT_ELSEWHERE:
            self.runner.drop_views(key)
            take(work())
        else:  # a million rows take 0.2 s to copy; a step that is undone at once is never made
            self.runner.view(key, lambda check: work(), take, slow=True)

    def _keep(self, document: Document, compared: comparison.Comparison) -> None:
        """Write the views set by hand beside the scores, so that closing loses nothing."""
        folder = document.path
        if folder is not None and not document.streaming:
            work = partial(comparison_keep.write_views, folder, comparison_keep.views_of(compared))
            key = ("views", document.id)
            self.runner.view(key, lambda check: work(), lambda _: None, fail=self.fail, slow=True)


def with_row(table: pd.DataFrame, row: int, values: pd.Series) -> pd.DataFrame:
    """Return a table with one row changed; the table itself, which panels may still show, stays."""
    changed = table.copy()
    for column in changed.columns:
        changed.at[row, column] = values[column]
    return changed
