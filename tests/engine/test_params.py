import math
import shlex

import pytest

from emviewer.engine.errors import ParameterError
from emviewer.engine.jobs import registry
from emviewer.engine.jobs.gallery_params import GalleryParams
from emviewer.engine.params import as_words, choices, command_line, field_meta, field_names, repeatable, validated


def make(**values):
    return validated(GalleryParams, {"map": "a.mrc", **values})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"step": "abc"}, "--step abc is not a number"),
        ({"step": "0"}, "--step 0 must be more than 0"),
        ({"step": "nan"}, "--step"),
        ({"pixel_size": "inf"}, "--pixel-size inf is not a finite number"),
        ({"pixel_size": "0"}, "--pixel-size 0 must be more than 0"),
        ({"box": "1"}, "--box 1 must be at least 2"),
        ({"box": "12.5"}, "--box 12.5 is not a whole number"),
        ({"method": "magic"}, "one of fourier, real or shears"),
        ({"view": ["1,2"]}, "--view 1,2 has 2 of the 3 numbers"),
        ({"view": ["1,2,x"]}, "--view 1,2,x is not a number"),
        ({"rot": "90:0"}, "--rot 90:0 ends before it begins"),
        ({"tilt": "0:200:5"}, "--tilt 0:200:5 leaves"),
        ({"rot": "0:90:0"}, "no positive step"),
        ({"tilt_series": "0:-60:60:0"}, "--tilt-series has a step of 0"),
        ({"angles": "x.star", "view": ["1,2,3"]}, "--angles and --view exclude each other"),
        ({"grid": "xmipp", "rot": "0:90:5", "tilt": "0:90:10"}, "make them equal"),
        ({"nonsense": "1"}, "no such parameter"),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_option_and_value(values, said):
    with pytest.raises(ParameterError) as caught:
        make(**values)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_input_is_named():
    with pytest.raises(ParameterError, match="MAP is missing"):
        validated(GalleryParams, {})


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"step": 7.5, "sym": "D7", "psi_step": 90},
        {"rot": "0:180:5", "tilt": "0:90"},
        {"view": ["1,2,3", "-4.123456789,5,6"]},
        {"tilt_series": "85:-60:60:3", "defocus": "15000,14000,30", "seed": 3, "report": "none"},
        {"angles": "my table.star", "snr": 0.1},
    ],
)
def test_the_pasteable_command_gives_the_same_parameters(values):
    import click.testing

    from emviewer.engine.cli.options import job_command

    params = make(**values)
    words = shlex.split(command_line("gallery", params, "out dir"))
    assert words[:2] == ["emviewer", "gallery"]
    seen = {}

    def run(given, out, overwrite, quiet):
        seen["params"], seen["out"] = validated(GalleryParams, given), out
        return 0

    result = click.testing.CliRunner().invoke(job_command("gallery", "", GalleryParams, run), words[2:])
    assert result.exit_code == 0, result.output
    assert seen == {"params": params, "out": "out dir"}


def test_ranges_decide_the_lattice_and_the_steps():
    assert make().lattice == "even"
    assert make().steps == (15.0, 15.0)
    both = make(rot="0:180:5", tilt="0:90")
    assert (both.lattice, both.steps) == ("even", (5.0, 5.0))
    assert make(rot="0:180:5", tilt="0:90:10").lattice == "product"
    assert make(rot="30:30:5", tilt="0:90:5").lattice == "product"
    assert make(tilt="-60:60:3", rot="0:0").lattice == "product"
    assert make(rot="0:180:5", tilt="0:90:5", grid="xmipp").lattice == "xmipp"
    assert make(rot="0:180:5", tilt="0:90:5").resolved()["step"] == 5.0


def test_files_of_a_record_are_found_from_another_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    params = registry.params("align")
    kept = validated(params, {"reference": "phantom:C1", "maps": ["a.mrc", "/b.mrc"], "leave": []}).resolved()
    assert kept["maps"] == [str(tmp_path / "a.mrc"), "/b.mrc"]
    assert (kept["reference"], kept["leave"], kept["ref_mask"]) == ("phantom:C1", [], None)


def test_every_field_of_every_job_is_described():
    for name, _ in registry.names():
        model = registry.params(name)
        for field in field_names(model):
            meta = field_meta(model, field)
            assert model.model_fields[field].description, field
            assert meta.group, field
            assert (meta.kind == "text") == bool(meta.separator), field
        flags = [field_meta(model, field).flag for field in field_names(model) if field_meta(model, field).flag]
        assert len(set(flags)) == len(flags)


def test_fields_as_a_form_sees_them():
    assert choices(GalleryParams, "method") == ("fourier", "real", "shears")
    assert choices(GalleryParams, "step") == ()
    assert repeatable(GalleryParams, "view")
    assert not repeatable(GalleryParams, "rot")
    assert as_words(GalleryParams, "rot", (0.0, 180.0, 5.0)) == ["0:180:5"]
    assert as_words(GalleryParams, "step", math.pi) == [str(math.pi)]
    assert as_words(GalleryParams, "step", None) == []
    assert field_names(GalleryParams)[0] == "map"
    assert set(field_names(GalleryParams)) == set(GalleryParams.model_fields)


def test_inputs_are_the_files_among_the_parameters():
    assert [p.name for p in make(angles="x.star").input_paths()] == ["a.mrc", "x.star"]
    assert validated(GalleryParams, {"map": "phantom:D2"}).input_paths() == []
