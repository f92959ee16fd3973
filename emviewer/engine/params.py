"""Parameters of jobs: one validated definition that the command line, the forms, job.json and sessions share.

Adding an option to a job is one line here::

    class GalleryParams(JobParams):
        step_deg: float = option(15.0, "angle between neighbouring views", unit="°", gt=0, le=90, flag="--step")

Each field carries, in ``field_meta(model, name)``, what a form and a command line need: flag, unit, help, kind.
Imports nothing heavy: ``emviewer JOB --help`` loads this and no numpy.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from emviewer.engine.errors import ParameterError

P = TypeVar("P", bound="JobParams")
Kind = Literal["", "input", "inputs", "file", "folder", "text"]


@dataclass(frozen=True)
class FieldMeta:
    """What a form and a command line need to know of a parameter beyond its type and bounds.

    Parameters
    ----------
    flag : str
        The command-line name (``--step``); ``""`` for a positional input.
    unit : str
        Unit shown behind the field and in the help.
    kind : str
        ``input`` a file that is data of the job (recorded in job.json), ``inputs`` several of them,
        ``file`` an auxiliary file, ``folder``, ``text`` numbers typed as text (:func:`numbers`), or empty.
    advanced : bool
        Folded away in forms.
    group : str
        Heading under which forms show it.
    metavar : str
        How a value is written (``A:B:STEP``); placeholder of a form, and in the help.
    separator : str
        What stands between the numbers of a ``text`` field.
    """

    flag: str
    unit: str = ""
    kind: Kind = ""
    advanced: bool = False
    group: str = ""
    metavar: str = ""
    separator: str = ""


def option(
    default: Any = ...,
    help: str = "",
    *,
    unit: str = "",
    flag: str | None = None,
    kind: Kind = "",
    advanced: bool = False,
    group: str = "",
    metavar: str = "",
    separator: str = "",
    **bounds: Any,
) -> Any:
    """Declare one parameter; ``bounds`` are pydantic's (ge, gt, le, lt, min_length, multiple_of …)."""
    extra: dict[str, Any] = {
        "flag": flag,
        "unit": unit,
        "kind": kind,
        "advanced": advanced,
        "group": group,
        "metavar": metavar,
        "separator": separator,
    }
    return Field(default, description=help, json_schema_extra=extra, **bounds)


def numbers(separator: str, *counts: int) -> BeforeValidator:
    """Return the validator of numbers typed as text, ``0:180:5`` for separator ``:``; sequences pass unchanged.

    Parameters
    ----------
    separator : str
        What stands between the numbers.
    counts : int
        How many numbers there may be.
    """
    wanted = " or ".join(str(n) for n in counts)

    def parse(value: Any) -> Any:
        items = [item.strip() for item in value.split(separator)] if isinstance(value, str) else value
        if isinstance(items, (list, tuple)) and len(items) not in counts:
            raise ValueError(f"has {len(items)} of the {wanted} numbers separated by {separator!r}")
        return tuple(items) if isinstance(items, list) else items

    return BeforeValidator(parse)


class JobParams(BaseModel):
    """Base of all jobs' parameters: frozen, no unknown names, every job has threads and seed."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=False, validate_default=True, allow_inf_nan=False
    )

    pixel_size: float | None = option(
        None,
        "pixel size of an input whose header is wrong or silent",
        unit="Å",
        flag="--pixel-size",
        gt=0,
        group="Input",
    )
    project_dir: Path | None = option(
        None,
        "folder to which the file names inside a table are relative",
        flag="--project-dir",
        kind="folder",
        advanced=True,
        group="Input",
    )
    threads: int = option(0, "threads (0: all cores)", flag="--threads", ge=0, le=1024, advanced=True, group="Run")
    seed: int = option(
        0, "seed of everything random; same seed, same result", flag="--seed", ge=0, advanced=True, group="Run"
    )
    report: Literal["both", "png", "pdf", "none"] = option("both", "figures to make", flag="--report", group="Run")

    def resolved(self) -> dict[str, Any]:
        """Return the parameters as job.json keeps them: defaults resolved, files named from wherever one looks."""
        told = self.model_dump(mode="json")
        for name in told:
            value = getattr(self, name)
            if isinstance(value, Path):
                told[name] = _in_full(value)
            elif isinstance(value, list) and all(isinstance(v, Path) for v in value):
                told[name] = [_in_full(v) for v in value]
        return told

    def input_paths(self) -> list[Path]:
        """Return the files among the parameters that are data of the job, in order."""
        found: list[Path] = []
        for name in type(self).model_fields:
            if field_meta(type(self), name).kind in ("input", "inputs", "file"):
                value = getattr(self, name)
                values = value if isinstance(value, (list, tuple)) else [value]
                found += [Path(v) for v in values if v is not None and not str(v).startswith("phantom:")]
        return found


def _in_full(path: Path) -> str:
    """Return an absolute path; the name of a phantom as it is."""
    return str(path) if str(path).startswith("phantom:") else str(path.expanduser().absolute())


def field_names(model: type[BaseModel]) -> list[str]:
    """Return the fields of a model as help and forms list them: a job's own first, those that all jobs share last."""
    shared = set(JobParams.model_fields)
    return sorted(model.model_fields, key=lambda name: name in shared)


def field_meta(model: type[BaseModel], name: str) -> FieldMeta:
    """Return the :class:`FieldMeta` of a field; the flag defaults to ``--name-with-dashes``."""
    stored = model.model_fields[name].json_schema_extra
    extra: dict[str, Any] = dict(stored) if isinstance(stored, dict) else {}
    flag = extra.get("flag")
    extra["flag"] = "--" + name.replace("_", "-") if flag is None else flag
    return FieldMeta(**extra)


def choices(model: type[BaseModel], name: str) -> tuple[str, ...]:
    """Return the values that a field may have when it is one of a few words, otherwise nothing."""
    annotation: Any = model.model_fields[name].annotation
    options = (annotation, *get_args(annotation))
    return next((tuple(map(str, get_args(a))) for a in options if getattr(a, "__origin__", None) is Literal), ())


def repeatable(model: type[BaseModel], name: str) -> bool:
    """Return whether an option may be given several times."""
    return getattr(model.model_fields[name].annotation, "__origin__", None) is list


def as_words(model: type[BaseModel], name: str, value: Any) -> list[str]:
    """Return a value as it is typed on the command line: one word, or one for each repetition; none for None."""
    if value is None:
        return []
    if repeatable(model, name):
        return [_word(item, field_meta(model, name).separator) for item in value]
    return [_word(value, field_meta(model, name).separator)]


def _word(value: Any, separator: str) -> str:
    if isinstance(value, (list, tuple)):
        return separator.join(_word(item, separator) for item in value)
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)


def command_line(job: str, params: JobParams, out: str | Path, overwrite: bool = False) -> str:
    """Return the command that runs this job from a shell: what differs from the defaults, ready to be pasted."""
    model = type(params)
    inputs: list[str] = []
    options: list[str] = []
    for name, info in model.model_fields.items():
        value, flag = getattr(params, name), field_meta(model, name).flag
        if not flag:
            inputs += as_words(model, name, value)
        elif value != info.get_default(call_default_factory=True, validated_data={}):
            if isinstance(value, bool):
                options.append(flag if value else flag.replace("--", "--no-", 1))
                continue
            for word in as_words(model, name, value):
                options += [flag, word]
    end = ["--overwrite"] if overwrite else []
    return shlex.join(["emviewer", job, *inputs, *options, "--out", str(out), *end])


def validated(model: type[P], values: dict[str, Any]) -> P:
    """Validate values; a mistake becomes one :class:`ParameterError` sentence naming option, value and bound."""
    try:
        return model.model_validate(values)
    except ValidationError as err:
        first: dict[str, Any] = dict(err.errors(include_url=False)[0])
    name = str(first["loc"][0]) if first["loc"] else ""
    problem = _problem(first)
    if name not in model.model_fields:
        where = f"option {name!r}" if name else ""
        raise ParameterError(problem, where, "leave it out" if first["type"] == "extra_forbidden" else "")
    meta = field_meta(model, name)
    label = meta.flag or name.upper()
    if first["type"] == "missing":
        raise ParameterError(f"{label} is missing", "", f"give the {model.model_fields[name].description}")
    given = as_words(model, name, values.get(name))
    what = f"{label} {' '.join(given)} {problem}" if given else f"{label} {problem}"
    raise ParameterError(what, model.model_fields[name].description or "", _how_to_write(model, name))


def problems(model: type[BaseModel], values: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with each value, as the end of a clause (``must be more than 0``); "" for the whole set."""
    try:
        model.model_validate(values)
    except ValidationError as err:
        found: dict[str, str] = {}
        for each in err.errors(include_url=False):
            found.setdefault(str(each["loc"][0]) if each["loc"] else "", _problem(dict(each)))
        return found
    return {}


def _how_to_write(model: type[BaseModel], name: str) -> str:
    meta, words = field_meta(model, name), choices(model, name)
    if words:
        return "choose one of them"
    if meta.metavar:
        return f"write {meta.metavar}" + (f" in {meta.unit}" if meta.unit else "")
    return f"give a number in {meta.unit}" if meta.unit else "give another value"


_PROBLEMS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than": lambda c: f"must be more than {c['gt']:g}",
    "greater_than_equal": lambda c: f"must be at least {c['ge']:g}",
    "less_than": lambda c: f"must be less than {c['lt']:g}",
    "less_than_equal": lambda c: f"must be at most {c['le']:g}",
    "literal_error": lambda c: f"must be one of {c['expected'].replace(chr(39), '')}",
    "float_parsing": lambda c: "is not a number",
    "float_type": lambda c: "is not a number",
    "int_parsing": lambda c: "is not a whole number",
    "int_from_float": lambda c: "is not a whole number",
    "int_type": lambda c: "is not a whole number",
    "finite_number": lambda c: "is not a finite number",
    "extra_forbidden": lambda c: "there is no such parameter",
}


def _problem(error: dict[str, Any]) -> str:
    """Say what is wrong with a value, as the end of a clause that begins with the option and its value."""
    say = _PROBLEMS.get(error["type"])
    if say is not None:
        return say(error.get("ctx", {}))
    message = str(error["msg"]).removeprefix("Value error, ")
    return message if error["type"] == "value_error" else f"is refused: {message}"
