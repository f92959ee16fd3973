"""Parameters of jobs: one validated definition that the command line, the forms, job.json and sessions share.

Adding an option to a job is one line here::

    class GalleryParams(JobParams):
        step_deg: float = option(15.0, "angle between neighbouring views", unit="°", gt=0, le=90, flag="--step")

Each field carries, in ``field_meta(model, name)``, what a form and a command line need: flag, unit, help, kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

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
        ``file`` an auxiliary file, ``folder``, ``text``, or empty.
    advanced : bool
        Folded away in forms.
    group : str
        Heading under which forms show it.
    """

    flag: str
    unit: str = ""
    kind: Kind = ""
    advanced: bool = False
    group: str = ""


def option(
    default: Any = ...,
    help: str = "",
    *,
    unit: str = "",
    flag: str | None = None,
    kind: Kind = "",
    advanced: bool = False,
    group: str = "",
    **bounds: Any,
) -> Any:
    """Declare one parameter; ``bounds`` are pydantic's (ge, gt, le, lt, min_length, multiple_of …)."""
    extra: dict[str, Any] = {"flag": flag, "unit": unit, "kind": kind, "advanced": advanced, "group": group}
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class JobParams(BaseModel):
    """Base of all jobs' parameters: frozen, no unknown names, every job has threads and seed."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=False, validate_default=True)

    pixel_size: float | None = option(
        None,
        "pixel size of an input whose header is wrong or silent",
        unit="Å",
        flag="--pixel-size",
        gt=0,
        group="Input",
    )
    threads: int = option(0, "threads (0: all cores)", flag="--threads", ge=0, le=1024, advanced=True, group="Run")
    seed: int = option(
        0, "seed of everything random; same seed, same result", flag="--seed", ge=0, advanced=True, group="Run"
    )
    report: Literal["both", "png", "pdf", "none"] = option("both", "figures to make", flag="--report", group="Run")

    def input_paths(self) -> list[Path]:
        """Return the files among the parameters that are data of the job, in order."""
        found: list[Path] = []
        for name in type(self).model_fields:
            if field_meta(type(self), name).kind in ("input", "inputs", "file"):
                value = getattr(self, name)
                values = value if isinstance(value, (list, tuple)) else [value]
                found += [Path(v) for v in values if v is not None and not str(v).startswith("phantom:")]
        return found


def field_meta(model: type[BaseModel], name: str) -> FieldMeta:
    """Return the :class:`FieldMeta` of a field; the flag defaults to ``--name-with-dashes``."""
    stored = model.model_fields[name].json_schema_extra
    extra: dict[str, Any] = dict(stored) if isinstance(stored, dict) else {}
    flag = extra.get("flag")
    extra["flag"] = "--" + name.replace("_", "-") if flag is None else flag
    return FieldMeta(**extra)


def validated(model: type[P], values: dict[str, Any]) -> P:
    """Validate values; a mistake becomes one :class:`ParameterError` sentence naming option, value and bound."""
    try:
        return model.model_validate(values)
    except ValidationError as err:
        first = err.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if name in model.model_fields:
            meta = field_meta(model, name)
            label = meta.flag or name.upper()
            raise ParameterError(
                f"{label} {first.get('input')!r}: {first['msg']}", "", model.model_fields[name].description or ""
            ) from None
        raise ParameterError(first["msg"].removeprefix("Value error, "), name) from None
