"""`gtahead schema`."""

from __future__ import annotations

import click

from gtahead import schemas
from gtahead.cli.common import echo
from gtahead.errors import UsageError
from gtahead.storage import json_bytes


@click.group("schema", no_args_is_help=True)
def command() -> None:
    """List or print the JSON Schemas of gtahead's files, draft 2020-12."""


@command.command("list")
def list_() -> None:
    """List the schemas, and what each describes."""
    for name in schemas.names():
        echo(f"{name.ljust(18)}  {schemas.load(name)['title']}")


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the schema NAME as JSON."""
    if name not in schemas.names():
        raise UsageError(
            "no such schema", value=name, remedy=f"one of {', '.join(schemas.names())}"
        )
    click.echo(json_bytes(schemas.load(name)).decode().rstrip())
