"""The example: one real structure turned by the program into a map, micrographs, particles and class averages.

The structure is PDB entry 2NWL, the trimeric transporter GltPh (public domain, CC0), of which one chain is stored.
Everything is made in seconds, without a network, and kept in the user's cache folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

import emviewer.engine as engine
from emviewer.engine import mrc
from emviewer.engine.align3d_move import Grid3D, move_map
from emviewer.engine.jobs import demo_tables as tables
from emviewer.engine.jobs.demo_images import ClassAverages, Micrographs, plan_particles
from emviewer.engine.jobs.folder import as_output_error
from emviewer.engine.model import Model, read_model
from emviewer.engine.project import Projector
from emviewer.engine.rotations import from_rotvec
from emviewer.engine.simulate import density_from_model, phantom
from emviewer.engine.symmetry import point_group
from emviewer.engine.task import Check, never
from emviewer.engine.types import Map3D, RigidTransform

VERSION = 2
"""Counts changes of what is made, so that an older example in the cache is not taken for this one."""

PIXEL_A = 1.5
BOX = 96
RESOLUTION_A = 6.0
SYMMETRY = "C3"
STEP_DEG = 7.5
"""Angular step of the example's gallery."""
SEED = 2007

ABOUT = """\
The example of emviewer. Everything here was made by the program from one protein structure:
PDB entry 2NWL, the aspartate transporter GltPh of Pyrococcus horikoshii, a trimer (O. Boudker, R. M. Ryan,
D. Yernool, K. Shimamoto, E. Gouaux, Nature 445, 387, 2007). The PDB archive is in the public domain (CC0 1.0).

map.mrc            the trimer as electrons see it, C3 about z, 6 A resolution, 1.5 A a voxel
turned.mrc         the trimer turned by 70 degrees, moved by 10 A and mirrored
monomer.mrc        one of its three chains
classes.mrcs       40 class averages: most show the trimer, some do not (classes_truth.csv says which);
                   classes_model.star and classes_data.star describe them and their members as RELION does
particles.mrcs     320 particles cut out of the micrographs, white on dark; particles.star has their true views,
                   shifts and CTF
micrograph_1.mrc, micrograph_2.mrc   what they were cut from; micrographs.star has their CTF
"""


@dataclass(frozen=True)
class Example:
    """The files of the example.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are.
    """

    folder: Path

    @property
    def map(self) -> Path:
        """The trimer, C3, 96³ voxels of 1.5 Å."""
        return self.folder / "map.mrc"

    @property
    def turned(self) -> Path:
        """The trimer turned by 70° about (1, 2, 3), moved by (6, -8, 0) Å and of the other hand."""
        return self.folder / "turned.mrc"

    @property
    def monomer(self) -> Path:
        """One chain of it, centred: what some of the planted class averages show."""
        return self.folder / "monomer.mrc"

    @property
    def classes(self) -> Path:
        """Class averages as RELION's ``_model.star``; the members are in :attr:`members`."""
        return self.folder / "classes_model.star"

    @property
    def members(self) -> Path:
        """The particles of the class averages as RELION's ``_data.star``."""
        return self.folder / "classes_data.star"

    @property
    def class_images(self) -> Path:
        """Images of the class averages."""
        return self.folder / "classes.mrcs"

    @property
    def particles(self) -> Path:
        """Particles with their true poses and CTF, RELION 3.1."""
        return self.folder / "particles.star"

    @property
    def micrographs(self) -> Path:
        """Table of the micrographs."""
        return self.folder / "micrographs.star"

    @property
    def truth(self) -> Path:
        """What each class average really shows: ``target, off-centre, monomer, other, junk, empty``."""
        return self.folder / "classes_truth.csv"

    @property
    def complete(self) -> bool:
        """Whether the files are all there."""
        return (self.folder / "ABOUT.txt").exists()


def example(
    folder: Path | None = None, check: Check = never, progress: Callable[[str], None] = lambda stage: None
) -> Example:
    """Return the example, making it first if it is not there yet.

    Parameters
    ----------
    folder : path, optional
        Where to; a folder in the user's cache unless given, or a temporary one if the cache cannot be written.
    check : callable
        Called between steps; raises to stop, and nothing is left behind.
    progress : callable
        Told what is being made, in words.

    Raises
    ------
    OutputError
        ``folder`` cannot be written.
    """
    target = Path(folder) if folder is not None else engine.cache_folder() / f"example-{VERSION}"
    found = Example(target)
    if found.complete:
        return found
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f"{target.name}.partial-", dir=target.parent))
    except OSError as err:
        if folder is not None:
            raise as_output_error(err, target) from err
        return example(Path(tempfile.gettempdir()) / f"emviewer-example-{VERSION}-{os.getuid()}", check, progress)
    try:
        build(beside, check, progress)
        beside.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        beside.rename(target)
    except OSError as err:
        if not found.complete:  # another process may have made it meanwhile
            raise as_output_error(err, target) from err
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return found


def build(folder: Path, check: Check = never, progress: Callable[[str], None] = lambda stage: None) -> None:
    """Make all files of the example in an existing folder. The same files each time."""
    rng = np.random.default_rng(SEED)
    progress("making the map")
    volumes = maps(check)
    mrc.write_map(folder / "map.mrc", volumes["target"])
    mrc.write_map(folder / "monomer.mrc", volumes["monomer"])
    mrc.write_map(folder / "turned.mrc", turned(volumes["target"], check))
    progress("projecting particles")
    projectors = {kind: Projector(volume, check=check) for kind, volume in volumes.items()}
    plan = plan_particles(rng, projectors)
    progress("making micrographs and particles")
    micrographs = Micrographs(plan, projectors, rng, check)
    micrographs.write(folder)
    progress("making class averages")
    ClassAverages(plan, projectors, rng, check).write(folder)
    tables.write(folder, plan, micrographs.contrast)
    (folder / "ABOUT.txt").write_text(ABOUT)


def maps(check: Check = never) -> dict[str, Map3D]:
    """Return the densities: ``target`` the trimer, ``monomer`` one chain, ``other`` something unrelated."""
    chain = stored_chain()
    target = density_from_model(replicated(chain, SYMMETRY), RESOLUTION_A, PIXEL_A, BOX, check)
    monomer = density_from_model(chain, RESOLUTION_A, PIXEL_A, BOX, check)
    other = phantom("D7", BOX, PIXEL_A)
    strength = float(target.data.std() / other.data.std())
    return {
        "target": replace(target, origin_A=(0.0, 0.0, 0.0), symmetry=SYMMETRY, name="map"),
        "monomer": replace(monomer, origin_A=(0.0, 0.0, 0.0), name="monomer"),
        "other": replace(other, data=other.data * np.float32(strength)),
    }


def turned(volume: Map3D, check: Check = never) -> Map3D:
    """Return a map turned, moved and mirrored as :attr:`Example.turned` says."""
    axis = np.array([1.0, 2.0, 3.0]) / np.sqrt(14)
    matrix = from_rotvec(np.deg2rad(70.0) * axis)[0] @ np.diag([1.0, 1.0, -1.0])
    motion = RigidTransform(matrix, np.array([6.0, -8.0, 0.0]))
    data = move_map(np.asarray(volume.data), volume.pixel_size_A, motion, Grid3D.of(volume), check)
    return replace(volume, data=data, symmetry="C1", name="turned")


def stored_chain() -> Model:
    """Return chain A of PDB entry 2NWL, its trimer's threefold axis on z."""
    with as_file(files("emviewer.resources") / "demo" / "2nwl_chain_A.pdb.gz") as path:
        return read_model(path)


def replicated(model: Model, group: str) -> Model:
    """Return the assembly that a point group makes of a model."""
    rotations = point_group(group).rotations
    k = len(rotations)
    positions = np.einsum("kij,nj->kni", rotations, model.positions_A).reshape(-1, 3)
    return replace(
        model,
        positions_A=positions,
        elements=np.tile(model.elements, k),
        bfactors=np.tile(model.bfactors, k),
        occupancy=np.tile(model.occupancy, k),
        chains=np.repeat([f"{chr(65 + i)}" for i in range(k)], len(model)),
        residues=np.tile(model.residues, k),
    )
