"""The question where to save: what is written was asked about, and no part of a name is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox, QWidget

from emviewer.ui.export import ExportDialog
from emviewer.ui.panels.centering_out import CenteringOut
from emviewer.ui.panels.scores_save import FILTERS
from emviewer.ui.save_name import ask_save_name, completed, with_companions

CS = "cryoSPARC rows (*.cs)"
YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


@pytest.fixture
def ask(qtbot, monkeypatch):
    """Ask with a person who types the names and gives the answers one after the other; tell what was asked."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def asked(names, answers=(), chosen=FILTERS.split(";;")[0], filters=FILTERS):
        names, answers, questions = iter(names), iter(answers), []

        def answer(parent, title, text, *more):
            questions.append(text)
            return next(answers)

        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(next(names)), chosen))
        monkeypatch.setattr(QMessageBox, "question", answer)
        return ask_save_name(parent, "Save", "rows.star", filters, with_companions), questions

    return asked


@pytest.mark.parametrize(
    "name, chosen, filters, expected",
    [
        ("particles", FILTERS, FILTERS, "particles.star"),
        ("flagged.run1", CS, FILTERS, "flagged.run1.cs"),
        ("all.csv", CS, FILTERS, "all.csv"),
        ("ALL.STAR", CS, FILTERS, "ALL.star"),
        ("run1.5", "", "", "run1.5"),
        ("figure.tif", "", "PDF (*.pdf);;TIFF (*.tiff *.tif)", "figure.tif"),
        ("figure", "TIFF (*.tiff *.tif)", "PDF (*.pdf);;TIFF (*.tiff *.tif)", "figure.tiff"),
    ],
)
def test_a_suffix_is_added_and_nothing_taken_away(name, chosen, filters, expected):
    assert completed(Path("/x.y") / name, chosen, filters) == Path("/x.y") / expected


def test_a_completed_name_that_is_there_is_asked_about(ask, tmp_path):
    (tmp_path / "particles.star").touch()
    found, questions = ask([tmp_path / "particles", tmp_path / "other"], [NO])
    assert questions == ["particles.star is there already. Replace it?"]
    assert found == tmp_path / "other.star"
    found, questions = ask([tmp_path / "particles"], [YES])
    assert found == tmp_path / "particles.star" and len(questions) == 1


def test_files_beside_are_asked_about_and_the_dialogs_own_question_is_not_repeated(ask, tmp_path):
    for name in ("a.mrcs", "a.star", "b_passthrough.cs"):
        (tmp_path / name).touch()
    assert ask([tmp_path / "a.star"]) == (tmp_path / "a.star", [])
    found, questions = ask([tmp_path / "a.mrcs", ""], [NO])
    assert found is None and questions == ["a.star is there already. Replace it?"]
    assert ask([tmp_path / "b.cs"], [YES])[1] == ["b_passthrough.cs is there already. Replace it?"]
    _, questions = ask([tmp_path / "a"], [YES], "Images (*.mrcs)", "Images (*.mrcs)")
    assert questions == ["a.mrcs and a.star are there already. Replace them?"]


def test_a_folder_of_coordinates_keeps_the_dot_in_its_name(monkeypatch, tmp_path):
    saved = []

    class Panel:
        centering = type("Centering", (), {"inputs": object(), "folder": tmp_path})
        _saved_in = None

        def save(self, path, store, *, folder):
            saved.append((path, store, folder))

    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "run1.5"), ""))
    CenteringOut.ask_and_save(Panel(), "coordinates")
    assert saved == [(tmp_path / "run1.5", "both", True)]


@pytest.fixture
def exporting(qtbot, monkeypatch, tmp_path):
    """Return the dialog that exports a figure, answers to give and the questions that it asked."""
    answers, questions = [], []

    def answer(parent, title, text, *more):
        questions.append(text)
        return answers.pop(0)

    monkeypatch.setattr(QMessageBox, "question", answer)
    dialog = ExportDialog(tmp_path / "views.pdf")
    qtbot.addWidget(dialog)
    return dialog, answers, questions


def test_a_typed_figure_replaces_nothing_unasked(exporting, tmp_path):
    dialog, answers, questions = exporting
    for name in ("old.png", "old.json", "spec.json"):
        (tmp_path / name).touch()
    for typed, asked in (
        (str(tmp_path / "old.png"), "old.png and old.json are there already. Replace them?"),
        ("spec", "spec.json is there already. Replace it?"),
    ):
        answers.append(NO)
        dialog.path.line.setText(typed)
        dialog.accept()
        assert (dialog.result(), questions.pop()) == (dialog.DialogCode.Rejected, asked)
    answers.append(YES)
    dialog.accept()
    assert dialog.result() == dialog.DialogCode.Accepted
    assert dialog.out() == tmp_path / "spec.pdf", "a bare name goes where the suggestion was"


def test_a_figure_chosen_in_the_file_dialog_is_asked_about_once(exporting, monkeypatch, tmp_path):
    dialog, _, questions = exporting
    (tmp_path / "a.pdf").touch()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(tmp_path / "a.pdf"), "PDF (*.pdf)"))
    dialog.path.button.click()
    dialog.accept()
    assert not questions and dialog.result() == dialog.DialogCode.Accepted


def test_a_figure_without_a_name_is_not_exported(exporting):
    dialog, _, questions = exporting
    dialog.path.line.setText("  ")
    dialog.accept()
    assert dialog.result() == dialog.DialogCode.Rejected and not questions
