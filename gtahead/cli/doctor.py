"""`gtahead doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gtahead.cli.common import echo, for_people, output_options
from gtahead.errors import as_size

if TYPE_CHECKING:
    from gtahead.diagnostics import Checkup


@click.command("doctor")
@click.option("--no-run", is_flag=True, help="Only look; run nothing.")
@output_options
def command(*, no_run: bool) -> int:
    """Check what is installed, what is missing and how to get it, and whether gtahead works.

    Versions, decoders, extras, memory and disk; then a tiny dataset is simulated, built, exported,
    checked and scored, in a few seconds, in a temporary folder.

    Exit 0: the core works. 4: it doesn't, and why.
    """
    from gtahead.diagnostics import doctor

    found = doctor(run=not no_run)
    if for_people(found.as_dict()):
        _print(found)
    return found.exit_code


def _print(found: Checkup) -> None:
    from gtahead.diagnostics import EXTRAS

    about = found.about
    memory = "" if about["memory"] is None else f", {as_size(about['memory'])} of memory"
    echo(f"gtahead {about['gtahead']}, Python {about['python']}, {about['system']}")
    echo(f"  {about['cores']} workers by default{memory}")
    for path, room in about["free"].items():
        echo(f"  {as_size(room)} free in {path}")
    named = ", ".join(f"{name} {version or 'MISSING'}" for name, version in found.libraries.items())
    echo(f"  libraries: {named}")
    works = ", ".join(name for name, fine in found.decoders.items() if fine)
    echo(f"  images and films: {works or 'none'}")
    for extra, (_, needs) in EXTRAS.items():
        missing = found.extras.get(extra)
        message = (
            f"missing {', '.join(missing)}: pip install 'gtahead[{extra}]'" if missing else "there"
        )
        echo(f"  extra {extra} ({needs}): {message}")
    if found.steps:
        steps = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found.steps.items())
        echo(f"  tried: {steps}")
    for line in found.advice:
        echo(f"  advice: {line}")
    for line in found.problems:
        echo(f"problem: {line}", err=True)
    echo("gtahead doesn't work here" if found.problems else "gtahead works here")
