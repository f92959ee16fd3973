"""A click command out of a parameter model: flags, choices, units, groups and defaults come from the fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from pydantic import BaseModel

from emviewer.engine.params import JobParams, as_words, choices, field_meta, field_names, repeatable

OUTPUT_GROUP = "Output"


class GroupedCommand(click.Command):
    """A command whose help lists the options under the headings of its parameters."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, one section a group, in the order in which groups first appear."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "group", "") or "Other", []).append(record)
        for heading, records in sections.items():
            with formatter.section(heading):
                formatter.write_dl(records)


class GroupedOption(click.Option):
    """An option that knows its heading."""

    def __init__(self, *args: Any, group: str = "", **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.group = group


class GroupedArgument(click.Argument):
    """A positional input that shows in the help like an option."""

    def __init__(self, *args: Any, group: str = "", help: str = "", **kw: Any) -> None:
        super().__init__(*args, **kw)
        self.group, self.about = group, help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        """Return the input's name and help."""
        return self.metavar or self.human_readable_name, self.about


def parameters_of(model: type[JobParams]) -> list[click.Parameter]:
    """Return the click parameters of a model, inputs first; values stay text for the model to validate."""
    made = [_parameter(model, name) for name in field_names(model)]
    return sorted(made, key=lambda p: isinstance(p, click.Option))


def job_command(name: str, help: str, model: type[JobParams], run: Callable[..., int]) -> GroupedCommand:
    """Return the command of a job; ``run(values, out, overwrite, quiet)`` gets the given values by field name."""

    def callback(out: str, overwrite: bool, quiet: bool, **given: Any) -> int:
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in given.items() if v is not None and v != ()}
        return run(values, out, overwrite, quiet)

    output = [
        GroupedOption(["--out"], required=True, metavar="DIR", help="folder for the result", group=OUTPUT_GROUP),
        GroupedOption(["--overwrite"], is_flag=True, help="replace an existing result", group=OUTPUT_GROUP),
        GroupedOption(["--quiet"], is_flag=True, help="no progress bar", group=OUTPUT_GROUP),
        GroupedOption(
            ["--help", "-h"],
            is_flag=True,
            expose_value=False,
            is_eager=True,
            callback=_show_help,
            help="show this and exit",
            group="Other",
        ),
    ]
    params = [*parameters_of(model), *output]
    return GroupedCommand(
        name,
        callback=callback,
        params=params,
        help=help,
        add_help_option=False,
        context_settings={"max_content_width": 110},
    )


def _show_help(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help())
        ctx.exit()


def _parameter(model: type[BaseModel], name: str) -> click.Parameter:
    info, meta = model.model_fields[name], field_meta(model, name)
    many = repeatable(model, name)
    if not meta.flag:
        return GroupedArgument(
            [name],
            nargs=-1 if many else 1,
            required=info.is_required(),
            metavar=f"{name.upper()}..." if many else name.upper(),
            help=info.description or "",
            group=meta.group,
        )
    if info.annotation is bool:
        no = meta.flag.replace("--", "--no-", 1)
        both = meta.flag if meta.flag.startswith("--no-") else f"{meta.flag}/{no}"
        return GroupedOption([both, name], is_flag=True, default=None, help=_help(model, name), group=meta.group)
    return GroupedOption(
        [meta.flag, name],
        multiple=many,
        default=None,
        metavar=_metavar(model, name),
        help=_help(model, name),
        group=meta.group,
    )


def _metavar(model: type[BaseModel], name: str) -> str:
    meta, words = field_meta(model, name), choices(model, name)
    if words:
        return "|".join(words)
    if meta.metavar:
        return meta.metavar
    if meta.kind in ("file", "folder"):
        return meta.kind.upper()
    return meta.unit.replace("°", "DEG").upper() or ("N" if _whole(model, name) else "X")


def _whole(model: type[BaseModel], name: str) -> bool:
    return "int" in str(model.model_fields[name].annotation)


def _help(model: type[BaseModel], name: str) -> str:
    info, meta = model.model_fields[name], field_meta(model, name)
    default = " ".join(as_words(model, name, info.default)) if not info.is_required() else ""
    default = {"True": "yes", "False": "no"}.get(default, default)
    unit = f" ({meta.unit})" if meta.unit else ""
    return f"{info.description}{unit}" + (f"  [{default}]" if default else "")
