"""What a reconstruction from known orientations can be asked for. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from emviewer.engine.params import JobParams, option

TITLE = "Reconstruct a map"
HELP = (
    "Reconstruct a map from particles whose orientations are known, by direct Fourier inversion with CTF and symmetry. "
    "Writes map.mrc, half1.mrc, half2.mrc, fsc.csv, report.png/.pdf. Random halves follow rlnRandomSubset where the "
    "table has it."
)


class ReconstructParams(JobParams):
    """Parameters of the reconstruct job."""

    particles: Path = option(
        help="table of particles with orientations: RELION .star, cryoSPARC .cs, Xmipp .xmd", flag="", kind="input",
        group="Input",
    )  # fmt: skip
    passthrough: Path | None = option(
        None, "for a .cs: the file with further fields", flag="--passthrough", kind="file", group="Input"
    )
    sym: str = option("C1", "point group of the map", flag="--sym", metavar="GROUP", group="Reconstruction")
    ctf: bool = option(
        False, "correct for the CTF, which every row of the table must tell", flag="--ctf", group="Reconstruction"
    )
    max_res: float | None = option(
        None, "finest detail used; Nyquist unless told", unit="Å", flag="--max-res", gt=0, group="Reconstruction"
    )
    contrast: Literal["positive", "negative"] = option(
        "positive", "whether particles are bright, as in a map, or dark", flag="--contrast", group="Reconstruction"
    )
