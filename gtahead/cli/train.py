"""`gtahead train`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar
from gtahead.detectors import DETECTORS, all_losses
from gtahead.errors import DataWarning
from gtahead.values import number_of


@click.command("train")
@click.argument("dataset", default="./dataset")
@click.option(
    "--detector",
    type=click.Choice(list(DETECTORS)),
    help="All find heads, except density, which only counts.  [default: centernet]",
)
@click.option(
    "--loss",
    type=click.Choice(all_losses()),
    help="native is the detector's own, mfl is Mask Focal Loss, mfl-paper its likeliest form in "
    "the paper; the others are for comparison.  [default: native]",
)
@click.option(
    "--preset",
    type=click.Choice(["tiny", "base"]),
    default="base",
    show_default=True,
    help="tiny: about a minute on two cores.",
)
@click.option("--config", "file", metavar="FILE.toml", help="Settings, as --print-config prints.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting.")
@click.option("--epochs", type=int, metavar="N", help="Passes over the training images.")
@click.option("--batch", type=int, metavar="N", help="Crops per step.")
@click.option("--learning-rate", type=float, metavar="R", help="Peak learning rate.")
@click.option("--weights", metavar="FILE", help="Backbone weights: a file, none or download.")
@click.option(
    "--init", metavar="FILE", help="Weights to begin with: model.pt of another run, or builtin."
)
@click.option("--seed", type=int, metavar="N", help="Seed of weights, order and augmentation.")
@click.option("--workers", type=int, metavar="N", help="Processes that load images.  [default: 0]")
@click.option("--devices", type=int, metavar="N", help="Number of devices.  [default: 1]")
@click.option("-o", "--out", metavar="DIR", help="Output folder.  [default: ./runs/DETECTOR-LOSS]")
@click.option("--resume", is_flag=True, help="Go on with the run at --out; fail if there is none.")
@click.option("--stop-after", type=click.IntRange(1), metavar="N", help="Stop after N more epochs.")
@click.option("--print-config", is_flag=True, help="Print all settings as TOML, and exit.")
@output_options
def command(
    dataset: str,
    preset: str,
    file: str | None,
    settings: tuple[str, ...],
    out: str | None,
    init: str | None,
    stop_after: int | None,
    *,
    resume: bool,
    print_config: bool,
    **options: Any,
) -> int:
    """Train a head detector on DATASET.  [default: ./dataset]

    Needs the extra: pip install 'gtahead[train]'. Learns from the train split, chooses epoch and
    threshold on the validation split (a tenth of train where there is none), and never looks at the
    test split. The run's folder gets model.pt for `gtahead predict`, metrics.csv,
    losses.csv and run.json. The same command goes on with an interrupted run; the result is the
    same as without the interruption.
    """  # noqa: D415
    from gtahead.training import make_config
    from gtahead.training.wanted import check_training

    chosen = {name: value for name, value in options.items() if value is not None}
    config = make_config(preset, file, **_parsed(settings) | chosen)
    if print_config:
        click.echo(config.as_toml(), nl=False)
        return 0
    # Before torch is imported, which takes seconds.
    check_training(dataset, config, init, out, resume=resume)
    from gtahead.training.fitting import is_emulated, train
    from gtahead.training.module import is_helper

    if is_emulated(config.precision) and not is_helper():
        message = f"this processor emulates {config.precision}: 32-true is many times faster"
        echo(f"warning: {message} (--set precision=32-true)", err=True)
    with _warnings_as_lines(), progress_bar("training", shown=not is_helper()) as show:
        report = train(
            dataset,
            out,
            config=config,
            init=init,
            resume=resume,
            stop_after=stop_after,
            on_progress=show,
        )
    if is_helper():
        return 0
    record = report.record
    if for_people({"out": str(report.out), "finished": report.finished, **record}):
        data, heads, best = record["data"], record["heads"], record["best"]
        state = "trained" if report.finished else "stopped on request; the same command goes on"
        echo(f"{report.out}: {state}, {record['epochs_done']} epochs")
        names = data["validation_carved_from_train"]
        carved = ", ".join(names[:4]) + f", … ({len(names):,} in all)" * (len(names) > 4)
        where = f"carved out of train: {carved}" if carved else "the dataset's own part"
        echo(
            f"  {number_of(data['train_frames'], 'frame')} with "
            f"{number_of(heads['count'], 'head')} to learn from; "
            f"validated on {data['validation_frames']:,} ({where})"
        )
        if left := record.get("init", {}).get("not_in_it"):
            some = ", ".join(left[:3]) + ", …" * (len(left) > 3)
            echo(f"  {number_of(len(left), 'weight')} not in {init}, from scratch: {some}")
        echo(
            f"  heads under two cells, for which mfl equals the native loss: "
            f"{100 * heads['under_two_cells']:.0f} %"
        )
        shown = ", ".join(
            f"{title} {best[name]:.3f}"
            for name, title in (("ap50", "AP50"), ("f1_large", "F1"), ("mae", "MAE"))
            if best.get(name) is not None
        )
        echo(f"  best epoch {best['epoch'] + 1}, on validation: {shown}")
        echo(f"  next: gtahead predict {report.model} --data {dataset}")
    return 0


@contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print warnings about the data as lines of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", DataWarning)
        before = warnings.showwarning

        def show(message: Warning | str, *rest: Any) -> None:
            if isinstance(message, DataWarning):
                echo(f"warning: {message}", err=True)
            else:
                before(message, *rest)

        warnings.showwarning = show  # type: ignore[assignment]
        yield


def _parsed(settings: tuple[str, ...]) -> dict[str, object]:
    """Read NAME=VALUE, the value as TOML has it, a bare word as text."""
    import tomllib

    values: dict[str, object] = {}
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise click.UsageError(f"--set takes NAME=VALUE, not {setting!r}")
        if name.strip() in ("preset", "file"):
            raise click.UsageError("--set takes a setting: --preset and --config are options")
        try:
            values[name.strip()] = tomllib.loads(f"value = {value}")["value"]
        except (ValueError, RecursionError):
            values[name.strip()] = value
    return values
