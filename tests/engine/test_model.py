"""Atomic models: the same atoms from PDB and mmCIF, plain and packed; what is left out is said."""

from __future__ import annotations

import gzip

import gemmi
import numpy as np
import pytest

from emviewer.engine.errors import FileError
from emviewer.engine.model import read_model

PDB = """HEADER    TEST
MODEL        1
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00 10.00           N
ATOM      2  CA AALA A   1      11.639   6.071  -5.147  0.60 20.00           C
ATOM      3  CA BALA A   1      11.700   6.000  -5.000  0.40 25.00           C
ATOM      4  H   ALA A   1      10.104   6.134  -6.504  1.00 10.00           H
HETATM    5 ZN    ZN A 101       1.000   2.000   3.000  1.00 30.00          ZN
HETATM    6  O   HOH B 201       9.000   9.000   9.000  1.00 40.00           O
ENDMDL
MODEL        2
ATOM      1  N   ALA A   1       0.000   0.000   0.000  1.00 10.00           N
ENDMDL
END
"""


def test_atoms_of_the_first_model(tmp_path):
    (tmp_path / "a.pdb").write_text(PDB)
    got = read_model(tmp_path / "a.pdb")
    assert got.elements.tolist() == ["N", "C", "C", "H", "Zn"]
    np.testing.assert_array_equal(got.positions_A[4], [1, 2, 3])
    assert got.occupancy.tolist() == pytest.approx([1, 0.6, 0.4, 1, 1]) and got.bfactors.tolist() == pytest.approx(
        [10, 20, 25, 10, 30]
    )
    assert got.notes == ("2 models in the file: the first is read", "1 atoms of water left out")
    assert got.name == "a" and got.extent_A == pytest.approx((10.7, 4.134, 9.504))
    assert read_model(tmp_path / "a.pdb", hydrogens=False).elements.tolist() == ["N", "C", "C", "Zn"]
    assert len(read_model(tmp_path / "a.pdb", waters=True)) == 6


def test_mmcif_and_gz_give_the_same_atoms(tmp_path):
    structure = gemmi.read_pdb_string(PDB)
    text = structure.make_mmcif_document().as_string()
    (tmp_path / "a.cif").write_text(text)
    (tmp_path / "b.dat").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.pdb").write_text(PDB)
    one, two, three = (read_model(tmp_path / name) for name in ("a.cif", "b.dat", "c.pdb"))
    for other in (two, three):
        np.testing.assert_allclose(one.positions_A, other.positions_A)
        np.testing.assert_array_equal(one.elements, other.elements)


@pytest.mark.parametrize("content", [b"", b"HEADER nothing else\nEND\n", b"\0" * 100, b"data_x\n_atom_site.id 1 2 3\n"])
def test_what_has_no_atoms_is_refused(tmp_path, content):
    (tmp_path / "a.pdb").write_bytes(content)
    with pytest.raises(FileError) as err:
        read_model(tmp_path / "a.pdb")
    assert err.value.where == str(tmp_path / "a.pdb") and "\n" not in str(err.value)


def test_an_assembly_that_is_not_applied_is_said(tmp_path):
    remark = "".join(
        f"REMARK 350   BIOMT{row}   {k}  {values}\n"
        for k, turn in ((1, "1"), (2, "-1"))
        for row, values in enumerate(
            (
                f"{float(turn):9.6f}  0.000000  0.000000        0.00000",
                f" 0.000000 {float(turn):9.6f}  0.000000        0.00000",
                " 0.000000  0.000000  1.000000        0.00000",
            ),
            1,
        )
    )
    text = PDB.replace(
        "MODEL        1",
        "REMARK 350 BIOMOLECULE: 1\nREMARK 350 APPLY THE FOLLOWING TO CHAINS: A\n" + remark + "MODEL        1",
        1,
    )
    (tmp_path / "a.pdb").write_text(text)
    assert any("biological assembly" in note for note in read_model(tmp_path / "a.pdb").notes)


def test_real_models(shared_data):
    assert len(read_model(shared_data / "map_betagal_D2_real/6cvm.pdb.gz")) == 37062 - 4194
    got = read_model(shared_data / "map_hemoglobin_C2_real_emd3488/5ni1_updated.cif.gz")
    assert (got.elements == "Fe").sum() == 4 and len(np.unique(got.chains)) == 4
