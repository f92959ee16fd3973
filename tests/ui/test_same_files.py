"""The window and the command line write the same files, on real maps of every shape and packing."""

import pytest

from emviewer.__main__ import main
from emviewer.ui.opening import read_document
from emviewer.ui.task_form import TaskForm

MAPS = {
    "D2": ("map_betagal_D2_real/betaGal.mrc", "D2"),
    "D7": ("map_groel_D7_real_emd1080/emd_1080_groel_11.5A.mrc", "D7"),
    "C4": ("map_trpv1_C4_real_and_10_particles/trpv1_volume.mrc", "C4"),
    "odd": ("map_ribosome70S_C1/clean70SRibosome_vol_65p.mrc", "C1"),
    "plain": ("map_formats_small_real/EMD-3001.map", "C1"),
    "bz2": ("map_formats_small_real/EMD-3001.map.bz2", "C1"),
    "gz": ("map_formats_small_real/emd_3001.map.gz", "C1"),
}
WRITTEN = ("projections.mrcs", "projections.star")


def files_of(folder):
    return [(folder / name).read_bytes() for name in WRITTEN]


@pytest.mark.parametrize("which", MAPS)
def test_the_form_and_the_command_line_write_the_same(which, qtbot, window, shared_data, tmp_path):
    name, group = MAPS[which]
    path, by_form, by_command = shared_data / name, tmp_path / "form", tmp_path / "command"
    window.show_task("gallery", window.open_document(read_document(path)))
    form = window.inspector.task()
    assert isinstance(form, TaskForm)
    form.form.set_values({"sym": group, "step": 30.0, "report": "none"})
    form.out.line.setText(str(by_form))
    qtbot.waitUntil(form.button.isEnabled, timeout=10000)
    job = form.run()
    qtbot.waitUntil(lambda: not job.active, timeout=60000)
    assert job.state == "complete"
    words = [str(path), "--sym", group, "--step", "30", "--report", "none", "--quiet", "--out", str(by_command)]
    assert main(["gallery", *words]) == 0
    assert files_of(by_form) == files_of(by_command)


def test_the_three_packings_of_a_map_give_the_same_projections(shared_data, tmp_path):
    found = []
    for which in ("plain", "bz2", "gz"):
        out = tmp_path / which
        path = str(shared_data / MAPS[which][0])
        assert main(["gallery", path, "--step", "60", "--report", "none", "--quiet", "--out", str(out)]) == 0
        found.append(files_of(out))
    assert found[0] == found[1] == found[2]
