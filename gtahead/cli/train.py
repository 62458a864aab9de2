"""`gtahead train`."""

from __future__ import annotations

from typing import Any

import click

from gtahead.cli.common import echo, for_people, output_options, progress_bar
from gtahead.detectors import DETECTORS, all_losses


@click.command("train")
@click.argument("dataset", default="./dataset")
@click.option(
    "--detector",
    type=click.Choice(list(DETECTORS)),
    help="All find heads, but for density: it only counts.  [default: centernet]",
)
@click.option(
    "--loss",
    type=click.Choice(all_losses()),
    help="Of heat or class: the detector's own, focal, Mask Focal Loss; the others are for "
    "comparisons.  [default: native]",
)
@click.option(
    "--preset",
    type=click.Choice(["tiny", "base"]),
    default="base",
    show_default=True,
    help="tiny: about a minute on two cores.",
)
@click.option("--config", "file", metavar="FILE.toml", help="Settings, as --print-config shows.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="One setting.")
@click.option("--epochs", type=int, metavar="N", help="Times through the images.")
@click.option("--batch", type=int, metavar="N", help="Crops a step.")
@click.option("--learning-rate", type=float, metavar="R", help="At its highest.")
@click.option("--weights", metavar="FILE", help="Of the backbone: a file, none or download.")
@click.option("--seed", type=int, metavar="N", help="Of weights, order and augmentation.")
@click.option("--workers", type=int, metavar="N", help="Processes that load images.  [default: 0]")
@click.option("--devices", type=int, metavar="N", help="How many.  [default: 1]")
@click.option("--out", metavar="DIR", help="The run.  [default: ./runs/DETECTOR-LOSS]")
@click.option("--resume", is_flag=True, help="Refuse to begin: go on with the run at --out.")
@click.option("--stop-after", type=click.IntRange(1), metavar="N", help="Epochs of this session.")
@click.option("--print-config", is_flag=True, help="Print all settings as TOML, and do no more.")
@output_options
def command(
    dataset: str,
    preset: str,
    file: str | None,
    settings: tuple[str, ...],
    out: str | None,
    stop_after: int | None,
    *,
    resume: bool,
    print_config: bool,
    **options: Any,
) -> int:
    """Train a head detector on DATASET, with Mask Focal Loss.  [default: ./dataset]

    Needs the extra: pip install 'gtahead[train]'. Learns from the train split, chooses epoch and
    threshold on the validation split (carved out of train by sequence where there is none), and
    never looks at the test split. The run's folder gets model.pt for `gtahead predict`, metrics.csv
    and run.json. The same command goes on with an interrupted run, which ends as one in a single
    go.
    """  # noqa: D415
    from gtahead.training import make_config, train
    from gtahead.training.fitting import is_emulated, is_helper

    chosen = {name: value for name, value in options.items() if value is not None}
    config = make_config(preset, file, **_parsed(settings) | chosen)
    if print_config:
        click.echo(config.as_toml(), nl=False)
        return 0
    if is_emulated(config.precision) and not is_helper():
        message = f"this processor emulates {config.precision}: 32-true is many times as fast"
        echo(f"warning: {message} (--set precision=32-true)", err=True)
    with progress_bar("training", shown=not is_helper()) as show:
        report = train(
            dataset, out, config=config, resume=resume, stop_after=stop_after, on_progress=show
        )
    if is_helper():
        return 0
    record = report.record
    if for_people({"out": str(report.out), "finished": report.finished, **record}):
        data, heads, best = record["data"], record["heads"], record["best"]
        state = "trained" if report.finished else "stopped on request; the same command goes on"
        echo(f"{report.out}: {state}, {record['epochs_done']} epochs")
        carved = ", ".join(data["validation_carved_from_train"])
        where = f"carved out of train: {carved}" if carved else "the dataset's own part"
        echo(
            f"  {data['train_frames']:,} frames with {heads['count']:,} heads to learn from; "
            f"validated on {data['validation_frames']:,} ({where})"
        )
        echo(
            f"  heads under two cells, for which mfl is the native loss: "
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
