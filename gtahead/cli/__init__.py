"""The command line: parse, call, print. Commands import heavy modules when they need them."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from importlib import import_module
from types import FrameType
from typing import Any

import click

from gtahead._version import __version__
from gtahead.errors import GtaheadError, ResourceError, as_size, masked
from gtahead.storage import system

GROUPS = {
    "Make": {
        "simulate": "Draw crowd scenes, as captures to work with.",
        "build": "Build a dataset from captures or other datasets.",
        "annotate": "Give a dataset other boxes or sigmas.",
        "filter": "Make a dataset of some frames of another.",
        "merge": "Put datasets together.",
        "pull": "Make a dataset from a published release.",
        "rebuild": "Combine published labels with your own frames.",
    },
    "Look": {
        "info": "Summarise a folder: a capture or a dataset.",
        "count": "Count the heads in photographs and films.",
        "view": "Draw frames with points, boxes, maps, ids, or what a method found.",
        "report": "Write a report on a dataset, as one HTML page.",
        "diff": "Show what changed between two datasets, and the next version.",
    },
    "Check": {
        "validate": "Check a capture, a dataset, an export or other people's labels.",
        "verify": "Verify checksums of a copy's files.",
        "schema": "List or print the JSON Schemas of gtahead's files.",
        "doctor": "Check what is here, what is missing, and whether gtahead works.",
    },
    "Score": {
        "benchmark": "Score predictions, with intervals; report all that is wrong in them.",
        "compare": "Compare results of the same data: differences, intervals, tests.",
        "leaderboard": "Rank results of one dataset, as a page.",
        "export-predictions": "Write predictions as COCO or NWPU-Crowd take them.",
    },
    "Train": {
        "train": "Train a head detector, with its own loss or Mask Focal Loss.",
        "predict": "Run inference with a trained detector.",
        "export-model": "Write a trained detector as ONNX.",
    },
    "Share": {
        "export": "Write a dataset in a format that other programs read.",
        "formats": "List the formats, and what each supports and drops.",
        "card": "Fill a release's card from its data.",
        "publish": "Stage, plan, check and push a release to the Hugging Face hub.",
    },
}
"""Commands and their one-line helps, in the groups of the help, which imports none of them."""

_COMMANDS = {name: words for group in GROUPS.values() for name, words in group.items()}

_BUG = 70

MIN_ADDRESS_SPACE = 1_000_000_000
"""Under a smaller limit, libraries die or spin while they are loaded, which nobody can catch."""


class _Terminated(BaseException):
    """SIGTERM was received."""


class Commands(click.Group):
    """A group that imports a command only when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the help."""
        del ctx
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module and return the command."""
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        limit = system.address_space()
        if limit is not None and limit < MIN_ADDRESS_SPACE:
            raise ResourceError(
                "too little address space: native libraries would hang in it",
                value=as_size(limit),
                remedy=f"raise the limit (ulimit -v) to {as_size(MIN_ADDRESS_SPACE)} or more",
            )
        command: click.Command = import_module(f"gtahead.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, by groups, without importing them."""
        del ctx
        longest = max(map(len, _COMMANDS))
        for title, commands in GROUPS.items():
            with formatter.section(title):
                # Names as wide as the longest of all groups, so that the columns stand in line.
                formatter.write_dl(
                    [(f"{name:<{longest}}", words) for name, words in commands.items()]
                )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; name the nearest one where there is none of that name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.UsageError(error.message + hint, ctx) from None


class _Formatter(click.HelpFormatter):
    """Help with bold headings, and commands and options in colour."""

    def write_heading(self, heading: str) -> None:
        """Write a section's heading."""
        self.write(f"{'':>{self.current_indent}}{click.style(f'{heading}:', bold=True)}\n")

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """Write how a command is called."""
        super().write_usage(prog, args, prefix or click.style("Usage: ", bold=True))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Write names and what they mean."""
        coloured = [(click.style(name, fg="cyan"), words) for name, words in rows]
        super().write_dl(coloured, col_max, col_spacing)


click.Context.formatter_class = _Formatter


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.version_option(__version__, prog_name="gtahead")
def main() -> None:
    """Make, check, score and share datasets for head detection and crowd counting.

    \b
    gtahead simulate --out ./captures     simulate captures to try it out
    gtahead build --raw ./captures        read, check, annotate, split, store
    gtahead info                          what is in ./dataset
    gtahead annotate --boxes perspective  give it other boxes or sigmas
    gtahead export --format coco          for programs that read COCO
    gtahead validate                      check everything in ./dataset
    gtahead publish stage --repo O/NAME   prepare a release for the hub
    """


def run() -> None:
    """Run the command line and end the process with gtahead's exit codes."""
    system.open_streams()
    system.forget_warning_options()
    signal.signal(signal.SIGTERM, _on_terminate)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    code = _exit_code(sys.argv[1:])
    # What is left is to leave: a second Ctrl-C would only print a traceback.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.exit(code)


def _on_terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise _Terminated


def _exit_code(arguments: list[str]) -> int:
    """Run the command line; turn everything that can happen into an exit code and a message."""
    debug = "--debug" in arguments
    if not {"-q", "--quiet"} & {*arguments} and any("://" in argument for argument in arguments):
        _report_transfers()
    try:
        colour = False if os.environ.get("NO_COLOR") else None
        result: Any = main(arguments, prog_name="gtahead", standalone_mode=False, color=colour)
        sys.stdout.flush()  # where it fails, this says so, not the interpreter at its end
    except GtaheadError as error:
        if debug:
            raise
        _complain(f"error: {error}")
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        _complain(_usage(error))
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _complain("interrupted: run the same command again")
        return 130
    except _Terminated:
        _complain("terminated: run the same command again")
        return 143
    except SystemExit:  # click leaves so where the reader of our output has gone, as `head` does
        return 0
    except MemoryError:
        if debug:
            raise
        _complain(_LITTLE_MEMORY)
        return 4
    except ImportError as error:
        if debug:
            raise
        # A library that doesn't fit into the memory that there is.
        if "failed to map segment" in str(error) or "allocate memory" in str(error):
            _complain(_LITTLE_MEMORY)
            return 4
        _complain(_bug(error))
        return _BUG
    except OSError as error:
        if debug:
            raise
        position = f"{error.filename}: " if error.filename else ""
        _complain(f"error: {position}{error.strerror or error}; fix it and run the command again")
        return 4
    except Exception as error:
        if debug:
            raise
        _complain(_bug(error))
        return _BUG
    return result if isinstance(result, int) else 0


_LITTLE_MEMORY = "error: too little memory; use fewer --workers, then run the same command again"


def _bug(error: Exception) -> str:
    return (
        f"error: a bug in gtahead {__version__} ({type(error).__name__}: {error}); "
        "please report it with the command and what `--debug` prints"
    )


def _usage(error: click.ClickException) -> str:
    """Return a usage error in the style of all others, and the command whose help to read."""
    text = error.format_message()
    text = text[:1].lower() + text[1:] if not text[:2].isupper() else text
    context = getattr(error, "ctx", None)
    if context is None:
        return f"error: {text}"
    end = " See" if text.endswith("?") else "; see"
    return f"error: {text.rstrip('.')}{end} `{context.command_path} --help`"


def _report_transfers() -> None:
    """Report on stderr what is fetched from URLs and sent there."""
    import logging

    handler = logging.StreamHandler()
    log = logging.getLogger("gtahead.urls")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)


def _complain(message: str) -> None:
    try:
        click.echo(masked(message), err=True)
    except OSError:
        return
