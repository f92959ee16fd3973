"""``emviewer figure SPEC.json --out FILE``: make a figure again from what was saved beside it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("figure", context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("spec", metavar="SPEC.json")
@click.option("--out", required=True, metavar="FILE.(png|svg|pdf|tiff)", help="the figure to write")
def command(spec: str, out: str) -> int:
    """Make a figure again from the spec that was saved beside it."""
    from emviewer.engine.cli.say import quieten_libraries, say

    quieten_libraries()
    from emviewer.engine import figure
    from emviewer.engine.jobs.folder import as_output_error

    target = Path(out)
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        figure.render_file(spec, target)
    except OSError as err:
        raise as_output_error(err, target) from err
    say(f"figure in {target.absolute()}")
    return 0
