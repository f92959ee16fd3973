from pathlib import Path
from typing import Literal

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLineEdit

from emviewer.engine.jobs import registry
from emviewer.engine.params import JobParams, command_line, option, validated
from emviewer.ui.forms import Field, NumberEdit, PathEdit, label_of, when_empty
from emviewer.ui.params_form import ParamsForm
from emviewer.ui.task_form import TaskForm, free_folder
from emviewer.ui.tasks import tasks
from emviewer.ui.workspace import Document


class Small(JobParams):
    map: Path = option(help="the map", flag="", kind="input", group="Input")
    step: float = option(15.0, "angle", unit="°", flag="--step", gt=0, le=90, group="Views")
    count: int | None = option(None, "number; as many as there are unless told", ge=1, group="Views")
    way: Literal["one", "two"] = option("one", "how", group="Views")
    fast: bool = option(True, "be quick", group="Views")
    hidden: float = option(1.0, "rarely needed", ge=0, advanced=True, group="Views")


@pytest.fixture
def form(qtbot):
    form = ParamsForm(Small)
    qtbot.addWidget(form)
    form.show()
    return form


def test_every_field_of_the_model_has_a_row_of_its_kind(form):
    assert set(form.fields) == set(Small.model_fields)
    assert isinstance(form.fields["map"].widget, PathEdit)
    assert isinstance(form.fields["step"].widget, NumberEdit)
    assert isinstance(form.fields["way"].widget, QComboBox)
    assert [form.fields["way"].widget.itemText(i) for i in range(2)] == ["one", "two"]


def test_untouched_form_gives_the_defaults(form):
    form.set_values({"map": "a.mrc"})
    assert form.problems() == {}
    assert Small.model_validate(form.values()) == Small(map=Path("a.mrc"))


def test_what_is_wrong_is_said_beneath_the_field_while_typing(qtbot, form):
    row, edit = form.rows["step"], form.fields["step"].widget
    edit.lineEdit().selectAll()
    qtbot.keyClicks(edit.lineEdit(), "200")
    assert row.wrong.text() == "Angular step must be at most 90."
    assert row.wrong.isVisible()
    edit.lineEdit().selectAll()
    qtbot.keyClicks(edit.lineEdit(), "many")
    assert row.wrong.text() == "Angular step is not a number."
    edit.lineEdit().selectAll()
    qtbot.keyClicks(edit.lineEdit(), "7,5")
    assert row.wrong.text() == ""
    assert not row.wrong.isVisible()
    assert form.fields["step"].value() == 7.5


def test_a_missing_input_is_a_problem_but_not_shouted_about(form):
    assert "map" in form.problems()
    assert form.rows["map"].wrong.text() == ""


def test_an_empty_number_means_none_and_says_what_that_is(form):
    edit = form.fields["count"].widget
    assert edit.value() is None
    assert edit.lineEdit().placeholderText() == "as many as there are"
    edit.lineEdit().setText("0")
    assert form.rows["count"].wrong.text() == "Count must be at least 1."


def test_a_problem_among_the_folded_options_unfolds_them(form):
    assert form.folded.isHidden()
    form.set_values({"hidden": -1.0})
    assert not form.folded.isHidden()


@pytest.mark.parametrize(
    "whole, start, steps, expected",
    [(False, 15.0, 1, 16.0), (False, 0.2, -1, 0.19), (False, 300.0, 1, 310.0), (False, None, 1, 0.1), (True, 7, 2, 9)],
)
def test_numbers_step_by_a_tenth_of_their_size(qtbot, whole, start, steps, expected):
    edit = NumberEdit(whole)
    qtbot.addWidget(edit)
    edit.set_value(start)
    edit.stepBy(steps)
    assert edit.value() == pytest.approx(expected)


def test_every_field_has_a_name_and_help_for_a_screen_reader(form):
    for name, field in form.fields.items():
        assert field.edit.accessibleName() == label_of(name)
        assert field.edit.accessibleDescription()
        assert field.widget.toolTip()


def test_placeholders_come_from_the_help():
    assert when_empty("finest detail kept; Nyquist unless told") == "Nyquist"
    assert when_empty("a number") == "not set"


@pytest.mark.parametrize("job", [task.job for task in tasks()])
def test_the_form_of_every_job_goes_to_the_command_line_and_back(qtbot, job):
    model = registry.params(job)
    form = ParamsForm(model)
    qtbot.addWidget(form)
    needed = {n: f.meta.kind for n, f in form.fields.items() if f.info.is_required()}
    given = {n: ["phantom:C1", "phantom:D2"] if kind == "inputs" else "phantom:C1" for n, kind in needed.items()}
    form.set_values(given)
    params = model.model_validate(form.values())
    assert params == validated(model, given)
    inputs = "phantom:C1 " + ("phantom:C1 phantom:D2 " if "inputs" in needed.values() else "")
    assert command_line(job, params, "out") == f"emviewer {job} {inputs}--out out"


def test_texts_of_numbers_are_taken_as_the_command_line_takes_them(qtbot):
    model = registry.params("gallery")
    field = Field(model, "view", lambda: None)
    qtbot.addWidget(field.widget)
    assert isinstance(field.widget, QLineEdit)
    field.widget.setText("0,90,0; 10,20,30")
    assert model.model_validate({"map": "a.mrc", "view": field.value()}).view == [(0, 90, 0), (10, 20, 30)]
    field.set_value([(0.0, 90.0, 0.0)])
    assert field.widget.text() == "0,90,0"


def test_the_output_folder_is_beside_the_map_and_numbered(tmp_path):
    source = str(tmp_path / "beta.map.gz")
    assert free_folder(source, "gallery") == tmp_path / "beta_gallery"
    (tmp_path / "beta_gallery").mkdir()
    assert free_folder(source, "gallery") == tmp_path / "beta_gallery_2"
    assert free_folder(source, "gallery", frozenset({str(tmp_path / "beta_gallery_2")})) == tmp_path / "beta_gallery_3"


@pytest.fixture
def task_form(made_form):
    return made_form(TaskForm, "gallery")


def test_run_waits_for_an_input_and_says_what_it_will_make(qtbot, task_form, tmp_path):
    assert not task_form.button.isEnabled()
    assert task_form.button.toolTip() == "Choose the input first"
    task_form.form.set_values({"map": "phantom:C1", "step": 30.0})
    task_form.out.line.setText(str(tmp_path / "out"))
    qtbot.waitUntil(lambda: "views" in task_form.estimate.text(), timeout=20000)
    assert task_form.button.isEnabled()
    qtbot.mouseClick(task_form.button, Qt.MouseButton.LeftButton)
    job, params, out, overwrite = task_form.calls[0]
    assert (job, params.step, out, overwrite) == ("gallery", 30.0, tmp_path / "out", False)


def test_an_unknown_group_is_refused_before_the_job_runs(qtbot, task_form, tmp_path):
    task_form.out.line.setText(str(tmp_path / "out"))
    task_form.form.set_values({"map": "phantom:C1", "sym": "Q9"})
    qtbot.waitUntil(lambda: "Q9" in task_form.estimate.text(), timeout=20000)
    assert not task_form.button.isEnabled()


def test_an_earlier_result_is_only_replaced_when_told_and_other_data_never(qtbot, task_form, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    task_form.form.set_values({"map": "phantom:C1"})
    task_form.out.line.setText(str(tmp_path / "out"))
    qtbot.waitUntil(task_form.foreign.isVisible, timeout=20000)
    assert not task_form.button.isEnabled()
    assert not task_form.overwrite.isVisible()
    (tmp_path / "out" / "job.json").touch()
    task_form.out.edited.emit()
    qtbot.waitUntil(task_form.overwrite.isVisible, timeout=20000)
    assert not task_form.button.isEnabled()
    task_form.overwrite.setChecked(True)
    assert task_form.button.isEnabled()


def test_what_a_person_said_about_a_document_goes_into_the_form(task_form):
    document = Document("map", "a", Path("/data/a.mrc"), info={"_pixel_size": 1.25})
    task_form.set_input(document)
    assert task_form.form.values()["map"] == "/data/a.mrc"
    assert task_form.form.values()["pixel_size"] == 1.25


def test_a_form_follows_the_theme_of_the_window(window):
    window.show_task("gallery")
    button = window.inspector.task().out.button
    before = button.icon().cacheKey()
    window.set_theme("dark")
    assert button.icon().cacheKey() != before
    window.set_theme("light")


def test_another_task_takes_the_place_of_the_form(window):
    window.show_task("gallery")
    first = window.inspector.task()
    window.show_task("gallery")
    assert window.inspector.task() is first
    assert window.inspector.count() == 2
