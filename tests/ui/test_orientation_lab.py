"""The orientation lab: steps hand on to each other, errors are told, rows are linked, results open, hands flip."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication

from emviewer.engine import conventions, mrc, rotations, simulate, star
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.run import run_job
from emviewer.engine.mrc_write import write_map
from emviewer.engine.orientations_align import other_hand
from emviewer.engine.params import validated
from emviewer.engine.project import Projector
from emviewer.engine.reconstruct import Reconstructor
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Batch
from emviewer.engine.types import ImageStack, Map3D
from emviewer.ui import orientation_numbers as numbers
from emviewer.ui.opening import read_document
from emviewer.ui.orientation_read import ANGLES, CONFIDENCE, ERROR, Point, of
from emviewer.ui.panels.orientation_lab import OrientationLabPanel
from emviewer.ui.panels.orientation_lab_map import live_map, write_other_hand
from emviewer.ui.panels.orientation_lab_steps import state_of
from emviewer.ui.results_orient import OrientStream
from emviewer.ui.runner import JobHandle
from emviewer.ui.task_form import free_folder
from emviewer.ui.workspace import Document

N, BOX = 40, 32


def run(name, values, out):
    spec = registry.spec(name)
    for _ in run_job(spec, validated(spec.params, values | {"report": "none"}), out):
        pass
    return out


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """Forty clean images of the phantom in a folder of their own."""
    out = tmp_path_factory.mktemp("lab") / "sim"
    return run("simulate", {"map": "phantom:C1", "n": N, "box": BOX, "snr": 20.0}, out)


def write_recovered(folder, truth, off_deg, seed=0):
    """Write what recover writes: the truth in another frame, each view off by an angle, with a confidence."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    views = conventions.euler_to_matrix(*truth.T)
    axes = rng.normal(size=(len(views), 3))
    axes *= np.radians(off_deg)[:, None] / np.linalg.norm(axes, axis=1, keepdims=True)
    turn = rotations.random_rotations(1, rng)[0]
    views = np.stack([_turned(a) @ v @ turn for a, v in zip(axes, views, strict=True)])
    angles = conventions.matrix_to_euler(views)
    blocks = star.read_star(folder.parent / "sim" / "particles.star")
    table = blocks["particles"]
    for name, values in zip(("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"), angles.T, strict=True):
        table[name] = [f"{v:.6f}" for v in values]
    table["rlnImageName"] = [name.replace("@", f"@{folder.parent}/sim/") for name in table["rlnImageName"]]
    table["emvConfidence"] = [f"{1 - a / 100:.4f}" for a in off_deg]
    star.write_star(folder / "orientations.star", blocks)
    source = str(folder.parent / "sim" / "particles.star")
    job = {"job": "recover", "status": "complete", "inputs": [{"path": source}], "parameters": {"sym": "C1"}}
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "summary.json").write_text(json.dumps({"fsc_0.143_A": 12.5}))
    curve = pd.DataFrame({"frequency_inv_A": [0.02, 0.08, 0.16], "fsc": [1.0, 0.143, 0.0]})
    curve.to_csv(folder / "fsc.csv", index=False)
    data = np.random.default_rng(1).normal(size=(BOX, BOX, BOX)).astype(np.float32)
    for name in ("map", "half1", "half2"):
        write_map(folder / f"{name}.mrc", data, 3.0)
    return folder


def _turned(vector):
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vector).as_matrix()


@pytest.fixture(scope="module")
def off_deg():
    return np.linspace(0.5, 8.0, N)


@pytest.fixture(scope="module")
def recovered(simulated, off_deg):
    truth = read_document(simulated).table[ANGLES].to_numpy(float)
    return write_recovered(simulated.parent / "found", truth, off_deg)


class Shell:
    """Stands for the window: remembers what it is asked for."""

    def __init__(self):
        self.run, self.opened, self.tasks = [], [], []

    def run_job(self, name, params, out, overwrite=False):
        handle = JobHandle(name, lambda check: iter(()))
        self.run.append((name, params, out, handle))
        return handle

    def open_paths(self, paths, then=None):
        self.opened += paths
        if then is not None:
            then(Document("map", "map", paths[0]))

    def show_task(self, job, document=None):
        self.tasks.append((job, document.kind, document.title))


@pytest.fixture
def lab(workspace, runner, qtbot):
    panel = OrientationLabPanel(workspace, runner)
    panel.shell = Shell()
    qtbot.addWidget(panel)
    panel.resize(1000, 640)
    panel.show()
    yield panel
    panel.close()


# results --------------------------------------------------------------------------------------------------------------
def test_a_simulated_set_opens_with_its_images_and_true_angles(simulated):
    document = read_document(simulated)
    assert len(document.stack) == len(document.table) == N
    assert set(ANGLES) <= set(document.table.columns)
    assert of(document).job == "simulate"


def test_recovered_orientations_open_with_map_curve_confidence_and_errors(recovered, off_deg):
    document = read_document(recovered)
    assert document.volume.shape == (BOX, BOX, BOX)
    assert len(of(document).fsc) == 3
    assert np.allclose(document.table[CONFIDENCE], 1 - off_deg / 100, atol=1e-4)
    # the truth is found through the simulated set's folder; the frame that is taken out is one for all
    assert np.abs(document.table[ERROR].to_numpy() - off_deg).max() < 1.5
    assert np.corrcoef(document.table[ERROR], off_deg)[0, 1] > 0.97
    assert not of(document).flipped


def test_images_that_are_no_simulated_set_have_no_errors(simulated, recovered, tmp_path):
    job = json.loads((recovered / "job.json").read_text())
    job["inputs"] = [{"path": str(tmp_path / "elsewhere.star")}]
    folder = tmp_path / "found"
    folder.mkdir()
    (folder / "orientations.star").write_text((recovered / "orientations.star").read_text())
    (folder / "job.json").write_text(json.dumps(job))
    assert ERROR not in read_document(folder).table


def test_a_cancelled_result_without_any_file_opens_all_the_same(tmp_path):
    (tmp_path / "job.json").write_text(json.dumps({"job": "recover", "status": "partial"}))
    document = read_document(tmp_path)
    assert document.info["Status"] == "partial" and document.table is None and document.volume is None


# numbers --------------------------------------------------------------------------------------------------------------
def test_errors_know_neither_frame_nor_hand_nor_symmetry():
    rng = np.random.default_rng(4)
    truth = rotations.random_rotations(30, rng)
    group = np.asarray(point_group("D2").rotations)
    found = other_hand(truth @ group[rng.integers(len(group), size=30)]) @ rotations.random_rotations(1, rng)[0]
    errors = numbers.errors_of(conventions.matrix_to_euler(truth), conventions.matrix_to_euler(found), "D2")
    assert errors.flipped or errors.whole_deg.max() < 1e-3  # D2 may find its mirror among its own views
    assert errors.whole_deg.max() < 1e-3
    assert errors.view_deg.max() < 1e-3 and errors.in_plane_deg.max() < 1e-3


def test_an_error_in_the_plane_is_told_from_one_of_direction():
    truth = conventions.matrix_to_euler(rotations.random_rotations(40, np.random.default_rng(2)))
    found = truth.copy()
    found[::8, 2] += 10  # a few are turned in the plane; the robust frame leaves the others where they are
    errors = numbers.errors_of(truth, found)
    assert np.allclose(errors.in_plane_deg[::8], 10, atol=1e-3)
    assert errors.view_deg.max() < 1e-3
    assert np.delete(errors.whole_deg, np.arange(0, 40, 8)).max() < 1e-3


def test_uniform_rotations_lie_apart_as_the_curve_says():
    angles = conventions.matrix_to_euler(rotations.random_rotations(600, np.random.default_rng(0)))
    edges = np.linspace(0, 180, 10)
    counts = np.histogram(numbers.pairwise_deg(angles), edges)[0]
    expected = numbers.expected_pairs(edges, float(counts.sum()))
    assert expected.sum() == pytest.approx(counts.sum())
    assert np.abs(counts - expected).max() < 0.03 * counts.sum()


# streaming ------------------------------------------------------------------------------------------------------------
def batch(rows, value, stage="start 1 of 2"):
    columns = {name: np.full(len(rows), value) for name in (*ANGLES, "shift_x_A", "shift_y_A", CONFIDENCE)}
    return Batch(np.array(rows), columns, 1, 0, stage, {"explained": value})


def test_orientations_that_settle_replace_those_before_and_every_image_has_a_row(workspace, runner, qtbot, simulated):
    opened = []
    info = {"job": "recover", "_parameters": {"images": str(simulated / "particles.star")}}
    document = Document("result", "found", info=info)
    stream = OrientStream(document, workspace, runner, simulated.parent / "none", opened.append)
    stream.batches([batch([1, 3], 0.25)])
    qtbot.waitUntil(lambda: document.stack is not None, timeout=5000)
    stream.batches([batch([3, 5], 0.5, "start 2 of 2")])
    qtbot.waitUntil(lambda: document.table.loc[3, CONFIDENCE] == 0.5, timeout=5000)
    assert list(document.table.index) == list(range(N))
    assert list(np.flatnonzero(document.table["rot_deg"].notna())) == [1, 3, 5]
    assert [(p.stage, p.value) for p in of(document).curves["explained"]] == [
        ("start 1 of 2", 0.25), ("start 2 of 2", 0.5),
    ]  # fmt: skip
    assert document in workspace.documents.values()
    qtbot.waitUntil(lambda: opened == [document], timeout=5000)
    stream.end(JobHandle("gone", lambda check: iter(())))


def test_orientations_that_are_not_to_be_relied_on_say_so_above_their_page(lab, workspace, recovered):
    document = read_document(recovered)
    workspace.add(document)
    lab.show_document(document)
    orient = of(document)
    orient.summary |= {"confidence_median": 0.05}
    orient.warnings = ("only 3 % of the common lines bear these views out",)
    for step in ("recover", "reconstruct"):
        lab.list.choose(step)
        assert "median confidence 0.05" in lab.line.words.text()
        assert lab.line.words.text().endswith("Only 3 % of the common lines bear these views out")
    document.info["Status"] = "partial"
    lab.list.choose("recover")
    assert lab.line.words.text() == "Partial: Ended early; kept. Only 3 % of the common lines bear these views out"
    document.info["Status"], orient.summary["confidence_median"] = "complete", 0.9
    lab.list.choose("reconstruct")
    lab.list.choose("recover")
    assert "Only 3 %" not in lab.line.words.text() and "0.90" in lab.line.words.text()


def test_while_views_settle_the_newest_curve_shows_and_no_confidence(lab, workspace, recovered):
    document = read_document(recovered)
    workspace.add(document)
    lab.show_document(document)
    lab.list.choose("recover")
    page, curves = lab.pages["recover"], of(document).curves
    assert page.sure.bars is not None
    document.streaming, table = True, document.table
    curves |= {"explained": [Point(0.0, 0.9, "start 1")], "spread_deg": [Point(0.0, 4.0, "settling")]}
    document.table = table.assign(**{CONFIDENCE: np.nan})
    page.refresh()
    assert page.loss.title.startswith("Spread") and page.loss.note == "settling: 4"
    assert page.sure.bars is None and "settled" in page.sure.empty and page.unsure.isHidden()
    assert lab.states()["distances"].name == "running"
    document.streaming, document.table = False, table
    page.refresh()
    assert page.loss.title.startswith("Explained") and page.sure.bars is not None


# the panel ------------------------------------------------------------------------------------------------------------
def test_without_anything_open_the_form_offers_a_set_to_simulate(lab):
    values = lab.forms["simulate"].form.values()
    assert (values["map"], values["n"], values["snr"]) == ("phantom:C1", 200, 1.0)
    assert "Nothing is simulated yet" in lab.welcome.text()
    assert lab.stack.currentWidget() is lab.welcome


def test_a_step_takes_over_what_the_step_before_has_made(lab, workspace, simulated, recovered):
    workspace.add(read_document(simulated))
    lab.show_document(workspace.current)
    lab.line.next.click()
    table = str(simulated / "particles.star")
    values = lab.forms["recover"].form.values()
    assert lab.list.current == "recover" and values["images"] == values["truth"] == table
    workspace.add(read_document(recovered))
    lab.show_document(workspace.current)
    lab.list.choose("reconstruct")
    assert lab._form("reconstruct").form.values()["particles"] == str(recovered / "orientations.star")


def test_results_that_belong_together_show_together_and_others_do_not(lab, workspace, simulated, recovered, tmp_path):
    found = workspace.add(read_document(recovered))
    sim = workspace.add(read_document(simulated))
    (tmp_path / "job.json").write_text(json.dumps({"job": "reconstruct", "inputs": [{"path": "/else/a.star"}]}))
    other = workspace.add(read_document(tmp_path))
    lab.show_document(found)
    assert lab.chain.results == {"simulate": sim, "recover": found}
    lab.show_document(other)
    assert lab.chain.results == {"reconstruct": other}


def test_states_are_told_in_words(lab, workspace, simulated, recovered):
    assert {s.name for s in lab.states().values()} == {"waiting"}
    workspace.add(read_document(simulated))
    workspace.add(read_document(recovered))
    states = lab.states()
    assert {name: s.name for name, s in states.items()} == dict.fromkeys(states, "done") | {"train": "waiting"}
    assert states["report"].words.startswith("median error")


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ({"state": "queued"}, "queued"), ({"state": "running", "stage": "start 1 of 4"}, "running"),
        ({"state": "cancelled"}, "cancelled"), ({"state": "failed", "error": "no such file"}, "failed"),
    ],
)  # fmt: skip
def test_a_job_decides_the_state_of_its_step(job, words):
    handle = JobHandle("x", lambda check: iter(()), **job)
    state = state_of(handle, Document("result", "old", info={"Status": "complete"}))
    assert state.name == words
    assert job.get("error", "") in state.words


def test_running_hides_the_result_before_it_until_it_is_clear_that_nothing_comes(lab, workspace, recovered, runner):
    found = workspace.add(read_document(recovered))
    lab.show_document(found)
    lab.list.choose("recover")
    lab._run("recover", "recover", None, recovered.parent / "more", False)
    handle = lab.shell.run[-1][3]
    handle.state = "running"
    runner.jobs_changed.emit()
    assert lab.chain.shown("recover") is None
    assert lab.line.cancel.isVisible() and lab.line.bar.isVisible()
    handle.state = "failed"
    runner.jobs_changed.emit()
    assert lab.chain.shown("recover") is found
    assert lab.states()["recover"].name == "failed" and not lab.line.cancel.isVisible()


def test_errors_and_thumbnails_are_linked_through_the_workspace(lab, workspace, recovered):
    found = workspace.add(read_document(recovered))
    lab.show_document(found)
    lab.list.choose("report")
    page = lab.pages["report"]
    worst = int(found.table[ERROR].to_numpy().argmax())
    assert page.strip.rows[0] == worst
    page.strip.picked.emit(worst, Qt.KeyboardModifier.NoModifier)
    assert workspace.row(found) == worst and page.plot.current == worst
    page.plot.chosen.emit(np.array([1, 2]), Qt.KeyboardModifier.NoModifier)
    assert list(workspace.selection(found)) == [1, 2]
    lab.list.choose("recover")
    assert list(lab.pages["recover"].sphere.selected) == [1, 2]
    lab.pages["recover"].sphere.picked.emit(7, Qt.KeyboardModifier.ControlModifier)
    assert list(workspace.selection(found)) == [1, 2, 7] and workspace.row(found) == 7


def test_images_without_a_place_are_not_on_the_sphere(lab, workspace, recovered):
    document = read_document(recovered)
    document.table.loc[[0, 4], "rot_deg"] = np.nan
    workspace.add(document)
    lab.show_document(document)
    page = lab.pages["recover"]
    assert len(page.sphere.directions) == N - 2
    page.sphere.picked.emit(0, Qt.KeyboardModifier.NoModifier)
    assert workspace.row(document) == 1


def test_the_map_shows_filtered_and_goes_on_to_other_tasks(lab, workspace, recovered, qtbot):
    document = workspace.add(read_document(recovered))
    lab.show_document(document)
    lab.list.choose("reconstruct")
    page = lab.pages["reconstruct"]
    qtbot.waitUntil(lambda: page.slices.document is not None, timeout=5000)
    assert page.slices.document.volume.data.std() < 0.5 * document.volume.data.std()
    page.slices._step(2, 3)
    place = page.slices.current.voxel
    page.filtered.setChecked(False)
    assert page.slices.document.volume is document.volume
    assert page.slices.current.voxel == place and place[2] == BOX // 2 + 3, "the cuts stay where they were put"
    assert "12.5" in page.curve.marks[0][1]
    lab.send("gallery")
    assert lab.shell.opened == [recovered / "map.mrc"]
    assert lab.shell.tasks == [("gallery", "map", "found, map")]


def test_a_map_of_the_orientations_so_far_is_that_of_the_images():
    volume = simulate.phantom("C1", box=BOX, pixel_size_A=3.0)
    views = rotations.random_rotations(80, np.random.default_rng(1))
    images = Projector(volume).project(views)
    table = pd.DataFrame(conventions.matrix_to_euler(views), columns=ANGLES).assign(shift_x_A=0.0, shift_y_A=0.0)
    table.loc[5, "rot_deg"] = np.nan
    stack = ImageStack(len(images), (BOX, BOX), 3.0, lambda ids: images[ids])
    made = live_map(table, stack, 1.0, "C1", lambda: None)
    work = Reconstructor(BOX, top=BOX / 4)
    work.add(images, views)
    assert np.corrcoef(made.data.ravel(), work.map().ravel())[0, 1] > 0.98
    assert live_map(table[:3], stack, 1.0, "C1", lambda: None) is None


def test_the_map_so_far_comes_when_its_step_is_chosen(lab, workspace, simulated, qtbot):
    """Not only with what the job says next, which may be long in coming."""
    document = read_document(simulated)
    document.info["job"], of(document).job, of(document).folder = "recover", "recover", None
    document.table = document.table.assign(shift_x_A=0.0, shift_y_A=0.0)
    document.streaming = True
    lab.show_document(workspace.add(document))
    lab.list.choose("recover")
    lab.list.choose("reconstruct")
    page = lab.pages["reconstruct"]
    qtbot.waitUntil(lambda: page.slices.document is not None, timeout=5000)
    assert page.slices.document.title == "sim so far"
    document.streaming = False


def test_the_task_shows_the_images_it_is_given(window, qtbot, simulated):
    window.open_paths([simulated / "particles.star"])
    qtbot.waitUntil(lambda: bool(window.workspace.documents), timeout=5000)
    (images,) = window.workspace.documents.values()
    window.show_task("recover", images)
    lab = window.area.front()
    assert (lab.document, lab.list.current) == (images, "recover")
    assert window.area.dock_of(lab).choice.text() == images.title, "and the title names them"


def test_the_other_hand_shows_the_same_images(tmp_path):
    volume = simulate.phantom("C1", box=BOX, pixel_size_A=3.0)
    views = rotations.random_rotations(6, np.random.default_rng(3))
    angles = conventions.matrix_to_euler(views)
    write_map(tmp_path / "map.mrc", volume)
    names = ["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]
    table = pd.DataFrame({n: [f"{v:.6f}" for v in a] for n, a in zip(names, angles.T, strict=True)})
    star.write_star(tmp_path / "orientations.star", {"particles": table.assign(rlnMyOwn="x 1")})
    *_, out = list(_returning(write_other_hand(tmp_path, lambda: None)))
    mirrored = mrc.read_map(out / "map.mrc")
    found = star.read_star(out / "orientations.star")["particles"]
    assert list(found["rlnMyOwn"]) == ["x 1"] * 6
    turned = conventions.euler_to_matrix(*(star.numbers(found, n) for n in names))
    one, two = Projector(volume).project(views), Projector(Map3D(np.array(mirrored.data), 3.0)).project(turned)
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.999
    assert np.corrcoef(volume.data.ravel(), np.array(mirrored.data).ravel())[0, 1] < 0.9


def _returning(generator):
    while True:
        try:
            yield next(generator)
        except StopIteration as stop:
            yield stop.value
            return


def test_what_is_made_of_a_result_goes_beside_its_folder(tmp_path):
    (tmp_path / "sim").mkdir()
    (tmp_path / "sim" / "job.json").write_text("{}")
    assert free_folder(str(tmp_path / "sim" / "particles.star"), "recover") == tmp_path / "sim_recover"


def test_the_task_opens_the_lab_and_a_set_simulated_in_it_shows_while_it_is_made(window, qtbot, tmp_path):
    window.show_task("recover")
    lab = window.area.front()
    assert isinstance(lab, OrientationLabPanel)
    form = lab.forms["simulate"]
    form.form.set_values({"n": 12, "box": 24, "report": "none"})
    form.out.line.setText(str(tmp_path / "sim"))
    qtbot.waitUntil(form.button.isEnabled, timeout=5000)
    handle = form.run()
    qtbot.waitUntil(lambda: not handle.active and lab.states()["simulate"].name == "done", timeout=10_000)
    page = lab.pages["simulate"]
    qtbot.waitUntil(lambda: page.pairs.bars is not None, timeout=5000)
    assert page.pairs.bars.counts.sum() == 12 * 11 // 2
    assert len(page.sphere.directions) == 12
    assert lab.line.next.text() == "Next: Recover"
    lab.line.next.click()
    assert lab.forms["recover"].form.values()["truth"] == str(tmp_path / "sim" / "particles.star")
    window.area.close_panel(lab)
    QApplication.processEvents()


def test_the_unsure_are_selected_for_the_gallery(lab, workspace, recovered):
    document = read_document(recovered)
    document.table.loc[[2, 9], CONFIDENCE] = 0.1
    workspace.add(document)
    lab.show_document(document)
    lab.list.choose("recover")
    lab.pages["recover"].select_unsure()
    assert list(workspace.selection(document)) == [2, 9]


def test_compare_gets_the_images_that_the_map_was_made_of(window, qtbot, recovered):
    window.open_paths([recovered])
    qtbot.waitUntil(lambda: isinstance(window.area.front(), OrientationLabPanel), timeout=5000)
    window.area.front().send("compare")
    qtbot.waitUntil(lambda: window.inspector.task() is not None, timeout=5000)
    values = window.inspector.task().form.values()
    assert values["images"] == str(recovered / "orientations.star")
    assert values["maps"] == [str(recovered / "map.mrc")]


def test_a_map_without_a_partner_asks_for_the_reference(window, qtbot, recovered):
    window.open_paths([recovered])
    qtbot.waitUntil(lambda: isinstance(window.area.front(), OrientationLabPanel), timeout=5000)
    window.area.front().send("align")
    qtbot.waitUntil(lambda: window.inspector.task() is not None, timeout=5000)
    form = window.inspector.task()
    assert form.form.values()["maps"] == [str(recovered / "map.mrc")] and form.input_name not in form.form.values()


@pytest.mark.parametrize(
    "status, stage, resumes",
    [("partial", "start 1 of 4", True), ("partial", "distances, start 1", False), ("complete", "done", False)],
)
def test_a_recovery_that_was_stopped_goes_on_from_what_it_found(
    lab, workspace, recovered, qtbot, tmp_path, status, stage, resumes
):
    """Not where views were fitted to distances alone: they stand in no frame that the images know."""
    folder = tmp_path / "stopped"
    shutil.copytree(recovered, folder)
    job = json.loads((folder / "job.json").read_text())
    told = {"images": str(recovered.parent / "sim" / "particles.star"), "sym": "C1", "starts": 9, "truth": None}
    (folder / "job.json").write_text(json.dumps(job | {"status": status, "parameters": told}))
    (folder / "summary.json").write_text(json.dumps({"stage": stage}))
    lab.show_document(workspace.add(read_document(folder)))
    lab.list.choose("recover")
    assert lab.line.resume.isVisible() is resumes
    if not resumes:
        return
    lab.line.resume.click()
    qtbot.waitUntil(lambda: bool(lab.shell.run), timeout=5000)
    name, params, out, _ = lab.shell.run[0]
    assert (name, out) == ("recover", tmp_path / "stopped_resumed")
    assert (params.begin, params.starts) == (folder / "orientations.star", 9)
    assert not lab.line.resume.isVisible(), "it is under way"


def test_the_lab_keeps_its_result_when_a_map_is_opened_out_of_it(window, qtbot, recovered, tmp_path):
    folder = tmp_path / "found"
    shutil.copytree(recovered, folder)
    window.open_paths([folder])
    qtbot.waitUntil(lambda: isinstance(window.area.front(), OrientationLabPanel), timeout=5000)
    lab, documents = window.area.front(), window.workspace.documents
    lab.list.choose("reconstruct")
    lab.pages["reconstruct"].flip.click()
    qtbot.waitUntil(lambda: any(d.title == "found, other hand" for d in documents.values()), timeout=10_000)
    other = next(d for d in documents.values() if d.kind == "map")
    assert window.workspace.current is other and lab.chain.shown("recover").title == "found"
    window.workspace.set_current(next(d for d in documents.values() if d.kind == "result"))
    window.workspace.set_current(other)
    assert lab.states()["recover"].name == "done", "also when the map is chosen again"
    lab.send("gallery")
    qtbot.waitUntil(lambda: window.inspector.task() is not None, timeout=5000)
    assert window.inspector.task().form.values()["map"] == str(folder / "map.mrc")
    lab.send("align")
    qtbot.waitUntil(lambda: window.inspector.task().job == "align", timeout=5000)
    form = window.inspector.task()
    assert form.input_name not in form.form.values(), "its own mirror image is no reference"
