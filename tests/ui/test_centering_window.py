"""Centring from the window: the job fills a gallery of the centred classes and leaves its folder."""

import numpy as np

from emviewer.engine import mrc


def test_centring_fills_a_gallery_and_leaves_its_folder(qtbot, window, tmp_path):
    y, x = np.indices((48, 48)) - 24
    with mrc.StackWriter(tmp_path / "classes.mrcs", (48, 48), 3.0) as writer:
        for dx, dy in ((5, -3), (0, 2), (-4, 0)):
            writer.append(np.exp(-((x - dx) ** 2 + (y - dy) ** 2) / 60)[None].astype(np.float32))
    job = window.run_job("center", {"classes": str(tmp_path / "classes.mrcs"), "report": "none"}, tmp_path / "out")
    qtbot.waitUntil(lambda: not job.active, timeout=60000)
    assert job.state == "complete"
    qtbot.waitUntil(
        lambda: any(d.kind == "result" and not d.streaming for d in window.workspace.documents.values()), timeout=10000
    )
    document = next(d for d in window.workspace.documents.values() if d.kind == "result")
    assert document.n_rows == len(document.stack) == 3
    assert {"shift_x_A", "shift_y_A", "confidence"} <= set(document.table.columns)
    assert (tmp_path / "out/classes.star").is_file()
