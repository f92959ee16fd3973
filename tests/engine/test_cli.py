import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile

from emviewer import __version__
from emviewer.__main__ import main
from emviewer.engine import mrc
from emviewer.engine.cli import main as cli_main
from emviewer.engine.cli.interrupt import Interrupt, interruptible
from emviewer.engine.jobs import registry
from emviewer.engine.simulate import phantom
from emviewer.engine.task import Cancelled


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Good maps and every kind of bad one."""
    place = tmp_path_factory.mktemp("maps")
    good = phantom("C1", box=16, pixel_size_A=4.0)
    mrc.write_map(place / "good.mrc", good)
    mrc.write_map(place / "zero_pixel.mrc", good.data, 0.0)
    whole = (place / "good.mrc").read_bytes()
    (place / "cut.mrc").write_bytes(whole[:-500])
    (place / "empty.mrc").write_bytes(b"")
    (place / "text.mrc").write_text("this is no map")
    (place / "cut.mrc.gz").write_bytes(gzip.compress(whole)[:-200])
    nan = good.data.copy()
    nan[3, 4, 5] = np.nan
    mrc.write_map(place / "nan.mrc", nan, 4.0)
    mrc.write_map(place / "dot.mrc", np.ones((1, 1, 1), np.float32), 4.0)
    np.save(place / "good.npy", good.data)
    np.save(place / "dot.npy", np.ones((1, 1, 1), np.float32))
    head = "data_particles\n\nloop_\n_rlnAngleRot\n_rlnAnglePsi\n"
    (place / "no_tilt.star").write_text(head + "1 2\n")
    (place / "no_rows.star").write_text("data_particles\n\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n\n")
    (place / "words.star").write_text("data_\n\nloop_\n_rlnAngleRot\n_rlnAngleTilt\n_rlnAnglePsi\n1 2 3\n1 up 3\n")
    return place


def emviewer(*words, cwd=None, **env):
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "emviewer", *map(str, words)],
        capture_output=True, text=True, cwd=cwd, env=os.environ | env, timeout=120, check=False,
    )  # fmt: skip


def loaded_after(*words):
    """Return the modules that a command line loads."""
    code = (
        "import sys\nfrom emviewer.__main__ import main\n"
        f"code = main({list(map(str, words))!r})\n"
        "print(sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.strip().splitlines()[-1].replace("'", '"')))


HEAVY = {"numpy", "scipy", "pandas", "numba", "pyfftw", "matplotlib", "PySide6", "pyqtgraph", "rich", "mrcfile"}


def test_help_loads_nothing_heavy():
    assert not loaded_after("--version") & (HEAVY | {"pydantic", "click"})
    assert not loaded_after("--help") & (HEAVY | {"pydantic"})
    assert not loaded_after("gallery", "--help") & HEAVY


def test_a_job_loads_no_qt(tmp_path):
    loaded = loaded_after("gallery", "phantom:C1", "--step", "60", "--out", tmp_path / "out", "--report", "none")
    assert not loaded & {"PySide6", "shiboken6", "pyqtgraph", "matplotlib", "pandas"}


def test_version_and_help_say_what_there_is(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"emviewer {__version__}\n"
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for word in (*dict(registry.names()), "info", "figure", "demo", "--version", "--session", "--out"):
        assert word in said
    assert main(["gallery", "--help"]) == 0
    said = capsys.readouterr().out
    flags = [
        "--step",
        "--rot",
        "--tilt",
        "--angles",
        "--view",
        "--tilt-series",
        "--grid",
        "--psi-step",
        "--sym",
        "--method",
        "--pad",
        "--max-res",
        "--interp",
        "--box",
        "--shift-sigma",
        "--snr",
        "--defocus",
        "--kv",
        "--cs",
        "--q0",
        "--resolution",
        "--threads",
        "--seed",
        "--pixel-size",
        "--report",
        "--overwrite",
        "--quiet",
        "--out",
        "--project-dir",
    ]
    for flag in flags:
        assert flag in said
    assert "[15]" in said
    assert "Å" in said


@pytest.mark.parametrize("name", [name for name, _ in registry.names()])
def test_every_job_has_help(capsys, name):
    assert main([name, "--help"]) == 0
    said = capsys.readouterr().out
    assert "--out" in said
    assert "--no-no-" not in said


def test_a_gallery_is_made_and_its_place_said(maps, tmp_path, capsys):
    out = tmp_path / "out"
    code = main(["gallery", str(maps / "good.mrc"), "--out", str(out), "--step", "30", "--report", "none"])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    assert said.out.splitlines()[-1] == f"emviewer: result in {out}"
    table = starfile.read(out / "projections.star", always_dict=True)["particles"]
    with mrcfile.open(out / "projections.mrcs") as stack:
        assert stack.data.shape == (len(table), 16, 16)
        assert float(stack.voxel_size.x) == pytest.approx(4.0)
    assert json.loads((out / "job.json").read_text())["parameters"]["step"] == 30


def test_options_may_stand_anywhere_and_repeat(maps, tmp_path, capsys):
    out = tmp_path / "out"
    words = [
        "gallery",
        "--view",
        "-10,20,30",
        "--out",
        str(out),
        "--view=0,0,0",
        str(maps / "good.mrc"),
        "--report=none",
    ]
    assert main(words) == 0
    table = starfile.read(out / "projections.star", always_dict=True)["particles"]
    assert table.rlnAngleRot.tolist() == [-10, 0]


def test_an_array_without_pixel_size_warns_and_goes_on(maps, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["gallery", str(maps / "good.npy"), "--out", str(out), "--step", "60", "--report", "none"]) == 0
    said = capsys.readouterr().err.splitlines()
    warnings = [line for line in said if line.startswith("emviewer: warning: ")]
    assert warnings == said
    assert sum("--pixel-size" in line for line in warnings) >= 1
    summary = json.loads((out / "summary.json").read_text())
    assert summary["pixel_size_known"] is False


BAD = [
    (["{maps}/none.mrc"], "none.mrc"),
    (["{maps}/cut.mrc"], "cut.mrc"),
    (["{maps}/cut.mrc.gz"], "cut.mrc.gz"),
    (["{maps}/empty.mrc"], "empty.mrc"),
    (["{maps}/text.mrc"], "text.mrc"),
    (["{maps}/nan.mrc"], "nan.mrc"),
    (["{maps}/dot.mrc"], "dot.mrc"),
    (["{maps}/dot.npy"], "dot.npy"),
    (["{maps}"], "maps"),
    (["phantom:X7"], "phantom"),
    (["{maps}/good.mrc", "--sym", "Q3"], "Q3"),
    (["{maps}/good.mrc", "--sym", "I5"], "I5"),
    (["{maps}/good.mrc", "--pixel-size", "0"], "--pixel-size 0"),
    (["{maps}/good.mrc", "--pixel-size", "-1"], "--pixel-size -1"),
    (["{maps}/good.mrc", "--step", "0"], "--step 0"),
    (["{maps}/good.mrc", "--step", "many"], "--step many"),
    (["{maps}/good.mrc", "--box", "1"], "--box 1"),
    (["{maps}/good.mrc", "--grid", "square"], "--grid square"),
    (["{maps}/good.mrc", "--view", "1,2"], "--view 1,2"),
    (["{maps}/good.mrc", "--angles", "{maps}/none.star"], "none.star"),
    (["{maps}/good.mrc", "--angles", "{maps}/no_tilt.star"], "rlnAngleTilt"),
    (["{maps}/good.mrc", "--angles", "{maps}/no_rows.star"], "no_rows.star"),
    (["{maps}/good.mrc", "--angles", "{maps}/words.star"], "row 2"),
    (["{maps}/good.mrc", "--angles", "{maps}/words.star"], "words.star"),
    (["{maps}/good.mrc", "--random", "1000000000000"], "1e+12 views"),
    (["{maps}/good.mrc", "--psi-step", "1e-7", "--view", "0,0,0"], "views"),
    (["{maps}/good.mrc", "--step", "0.2", "--psi-step", "0.1"], "views"),
    (["{maps}/good.mrc", "--tilt-series", "0:60:-60:-1e-7"], "views"),
    (["{maps}/good.mrc", "--rot", "0:360:1e-3", "--tilt", "0:180:2e-3"], "views"),
    (["{maps}/good.mrc", "--nonsense"], "--nonsense"),
    (["{maps}/good.mrc", "{maps}/good.mrc"], "good.mrc"),
    (["--step", "5"], "MAP"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words).replace("{maps}/", "") for words, _ in BAD])
def test_bad_input_is_one_sentence_and_exit_2(maps, tmp_path, capsys, words, said):
    words = [word.replace("{maps}", str(maps)) for word in words]
    assert main(["gallery", *words, "--out", str(tmp_path / "out"), "--report", "none"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("emviewer: error: ")
    assert said in lines[0]
    assert "Traceback" not in lines[0]
    assert ": " in lines[0].removeprefix("emviewer: error: ")  # says what to do
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_refused_without_overwrite(maps, tmp_path, capsys):
    words = ["gallery", str(maps / "good.mrc"), "--step", "60", "--report", "none", "--out", str(tmp_path / "out")]
    assert main(words) == 0
    (tmp_path / "out" / "mine.txt").write_text("")
    capsys.readouterr()
    assert main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert main([*words, "--overwrite"]) == 0
    assert not (tmp_path / "out" / "mine.txt").exists()


@pytest.mark.parametrize("place", ["file/below", "file"])
def test_an_unusable_folder_is_said(maps, tmp_path, capsys, place):
    (tmp_path / "file").write_text("")
    assert main(["gallery", str(maps / "good.mrc"), "--report", "none", "--out", str(tmp_path / place)]) == 2
    assert "is a file" in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_said(maps, tmp_path, capsys):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert main(["gallery", str(maps / "good.mrc"), "--report", "none", "--out", str(tmp_path / "locked" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["galery", "x.mrc"], "did you mean gallery?"),
        (["none.mrc"], "no file and no command"),
        (["--nonsense"], "--nonsense"),
        (["--session", "none.emv"], "none.emv"),
        (["gallery", "--ste", "5"], "--step"),
        (["gallery", "x.mrc", "--out", "y", "--step"], "--step"),
        (["figure", "none.json", "--out", "f.png"], "none.json"),
        (["figure"], "SPEC.json"),
        (["info", "none.mrc"], "none.mrc"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert lines[0].startswith("emviewer: error: ")


def test_files_and_sessions_go_to_the_window(maps, monkeypatch):
    from emviewer import __main__ as entry

    seen = []
    monkeypatch.setattr(entry, "_window", lambda **what: seen.append(what) or 0)
    session = maps / "s.emv"
    session.write_text("{}")
    good = str(maps / "good.mrc")
    assert main([]) == 0
    assert main([good, "phantom:D2"]) == 0
    assert main(["--session", str(session), good]) == 0
    assert seen == [
        {"files": [], "session": None},
        {"files": [good, "phantom:D2"], "session": None},
        {"files": [good], "session": str(session)},
    ]


def test_no_display_is_said(monkeypatch, capsys):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert main([]) == 2
    assert "no display" in capsys.readouterr().err


def test_a_bug_is_a_traceback_and_exit_1(tmp_path):
    code = (
        "import sys\nfrom emviewer.engine.jobs import gallery_plan\n"
        "gallery_plan.plan = None\nimport emviewer.engine.jobs.gallery as g\ng.plan = None\n"
        "from emviewer.__main__ import main\nsys.exit(main(sys.argv[1:]))"
    )
    words = ["gallery", "phantom:C1", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert not (tmp_path / "out").exists()


def partial_stack(place: Path) -> Path | None:
    return next(iter(place.glob("out.partial-*/projections.mrcs")), None)


def interrupted(tmp_path, send):
    words = ["gallery", "phantom:C1", "--random", "300000", "--out", str(tmp_path / "out"), "--report", "none"]
    with subprocess.Popen(
        [sys.executable, "-m", "emviewer", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        for _ in range(600):
            stack = partial_stack(tmp_path)
            if stack is not None and stack.stat().st_size > 1 << 20:
                break
            time.sleep(0.05)
        process.send_signal(send)
        out, err = process.communicate(timeout=30)
        return process.returncode, out, err


def test_ctrl_c_keeps_what_is_finished(tmp_path):
    code, out, err = interrupted(tmp_path, signal.SIGINT)
    assert (code, err) == (130, "")
    assert f"result (partial) in {tmp_path / 'out'}" in out
    assert json.loads((tmp_path / "out" / "job.json").read_text())["status"] == "partial"
    n = json.loads((tmp_path / "out" / "summary.json").read_text())["n_views"]
    table = starfile.read(tmp_path / "out" / "projections.star", always_dict=True)["particles"]
    with mrcfile.open(tmp_path / "out" / "projections.mrcs") as stack:
        assert len(stack.data) == len(table) == n > 0
    assert mrcfile.validate(tmp_path / "out" / "projections.mrcs")


def test_the_second_interrupt_forces():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as interrupt:
        interrupt.check()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        with pytest.raises(Cancelled):
            interrupt.check()
        with pytest.raises(KeyboardInterrupt):
            interrupt(signal.SIGINT, None)
    assert signal.getsignal(signal.SIGINT) is before
    assert not Interrupt().asked


def test_the_bar_is_for_terminals_only(maps, tmp_path, capsys, monkeypatch):
    from emviewer.engine.cli import progress
    from emviewer.engine.task import message

    with progress.progress_bar(quiet=False) as bar:
        bar.show(message("working", 1, 2))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.progress_bar(quiet=False) as bar:
        bar.show(message("projecting", 500, 1000))
        bar.show(message("projecting", 900, 1000))
        shown = bar.progress.get_renderable()
    assert "projecting" in capsys.readouterr().err
    assert shown is not None
    with progress.progress_bar(quiet=True) as bar:
        bar.show(message("projecting", 500, 1000))
    assert capsys.readouterr().err == ""


def test_a_figure_is_made_again_from_its_spec(maps, tmp_path, capsys):
    (tmp_path / "spec.json").write_text(json.dumps({"kind": "slices", "map": str(maps / "good.mrc"), "width_mm": 85}))
    assert main(["figure", str(tmp_path / "spec.json"), "--out", str(tmp_path / "new" / "f.svg")]) == 0
    assert (tmp_path / "new" / "f.svg").read_text().count("<image ") == 3
    assert capsys.readouterr().out.strip().endswith("f.svg")
    assert main(["figure", str(tmp_path / "spec.json"), "--out", str(tmp_path / "f.doc")]) == 2
    assert ".doc" in capsys.readouterr().err


def test_every_command_can_be_made():
    for name in cli_main.names():
        command = cli_main.Commands("emviewer").get_command(None, name)
        assert command is not None
        assert command.name == name or name in ("info",)
