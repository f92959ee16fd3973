"""Order, picking, columns and the table model: a million rows, missing last, frozen while streaming."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PySide6.QtCore import Qt

from emviewer.ui import columns
from emviewer.ui.row_order import RowOrder, sorted_positions, table_ids
from emviewer.ui.row_picker import RowPicker
from emviewer.ui.table_model import IMAGE, RowSorter, TableModel, as_tsv, toggled_keys
from emviewer.ui.workspace import Document, Workspace

CTRL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_text_that_holds_numbers_sorts_as_numbers_and_missing_comes_last_either_way():
    table = pd.DataFrame({"v": ["10.0", "9.5", "None", "-3", "", "1e2"]})
    assert sorted_positions(table, [("v", True)]).tolist() == [3, 1, 0, 5, 2, 4]
    assert sorted_positions(table, [("v", False)]).tolist() == [5, 0, 1, 3, 2, 4]


def test_text_sorts_alphabetically_with_missing_last():
    table = pd.DataFrame({"v": ["b", "a", None, "å", "C"]})
    assert sorted_positions(table, [("v", True)]).tolist() == [4, 1, 0, 3, 2]
    assert sorted_positions(table, [("v", False)])[-1] == 2


def test_a_column_of_numbers_with_one_late_word_is_text():
    values = [str(i) for i in range(200)] + ["junk"]
    order = sorted_positions(pd.DataFrame({"v": values}), [("v", True)])
    assert [values[i] for i in order] == sorted(values)


def test_second_key_breaks_ties_and_sorting_is_stable():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.integers(0, 5, 500), "b": rng.integers(0, 5, 500)})
    got = sorted_positions(table, [("a", True), ("b", False)])
    truth = sorted(range(500), key=lambda i: (table["a"][i], -table["b"][i]))
    assert got.tolist() == truth


def test_a_million_rows_sort():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"score": rng.normal(size=1_000_000)})
    order = sorted_positions(table, [("score", True)])
    assert np.array_equal(np.sort(order), np.arange(len(table)))
    assert np.all(np.diff(table["score"].to_numpy()[order]) >= 0)


@pytest.mark.parametrize("ids", [np.arange(8), np.array([40, 3, 9, 100, 7, 1, 2, 55])])
def test_ids_positions_and_places_agree(ids):
    rows = RowOrder(ids)
    rows.set_order(np.array([7, 6, 5, 4, 3, 2, 1, 0]), [("x", False)])
    rows.set_mask(np.array([True, True, False, True, True, True, True, True]))
    assert rows.ids_at(slice(None)).tolist() == [ids[i] for i in (7, 6, 5, 4, 3, 1, 0)]
    for place in range(len(rows)):
        assert rows.place_of(rows.id_at(place)) == place
    assert rows.place_of(int(ids[2])) is None
    assert rows.place_of(777) is None
    assert rows.positions_of(np.array([ids[5], 777, ids[1]])).tolist() == [5, 1]


def test_rows_that_arrive_stand_last_and_leave_the_order_alone():
    rows = RowOrder(np.arange(4))
    rows.set_order(np.array([2, 0, 3, 1]), [("x", True)])
    assert rows.grow(np.arange(7)) == 4
    assert rows.shown.tolist() == [2, 0, 3, 1, 4, 5, 6]
    rows.set_order(np.array([1, 0]), [])
    assert rows.shown.tolist() == [1, 0, 2, 3, 4, 5, 6]


def test_ids_come_from_the_table_and_never_exceed_the_images():
    table = pd.DataFrame({"a": [1, 2, 3]}, index=[10, 20, 30])
    assert table_ids(table, None).tolist() == [10, 20, 30]
    assert table_ids(table, 2).tolist() == [10, 20]
    assert table_ids(None, 4).tolist() == [0, 1, 2, 3]


@pytest.fixture
def picked(qapp):
    workspace = Workspace()
    document = workspace.add(Document("images", "x", table=pd.DataFrame({"a": range(10)}, index=range(100, 110))))
    rows = RowOrder(document.row_ids)
    picker = RowPicker(workspace, rows)
    picker.set_document(document)
    return workspace, document, rows, picker


def selection(workspace, document):
    return (workspace.selection(document) - 100).tolist()


def test_click_ctrl_and_shift_follow_the_platform(picked):
    workspace, document, rows, picker = picked
    rows.set_order(np.arange(10)[::-1].copy(), [("a", False)])
    picker.click(2)
    assert selection(workspace, document) == [7]
    picker.click(5, SHIFT)
    assert selection(workspace, document) == [4, 5, 6, 7]
    picker.click(9, CTRL)
    assert selection(workspace, document) == [0, 4, 5, 6, 7]
    picker.click(9, CTRL)
    assert selection(workspace, document) == [4, 5, 6, 7]
    picker.click(8, CTRL | SHIFT)
    assert selection(workspace, document) == [0, 1, 4, 5, 6, 7]
    assert workspace.row(document) == 101


def test_above_below_invert_all_and_clear_follow_the_present_order(picked):
    workspace, document, rows, picker = picked
    rows.set_order(np.array([3, 1, 4, 0, 5, 9, 2, 6, 8, 7]), [("a", True)])
    picker.make_current(2)
    picker.select_above()
    assert selection(workspace, document) == [1, 3, 4]
    picker.invert()
    assert selection(workspace, document) == [0, 2, 5, 6, 7, 8, 9]
    picker.select_below()
    assert selection(workspace, document) == [0, 2, 4, 5, 6, 7, 8, 9]
    picker.select_all()
    assert picker.count == 10
    picker.clear()
    assert picker.count == 0


def test_a_rubber_band_is_one_step_for_undo(picked):
    workspace, document, _rows, picker = picked
    edits = []
    workspace.selection_edited.connect(lambda *args: edits.append([len(a) for a in args[1:]]))
    picker.begin_band(CTRL)
    before = picker.selection()
    for k in range(1, 6):
        picker.band(np.arange(k))
    picker.end_band(before)
    assert edits == [[0, 5]]
    assert selection(workspace, document) == [0, 1, 2, 3, 4]


def test_selection_made_elsewhere_is_seen(picked):
    workspace, document, _rows, picker = picked
    moved = []
    picker.current_moved.connect(moved.append)
    workspace.select(document, [103, 104])
    workspace.set_row(document, 104)
    assert picker.selected_places().tolist() == [3, 4]
    assert moved == [4]


def test_header_clicks_reverse_and_shift_adds():
    keys = toggled_keys([], "a", False)
    assert keys == [("a", True)]
    keys = toggled_keys(keys, "a", False)
    assert keys == [("a", False)]
    keys = toggled_keys(keys, "b", True)
    assert keys == [("a", False), ("b", True)]
    assert toggled_keys(keys, "a", True) == [("a", True), ("b", True)]
    assert toggled_keys(keys, "c", False) == [("c", True)]


def test_model_shows_units_dashes_and_one_based_numbers(qapp):
    table = pd.DataFrame({"rlnAngleRot": ["12.340000", "None"], "cc": [0.98765, np.nan], "rlnDefocusU": [15000.2, 1.0]})
    rows = RowOrder(np.arange(2))
    model = TableModel(rows)
    model.set_table(table, with_image=True)
    assert model.names == [IMAGE, "#", "rlnAngleRot", "cc", "rlnDefocusU"]
    heads = [model.headerData(i, Qt.Orientation.Horizontal) for i in range(5)]
    assert heads == ["", "#", "rot (°)", "cc", "defocus U (Å)"]
    texts = [[model.data(model.index(r, c)) for c in range(1, 5)] for r in range(2)]
    assert texts == [["1", "12.3", "0.9877", "15000"], ["2", "–", "–", "1"]]
    rows.set_order(np.array([1, 0]), [("cc", False), ("rlnAngleRot", True)])
    model.reordered()
    assert model.data(model.index(0, 1)) == "2"
    assert model.headerData(3, Qt.Orientation.Horizontal) == "cc ▼1"


def test_model_grows_once_a_batch(qapp, qtmodeltester):
    rows = RowOrder(np.arange(3))
    model = TableModel(rows)
    model.set_table(pd.DataFrame({"a": [1.0, 2.0, 3.0]}), with_image=False)
    inserted = []
    model.rowsInserted.connect(lambda parent, first, last: inserted.append((first, last)))
    rows.grow(np.arange(50))
    model.grow(pd.DataFrame({"a": np.arange(50.0)}))
    assert inserted == [(3, 49)]
    assert model.data(model.index(49, 1)) == "49"
    qtmodeltester.check(model)


def test_long_tables_are_sorted_in_the_view_lane(runner, qtbot):
    n = 60_000
    rows = RowOrder(np.arange(n))
    sorter = RowSorter(runner, rows, 1)
    values = np.random.default_rng(1).normal(size=n)
    with qtbot.waitSignal(sorter.sorted, timeout=5000):
        sorter.sort(pd.DataFrame({"v": values}), [("v", False)])
        assert rows.shown[0] == 0
    assert (np.diff(values[rows.shown]) <= 0).all()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0.000123456, "", "0.000123"), (1234567.0, "", "1.23e+06"), (-0.01, "°", "0.0"), (359.96, "°", "360.0"),
     (np.float32(2.5), "", "2.5"), (np.int64(7), "", "7"), (True, "", "yes"), (b"x", "", "x"), (None, "", "–"),
     ("0.0340", "%", "3.40"), ("0", "%", "0.00"), ("000001@a.mrcs", "", "000001@a.mrcs"), (0.0, "", "0"),
     (100.0, "", "100")],
)  # fmt: skip
def test_values_read_as_people_write_them(value, unit, text):
    assert columns.shown(value, unit) == text


def test_unknown_labels_are_spelled_out_and_repeats_are_found():
    assert columns.title("rlnMaxValueProbDistribution") == "max value prob distribution"
    assert columns.title("shift_x_A") == "shift x (Å)"
    assert columns.title("frequency_inv_A") == "frequency (1/Å)"
    assert columns.repeated(["rot_deg", "rlnAngleRot", "tilt_deg"]) == ["rot_deg"]


def test_copied_rows_keep_every_digit():
    table = pd.DataFrame({"a": ["1.2345678901", "x\ty"], "b": [0.1, np.nan]})
    assert as_tsv(table, np.array([1, 0]), ["#", "a", "b"]) == "#\ta\tb\n2\tx y\t\n1\t1.2345678901\t0.1\n"
