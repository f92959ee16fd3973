"""The pairing table: what belongs to a map stays with it, whatever is removed, added or made the reference."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import Qt

from emviewer.engine import mrc
from emviewer.ui.align_form import AlignForm
from emviewer.ui.panels.pairing import Pairing


def paired() -> Pairing:
    """Return three maps, each with a mask and particles of its own."""
    pairing = Pairing()
    pairing.take({
        "reference": "ref.mrc", "maps": ["a.mrc", "b.mrc", "c.mrc"], "mask": ["ma.mrc", "mb.mrc", "mc.mrc"],
        "particles": ["a.star", "b.star", "c.star"],
    })  # fmt: skip
    return pairing


def test_removing_a_map_never_renumbers_its_neighbours():
    pairing = paired()
    before = {row.path: (row.id, row.mask, row.particles) for row in pairing.maps}
    pairing.remove(pairing.maps[1])
    after = {row.path: (row.id, row.mask, row.particles) for row in pairing.maps}
    assert after == {path: before[path] for path in ("a.mrc", "c.mrc")}
    values = pairing.values()
    assert values["mask"] == ["ma.mrc", "mc.mrc"] and values["particles"] == ["a.star", "c.star"]


def test_a_map_that_becomes_the_reference_takes_its_mask_along():
    pairing = paired()
    pairing.reference.mask = "mref.mrc"
    pairing.make_reference(pairing.maps[2])
    values = pairing.values()
    assert (values["reference"], values["ref_mask"]) == ("c.mrc", "mc.mrc")
    assert values["maps"] == ["a.mrc", "b.mrc", "ref.mrc"]
    assert pairing.maps[2].mask == "mref.mrc"


def test_one_mask_of_several_maps_stays_its_own_and_is_refused():
    pairing = Pairing()
    pairing.take({"reference": "ref.mrc", "maps": ["a.mrc", "b.mrc"]})
    pairing.maps[1].mask = "mb.mrc"
    pairing.take(pairing.values())
    assert [row.mask for row in pairing.maps] == ["", "mb.mrc"]
    assert "a.mrc has none" in pairing.problem()
    pairing.maps[0].mask = "ma.mrc"
    assert pairing.problem() == ""


def test_a_mask_for_all_is_written_once():
    pairing = Pairing()
    pairing.take({"reference": "ref.mrc", "maps": ["a.mrc", "b.mrc"], "mask": ["m.mrc"]})
    assert [row.mask for row in pairing.maps] == ["m.mrc", "m.mrc"]
    assert pairing.values()["mask"] == ["m.mrc"]


def test_the_reference_cannot_be_one_of_the_maps():
    pairing = Pairing()
    pairing.take({"reference": "a.mrc", "maps": ["a.mrc", "b.mrc"]})
    assert "the reference and one of the maps" in pairing.problem()


@pytest.fixture
def form(made_form):
    """Return the form of an alignment."""
    return made_form(AlignForm, "align")


def maps(folder, *names):
    """Write small maps and return their paths."""
    rng = np.random.default_rng(0)
    for name in names:
        mrc.write_map(folder / name, rng.standard_normal((12, 12, 12)).astype(np.float32), 2.0)
    return [str(folder / name) for name in names]


def test_what_lies_beside_a_map_is_shown_and_can_become_its_mask(qtbot, form, tmp_path):
    ref, one = maps(tmp_path, "ref.mrc", "run_class001.mrc")
    maps(tmp_path, "run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc", "run_class001_mask.mrc")
    form.form.set_values({"reference": ref, "maps": [one]})
    row = form.pairing.pairing.maps[0]
    qtbot.waitUntil(lambda: [w for w, _ in row.files()] == ["half map", "half map", "mask beside"], timeout=20000)
    menu = form.pairing.menu_for(row, "mask")
    next(a for a in menu.actions() if "beside" in a.text()).trigger()
    assert form.form.values()["mask"] == [str(tmp_path / "run_class001_mask.mrc")]
    assert form.form.problems() == {}


def lines(form) -> list[tuple[str, str]]:
    """Return what the table says, line by line."""
    top = [form.pairing.tree.topLevelItem(i) for i in range(form.pairing.tree.topLevelItemCount())]
    return [(c.text(0), c.text(1)) for t in top for c in (t, *(t.child(i) for i in range(t.childCount())))]


def test_files_beside_each_map_can_be_left_one_by_one(qtbot, form, tmp_path):
    ref, one, two = maps(tmp_path, "ref.mrc", "a.mrc", "b.mrc")
    a1, a2, b1, _ = maps(tmp_path, "a_half1.mrc", "a_half2.mrc", "b_half1.mrc", "b_half2.mrc")
    form.form.set_values({"reference": ref, "maps": [one, two]})
    table, rows = form.pairing, form.pairing.pairing.maps
    qtbot.waitUntil(lambda: all(len(r.files()) == 2 for r in rows), timeout=20000)
    item = table.tree.topLevelItem(1).child(2)
    assert item.text(1) == "a_half1.mrc" and item.checkState(0) == Qt.CheckState.Checked
    item.setCheckState(0, Qt.CheckState.Unchecked)
    qtbot.waitUntil(lambda: form.form.values().get("leave") == [a1])
    menu = table.menu_for(rows[0], "beside")
    next(a for a in menu.actions() if a.text().startswith("None")).trigger()
    assert form.form.values()["leave"] == sorted([a1, a2])
    table.remove(rows[0])
    assert "leave" not in form.form.values() and [r.path for r in table.pairing.maps] == [two]
    form.form.set_values({"siblings": "none"})
    item = table.tree.topLevelItem(1).child(2)
    assert item.text(1) == "b_half1.mrc" and item.checkState(0) == Qt.CheckState.Unchecked
    assert b1 not in form.form.values().get("leave", [])


def test_of_what_lies_beside_the_reference_only_half_maps_are_used(qtbot, form, tmp_path):
    ref, one = maps(tmp_path, "ref.mrc", "x_map.mrc")
    maps(tmp_path, "ref_half1.mrc", "ref_half2.mrc", "ref_sharp.mrc", "ref_mask.mrc")
    form.form.set_values({"reference": ref, "maps": [one]})
    reference = form.pairing.pairing.reference
    qtbot.waitUntil(lambda: len(reference.files()) == 4, timeout=20000)
    assert [text for word, text in lines(form) if word == "half map"] == ["ref_half1.mrc", "ref_half2.mrc"]
    assert "sharpened" not in [word for word, _ in lines(form)]
    assert any("ref_mask.mrc" in a.text() for a in form.pairing.menu_for(reference, "mask").actions())


def test_a_further_file_moves_with_its_map_whatever_happens_to_others(form, tmp_path):
    ref, one, two, more = maps(tmp_path, "ref.mrc", "a.mrc", "b.mrc", "other.mrc")
    form.form.set_values({"reference": ref, "maps": [one, two]})
    rows = form.pairing.pairing.maps
    form.pairing.also(rows[1], more)
    assert form.form.values()["also"] == [f"2:{more}"] and ("moves along", "other.mrc") in lines(form)
    form.pairing.remove(rows[0])
    assert form.form.values()["also"] == [f"1:{more}"] and form.form.problems() == {}
    form.pairing.menu_for(rows[1], "also").actions()[0].trigger()
    assert "also" not in form.form.values()


def test_a_start_by_hand_is_a_line_of_its_map_and_can_be_taken_away(form, tmp_path):
    ref, one, two = maps(tmp_path, "ref.mrc", "a.mrc", "b.mrc")
    form.form.set_values({"reference": ref, "maps": [one, two], "start": ["none", "30,40,-30,3,0,4,1"]})
    assert ("start", "by hand: 40.0°, 5.0 Å, flipped") in lines(form)
    assert form.params().start == [(), (30, 40, -30, 3, 0, 4, 1)]
    rows = form.pairing.pairing.maps
    form.pairing.remove(rows[0])
    assert form.params().start == [(30, 40, -30, 3, 0, 4, 1)]
    form.pairing.menu_for(rows[1], "start").actions()[0].trigger()
    assert form.params().start == []


def test_the_form_waits_until_every_map_has_its_mask(qtbot, form, tmp_path):
    ref, a, b, mask = maps(tmp_path, "ref.mrc", "a.mrc", "b.mrc", "m.mrc")
    form.form.set_values({"reference": ref, "maps": [a, b]})
    form.out.line.setText(str(tmp_path / "out"))
    qtbot.waitUntil(form.button.isEnabled, timeout=20000)
    rows = form.pairing.pairing.maps
    form.pairing.bind(rows[0], "mask", mask)
    assert not form.button.isEnabled() and "b.mrc has none" in form.button.toolTip()
    form.pairing.remove(rows[1])
    qtbot.waitUntil(form.button.isEnabled, timeout=20000)
    form.run()
    job, params, *_ = form.calls[0]
    assert job == "align" and [str(p) for p in params.mask] == [mask] and [str(p) for p in params.maps] == [a]


def test_the_fields_of_the_table_are_not_shown_twice(form):
    hidden = ("maps", "mask", "start", "leave", "also")
    form.form.more.setChecked(True)
    assert not any(form.form.rows[name].isVisibleTo(form) for name in hidden)
    assert form.form.rows["hands"].isVisibleTo(form)


def test_difference_and_fsc_can_be_asked_for_from_the_menus(window, qtbot, tmp_path):
    first, second = maps(tmp_path, "first.mrc", "second.mrc")
    window.open_paths([first, second])
    qtbot.waitUntil(lambda: len(window.workspace.documents) == 2, timeout=20000)
    document = next(iter(window.workspace.documents.values()))
    for job, other in (("difference", "map"), ("fsc", "second")):
        assert job in [name for name, _ in window.tree.tasks_for(document)]
        window.show_task(job, document)
        form = window.inspector.task()
        assert form.job == job
        assert {path for _, path in form.form.fields[other].widget.offers()} == {first, second}
