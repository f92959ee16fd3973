"""Copy the map ranked first and the images, or members of classes, that belong to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emviewer.engine import mrc_write, star_read, star_write
from emviewer.engine.jobs.compare_cryosparc import write_chosen
from emviewer.engine.jobs.compare_inputs import Inputs
from emviewer.engine.jobs.compare_params import CompareParams
from emviewer.engine.jobs.folder import ResultFolder

CLASS_COLUMN = "rlnClassNumber"


def best_map(folder: ResultFolder, inputs: Inputs, best: str) -> None:
    """Write ``best/map.mrc``."""
    volume = next(volume for name, volume in inputs.maps if name == best)
    mrc_write.write_map(folder / "best" / "map.mrc", volume)


def best_particles(
    folder: ResultFolder, params: CompareParams, inputs: Inputs, tables: dict[str, pd.DataFrame], best: str
) -> None:
    """Write ``best/particles.<star|cs>``.

    Of maps that came as a RELION Class3D model: its members of the best class. Otherwise the images for which the
    best map has the highest correlation of all maps and that are no outliers; of class averages with members, the
    members of those classes. All columns are kept; image names keep their text; a cryoSPARC passthrough that was
    given is written beside them with the same rows.
    """
    model = next((path for path in params.maps if path.suffix == ".star"), None)
    if model is not None and _class3d_members(folder, model, best, inputs):
        return
    cc = pd.DataFrame({name: table["cc"] for name, table in tables.items()})
    table = tables[best]
    mine = (cc.fillna(-np.inf).idxmax(axis=1) == best) & (table["outlier"] == 0)
    rows = np.flatnonzero(mine.to_numpy())
    images = inputs.images
    if images.members is not None and CLASS_COLUMN in images.members:
        classes = {str(i + 1) for i in rows}
        kept = images.members[images.members[CLASS_COLUMN].astype(str).str.strip().isin(classes)]
        blocks = _beside(images.source)
        _write_star(folder, images.blocks if blocks is None else blocks, kept)
        folder.summary["n_extracted"] = len(kept)
        return
    if images.format == "cryosparc":
        write_chosen(folder / "best", images, rows)
    elif len(images.table.columns):
        _write_star(folder, images.blocks, images.table.iloc[rows])
    else:
        source = images.source.name if images.source is not None else images.name
        frame = pd.DataFrame({"rlnImageName": [f"{i + 1:06d}@{source}" for i in rows]})
        star_write.write_particles(folder / "best" / "particles.star", frame)
    folder.summary["n_extracted"] = len(rows)


def _class3d_members(folder: ResultFolder, model: Any, best: str, inputs: Inputs) -> bool:
    blocks = _beside(model)
    if blocks is None:
        folder.warn(f"no _data.star is beside {model.name}: the members of the best class are not known")
        return False
    name = "particles" if "particles" in blocks else list(blocks)[-1]
    table = blocks[name]
    if CLASS_COLUMN not in table:
        folder.warn(
            f"the _data.star beside {model.name} has no {CLASS_COLUMN}: the members of the best class are not known"
        )
        return False
    number = [map_name for map_name, _ in inputs.maps].index(best) + 1
    kept = table[table[CLASS_COLUMN].astype(str).str.strip() == str(number)]
    _write_star(folder, blocks, kept)
    folder.summary["n_extracted"] = len(kept)
    return True


def _beside(model: Path | None) -> dict[str, pd.DataFrame] | None:
    """Return the blocks of the ``_data.star`` that RELION wrote beside a ``_model.star``, None if there is none."""
    data = None if model is None else model.with_name(model.name.replace("_model.star", "_data.star"))
    return star_read.read_star(data) if data is not None and data != model and data.is_file() else None


def _write_star(folder: ResultFolder, blocks: Any, table: pd.DataFrame) -> None:
    star_write.write_particles(folder / "best" / "particles.star", table, blocks.get("optics"))
