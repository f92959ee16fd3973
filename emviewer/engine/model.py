"""Atomic models: PDB and mmCIF, plain or gzipped, through gemmi."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from emviewer.engine import files_bytes
from emviewer.engine.errors import FileError
from emviewer.engine.types import F64

SUFFIXES = (".pdb", ".ent", ".cif", ".mmcif")


@dataclass(frozen=True, eq=False)
class Model:
    """Atoms.

    Parameters
    ----------
    elements : ndarray of str, shape (n,)
        Element symbols as gemmi writes them (``C``, ``Zn``; ``X`` unknown).
    positions_A : ndarray of float64, shape (n, 3)
        ``(x, y, z)`` in Å.
    bfactors : ndarray of float64, shape (n,)
        Isotropic B in Å².
    occupancy : ndarray of float64, shape (n,)
        Between 0 and 1; the alternatives of a disordered atom are all there and add up.
    source : pathlib.Path or None
        The file.
    name : str
        Name to show.
    chains : ndarray of str, shape (n,)
        Chain of each atom.
    residues : ndarray of str, shape (n,)
        Residue name of each atom.
    notes : tuple of str
        What was left out, and what else to know.
    """

    elements: NDArray[np.str_]
    positions_A: F64
    bfactors: F64
    occupancy: F64
    source: Path | None
    name: str
    chains: NDArray[np.str_]
    residues: NDArray[np.str_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.elements)

    @property
    def centre_A(self) -> tuple[float, float, float]:
        """Middle of the smallest box around the atoms, ``(x, y, z)`` in Å."""
        x, y, z = (self.positions_A.min(axis=0) + self.positions_A.max(axis=0)) / 2
        return float(x), float(y), float(z)

    @property
    def extent_A(self) -> tuple[float, float, float]:
        """Edges of the smallest box around the atoms, ``(x, y, z)`` in Å."""
        x, y, z = np.ptp(self.positions_A, axis=0)
        return float(x), float(y), float(z)


def read_model(path: str | Path, *, hydrogens: bool = True, waters: bool = False) -> Model:
    """Read the atoms of the first model of a PDB or mmCIF file.

    Parameters
    ----------
    path : path
        ``.pdb``, ``.ent``, ``.cif``, ``.mmcif``, plain or ``.gz``; what it is, is told by its content.
    hydrogens : bool
        Whether to keep those that the file has.
    waters : bool
        Whether to keep waters.

    Returns
    -------
    Model
        Atoms as deposited: no biological assembly, no crystal symmetry, no NCS that is not written out.

    Raises
    ------
    FileError
        If the file is missing, no model, or has no atoms.
    """
    import gemmi

    found = files_bytes.existing(path)
    text = files_bytes.whole(found)
    if b"\0" in text[:4096]:
        raise FileError("this is no atomic model", found, "give a PDB or mmCIF file")
    try:
        form = gemmi.CoorFormat.Mmcif if _is_cif(text) else gemmi.CoorFormat.Pdb
        structure = gemmi.read_structure_string(text.decode("ascii", "replace").replace("\ufffd", "?"), format=form)
    except (RuntimeError, ValueError, zlib.error) as err:
        raise FileError(f"the model cannot be read ({files_bytes.reason(err)})", found, "check the file") from None
    if len(structure) == 0:
        raise FileError("the file has no atoms", found, "give a PDB or mmCIF file with atoms")
    notes = []
    if len(structure) > 1:
        notes.append(f"{len(structure)} models in the file: the first is read")
    rows = []
    n_water = n_hydrogen = 0
    for chain in structure[0]:
        for residue in chain:
            water = residue.is_water()
            for atom in residue:
                if water and not waters:
                    n_water += 1
                elif atom.is_hydrogen() and not hydrogens:
                    n_hydrogen += 1
                else:
                    rows.append((atom.element.name, *atom.pos.tolist(), atom.b_iso, atom.occ, chain.name, residue.name))
    notes += [f"{n} atoms of {what} left out" for n, what in ((n_water, "water"), (n_hydrogen, "hydrogen")) if n]
    if not rows:
        raise FileError("the file has no atoms", found, "give a PDB or mmCIF file with atoms")
    elements, x, y, z, b, occ, chains, residues = zip(*rows, strict=True)
    copies = max((sum(len(g.operators) for g in a.generators) for a in structure.assemblies), default=1)
    if copies > 1:
        notes.append(
            f"the biological assembly of up to {copies} operators is not applied: these are the deposited atoms"
        )
    return Model(
        elements=np.array(elements),
        positions_A=np.stack([x, y, z], axis=1).astype(np.float64),
        bfactors=np.array(b, np.float64),
        occupancy=np.array(occ, np.float64),
        source=found,
        name=files_bytes.suffixes(found)[1],
        chains=np.array(chains),
        residues=np.array(residues),
        notes=tuple(notes),
    )


def looks_like_model(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a PDB or mmCIF file with atoms."""
    lines = start.split(b"\n")
    records = (b"ATOM  ", b"HETATM", b"HEADER", b"CRYST1", b"REMARK", b"MODEL ", b"TITLE ", b"COMPND")
    return _is_cif(start) or any(line.startswith(records) for line in lines[:50])


def _is_cif(text: bytes) -> bool:
    return b"_atom_site." in text or b"_entry.id" in text[:65536] or b"_audit_conform." in text[:65536]
