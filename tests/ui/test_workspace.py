from pathlib import Path

import numpy as np
import pandas as pd

from emviewer.ui.settings import RECENT_MAX, Settings
from emviewer.ui.undo import MERGE_S, History
from emviewer.ui.window import selection_words
from emviewer.ui.workspace import Document


def images(n=10, start=0):
    return Document("images", "set", table=pd.DataFrame({"a": np.arange(n)}, index=np.arange(start, start + n)))


def test_the_newest_document_is_current_and_the_one_before_follows_it(workspace):
    a, b = workspace.add(images()), workspace.add(images())
    assert workspace.current is b
    workspace.remove(b)
    assert workspace.current is a
    workspace.remove(a)
    assert workspace.current is None


def test_a_selection_is_a_sorted_set_of_row_ids(workspace):
    document, heard = workspace.add(images(5, start=100)), []
    workspace.selection_changed.connect(heard.append)
    workspace.select(document, [103, 101, 103])
    workspace.select(document, [101, 103])
    assert workspace.selection(document).tolist() == [101, 103]
    assert heard == [document.id]


def test_undo_takes_back_a_selection_and_redo_makes_it_again(workspace, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("emviewer.ui.undo.time.monotonic", lambda: clock[0])
    history, document = History(workspace), workspace.add(images())
    workspace.select(document, [1])
    clock[0] += 10 * MERGE_S
    workspace.select(document, [1, 2])
    history.undo()
    assert workspace.selection(document).tolist() == [1]
    history.undo()
    assert workspace.selection(document).tolist() == []
    assert not history.canUndo()
    history.redo()
    history.redo()
    assert workspace.selection(document).tolist() == [1, 2]


def test_a_rubber_band_is_one_step(workspace, monkeypatch):
    monkeypatch.setattr("emviewer.ui.undo.time.monotonic", lambda: 1.0)
    history, document = History(workspace), workspace.add(images())
    for n in range(1, 9):
        workspace.select(document, range(n))
    assert history.count() == 1
    history.undo()
    assert workspace.selection(document).tolist() == []


def test_closing_a_document_forgets_its_steps(workspace):
    history, document = History(workspace), workspace.add(images())
    workspace.select(document, [1])
    workspace.remove(document)
    assert not history.canUndo()


def test_selection_is_said_with_its_share(workspace):
    document = workspace.add(images(5000))
    assert selection_words(workspace, document) == "5\u202f000 images"
    workspace.select(document, range(37))
    assert selection_words(workspace, document) == "37 of 5\u202f000 selected (0.7 %)"


def test_ten_recent_files_and_pinned_ones_stay(tmp_path):
    settings = Settings(tmp_path / "s.ini")
    paths = [Path(f"/data/{i}.mrc") for i in range(15)]
    settings.add_recent(paths[0])
    settings.pin_recent(paths[0], True)
    for path in paths[1:]:
        settings.add_recent(path)
    recent = settings.recent()
    assert len(recent) == RECENT_MAX
    assert recent[0] == (paths[0], True)
    assert [p for p, _ in recent[1:]] == paths[:5:-1]
    again = Settings(tmp_path / "s.ini")
    assert again.recent() == recent
    again.remove_recent(paths[0])
    assert paths[0] not in [p for p, _ in again.recent()]


def test_damaged_settings_are_no_settings(tmp_path):
    (tmp_path / "s.ini").write_text("[General]\nrecent=nonsense\ntheme=purple\n")
    settings = Settings(tmp_path / "s.ini")
    assert settings.recent() == []
    assert settings.theme == "system"
