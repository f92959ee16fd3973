import json
import shutil

import pytest

from emviewer.engine.errors import FileError, OutputError
from emviewer.engine.session import Session, SessionDocument, SessionPanel, missing, read, relink, write


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "project"
    (root / "maps").mkdir(parents=True)
    (root / "maps" / "a.mrc").write_bytes(b"x" * 100)
    (root / "b.mrcs").write_bytes(b"y" * 50)
    session = Session(
        documents=[
            SessionDocument(id=1, kind="map", path=str(root / "maps" / "a.mrc"), pixel_size_A=1.5, selection=[3, 1]),
            SessionDocument(id=2, kind="images", path=str(root / "b.mrcs"), parent=1, row=7, tags={"keep": [1, 2]}),
            SessionDocument(id=3, kind="map", path="phantom:D2"),
        ],
        panels=[SessionPanel(panel="slices", document=1, state={"position": [1, 2, 3], "zoom": 1.5})],
        current_document=2,
        layout="AAEC",
        forms={"gallery": {"step": 5.0}},
    )
    return root, session


def test_a_session_comes_back_as_it_was(project):
    root, session = project
    path = write(session, root / "s")
    assert path == root / "s.emv"
    back, sentences = read(path)
    assert sentences == []
    kept = {"relative", "size"}
    assert [d.model_dump(exclude=kept) for d in back.documents] == [
        d.model_dump(exclude=kept) for d in session.documents
    ]
    assert back.model_dump(exclude={"documents"}) == session.model_dump(exclude={"documents"})
    assert list(root.glob(".*")) == []


def test_a_project_that_moved_as_a_whole_opens(project, tmp_path):
    root, session = project
    write(session, root / "s.emv")
    shutil.move(root, tmp_path / "elsewhere")
    back, sentences = read(tmp_path / "elsewhere" / "s.emv")
    assert back.documents[0].path == str(tmp_path / "elsewhere" / "maps" / "a.mrc")
    assert len(sentences) == 2
    assert "has moved" in sentences[0]
    assert missing(back) == []


def test_missing_and_changed_files_are_said_and_can_be_relinked(project, tmp_path):
    root, session = project
    path = write(session, root / "s.emv")
    away = tmp_path / "away" / "deep"
    away.mkdir(parents=True)
    (tmp_path / "away" / "b.mrcs").write_bytes(b"another file of this name")
    shutil.move(root / "b.mrcs", away / "b.mrcs")
    (root / "maps" / "a.mrc").write_bytes(b"x" * 99)
    back, sentences = read(path)
    assert "a.mrc has changed since" in sentences[0]
    assert "b.mrcs was not found" in sentences[1]
    assert [d.id for d in missing(back)] == [2]
    linked, said = relink(back, tmp_path / "away")
    assert linked.documents[1].path == str(away / "b.mrcs")  # the one of the right size
    assert "was found as" in said[0]
    assert missing(linked) == []
    nowhere, said = relink(back, root)
    assert "was not found in" in said[0]
    assert nowhere == back


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not json", "no session"),
        ("[1]", "no session"),
        ('{"documents": []}', "no session"),
        ('{"format": "emviewer session", "version": 99, "emviewer_version": "7.1"}', "newer emviewer (7.1)"),
        ('{"format": "emviewer session", "version": 1, "documents": [{"id": "x"}]}', "damaged at documents.0"),
    ],
)
def test_what_is_no_session_is_refused_with_a_sentence(tmp_path, content, said):
    path = tmp_path / "s.emv"
    path.write_text(content)
    with pytest.raises(FileError) as caught:
        read(path)
    assert said in str(caught.value)


def test_fields_of_a_later_emviewer_are_ignored(project):
    root, session = project
    path = write(session, root / "s.emv")
    content = json.loads(path.read_text())
    content["later"] = 1
    content["documents"][0]["later"] = {"a": 1}
    path.write_text(json.dumps(content))
    assert read(path)[0].documents[0].pixel_size_A == 1.5


def test_a_place_that_cannot_be_written_is_said(project):
    root, session = project
    with pytest.raises(OutputError, match="cannot be saved"):
        write(session, root / "b.mrcs" / "s.emv")
    with pytest.raises(FileError, match="cannot be read"):
        read(root / "none.emv")
