"""`gtahead diff`."""

from __future__ import annotations

import click

from gtahead.cli.common import echo, for_people, output_options


@click.command("diff")
@click.argument("old")
@click.argument("new")
@output_options
def command(old: str, new: str) -> int:
    """List what changed from OLD to NEW, datasets or releases, and propose NEW's version.

    Major: something was removed or changed. Minor: frames or images were added. Patch:
    the same data.

    Exit 0: the same data. 1: it differs, or one of them isn't a dataset.
    """
    from gtahead.publishing.differences import diff

    found = diff(old, new)
    if for_people(found.as_dict()):
        echo(found.changes)
        for kind, names in found.examples.items():
            if names:
                more = "" if len(names) == found.counts[kind] else ", …"
                echo(f"  {kind}: {', '.join(names)}{more}")
        message = (
            f"{found.old_version} -> {found.next_version}" if found.next_version else "unknown"
        )
        echo(f"{found.level}; version: {message}")
    return 1 if found.level != "patch" else 0
