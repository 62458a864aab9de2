"""What the working commands share: their options, progress, and how results are printed."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gtahead.errors import printable
from gtahead.urls import with_urls

if TYPE_CHECKING:
    from gtahead.arrays import Progress
    from gtahead.building import DerivedReport
    from gtahead.findings import Findings

Command = TypeVar("Command", bound=Callable[..., Any])


def echo(text: str, *, err: bool = False) -> None:
    """Print lines for people.

    Names in them come from data, and must not command the terminal; what was mirrored is named by
    its URL.
    """
    for line in with_urls(text).split("\n"):
        print_line(printable(line), err=err)


def print_line(line: str, *, err: bool = False) -> None:
    """Print a line that is safe; on a terminal it's broken between words where it is too long."""
    stream = sys.stderr if err else sys.stdout
    width = shutil.get_terminal_size().columns
    if len(click.unstyle(line)) <= width or not stream.isatty():
        click.echo(line, err=err)
        return
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    part = ""
    for word in re.findall(r"\s*\S+", line):
        if part.strip() and len(click.unstyle(part + word)) > width:
            click.echo(part, err=err)
            part = indent + word.lstrip()
        else:
            part += word
    click.echo(part, err=err)


def _remember(context: click.Context, option: click.Parameter, value: object) -> None:
    """Keep a flag for `is_quiet` and `for_people`, so that no command hands it on."""
    context.meta[f"gtahead.{option.name}"] = value


def _flag(*names: str, help: str) -> Callable[[Command], Command]:
    return click.option(*names, is_flag=True, expose_value=False, callback=_remember, help=help)


def json_options(command: Command) -> Command:
    """Add the options of a command that prints nothing but its result."""
    command = _flag("--json", "as_json", help="Print one JSON object on stdout.")(command)
    return _flag("--debug", help="Show tracebacks.")(command)


def output_options(command: Command) -> Command:
    """Add the options that say what a command prints."""
    return _flag("-q", "--quiet", help="No progress, no summary.")(json_options(command))


def table_option(command: Command) -> Command:
    """Add the option that prints scores as a table for papers or spreadsheets."""
    option = click.option(
        "-f",
        "--format",
        "form",
        type=click.Choice(["markdown", "latex", "csv"]),
        help="Print a row per method, the best metric in bold with its interval.",
    )
    return option(command)


def scheduler_option(command: Command) -> Command:
    """Add the option that hands a command's work to a cluster."""
    option = click.option(
        "--scheduler", metavar="URL", help="Dask scheduler, such as tcp://host:8786."
    )
    return option(command)


class SplitName(click.Choice):  # type: ignore[type-arg]
    """A split; `val` and `valid` are `validation`."""

    def __init__(self) -> None:
        super().__init__(["train", "validation", "test"])

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Return the split's own name."""
        return super().convert("validation" if value in ("val", "valid") else value, param, ctx)


def label_options(command: Command) -> Command:
    """Add the options that say how other people's labels are taken."""
    head_class = click.option(
        "--class",
        "head_class",
        metavar="NAME",
        help="Name or number of the class of heads, where labels have several.",
    )
    orientation = click.option(
        "--labels-orientation",
        metavar="HOW",
        type=click.Choice(["upright", "stored"]),
        help="Where an image has an orientation tag, labels are of the upright image, or of the "
        "stored one.  [default: as is usual in the format]",
    )
    return head_class(orientation(command))


def split_options(default: str) -> Callable[[Command], Command]:
    """Add the options that say how to split; `default` is what happens without them."""

    def add(command: Command) -> Command:
        how = click.option(
            "--split",
            metavar="HOW",
            help="given, designed, shares as 70:10:20, or a file of names and splits.  "
            f"[default: {default}]",
        )
        unit = click.option(
            "--split-by",
            metavar="UNIT",
            type=click.Choice(["sequence", "image"]),
            help="What is in one split as a whole.  [default: image for photographs, else "
            "sequence]",
        )
        return how(unit(command))

    return add


def derived_options(command: Command) -> Command:
    """Add the options of a command that makes a dataset of datasets."""
    options = (
        click.option("-o", "--out", metavar="DIR", required=True, help="The new dataset's folder."),
        split_options("as they are"),
        click.option(
            "--images",
            type=click.Choice(["link", "copy", "none"]),
            default="link",
            show_default=True,
            help="Hard-link images (copy where that can't be), copy them, or leave them out.",
        ),
        click.option("--overwrite", is_flag=True, help="Replace a dataset at --out."),
        output_options,
    )
    for option in reversed(options):
        command = option(command)
    return command


def working_options(command: Command) -> Command:
    """Add the options of a command that works through many sequences."""
    option = click.option(
        "--workers",
        type=click.IntRange(1, 1024),
        metavar="N",
        help="Worker processes.  [default: one per core, up to 4]",
    )
    return option(scheduler_option(output_options(command)))


def as_json() -> bool:
    """Return whether the command is to print JSON."""
    return bool(click.get_current_context().meta.get("gtahead.as_json"))


def is_quiet() -> bool:
    """Return whether the command is to print no summary for people."""
    return as_json() or bool(click.get_current_context().meta.get("gtahead.quiet"))


def for_people(document: Mapping[str, Any]) -> bool:
    """Print a result as JSON where that is asked for; return whether people want a summary."""
    if as_json():
        print_json(document)
    return not is_quiet()


@contextmanager
def progress_bar(title: str, *, shown: bool = True) -> Iterator[Progress | None]:
    """Show a bar on stderr, where that is a terminal and nobody asked for quiet."""
    if is_quiet() or not shown or not sys.stderr.isatty():
        yield None
        return
    from rich import progress
    from rich.console import Console

    columns = [progress.TextColumn("{task.description}"), progress.BarColumn()]
    columns += [progress.MofNCompleteColumn(), progress.TimeRemainingColumn()]
    bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(title, total=None)

    def show(done: int, total: int, name: str) -> None:
        del name
        bar.start()  # not before: what is wrong with the arguments is said without a bar
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()


def print_json(document: Mapping[str, Any]) -> None:
    """Print one JSON object on stdout."""
    from gtahead.storage import json_bytes

    click.echo(json_bytes(document).decode(), nl=False)


def print_findings(findings: Findings, *, err: bool = True) -> None:
    """Print findings, on stderr unless they are what was asked for."""
    from gtahead.cli.styles import finding_lines

    for line in finding_lines(findings):
        print_line(line, err=err)


def short(digest: str) -> str:
    """Return enough of a fingerprint to know it by; JSON has all of it."""
    return digest[:12]


def table(rows: list[list[str]], *, indent: str = "  ") -> str:
    """Lay out rows of words: the first column aligned left, the others right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def derived_summary(report: DerivedReport) -> None:
    """Print what `filter` or `merge` has made."""
    print_findings(report.findings)
    echo(f"{report.out}: a dataset, origin {report.manifest['origin']}")
    echo(ledger_table(report.manifest["ledger"]))
    echo(splits_table(report.manifest["statistics"]))
    echo(f"  fingerprint {short(report.manifest['fingerprint'])}")


def ledger_table(ledger: Mapping[str, Any]) -> str:
    """Lay out a ledger: in, dropped by reason, out."""
    rows = [["", "in", "dropped", "out"]]
    for unit in ("sequences", "frames", "heads"):
        flow = ledger[unit]
        dropped = sum(flow["dropped"].values())
        rows.append([unit, f"{flow['in']:,}", f"{dropped:,}", f"{flow['out']:,}"])
        for reason, count in flow["dropped"].items():
            rows.append([f"  {reason}", "", f"{count:,}", ""])
    return table(rows)


def splits_table(statistics: Mapping[str, Any]) -> str:
    """Lay out the splits."""
    rows = [["split", "sequences", "frames", "counted heads"]]
    rows += [
        [name, *(f"{row[key]:,}" for key in ("sequences", "frames", "heads"))]
        for name, row in statistics["splits"].items()
    ]
    return table(rows)
