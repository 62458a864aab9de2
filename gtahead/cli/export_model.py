"""`gtahead export-model`."""

from __future__ import annotations

from pathlib import Path

import click

from gtahead import storage
from gtahead.cli.common import echo, for_people, output_options


@click.command("export-model")
@click.argument("checkpoint")
@click.option("--onnx", "out", default="model.onnx", show_default=True, help="Output file.")
@output_options
def command(checkpoint: str, out: str) -> int:
    """Write CHECKPOINT, the model.pt of a centernet or fcos run, as ONNX for images of any size.

    Needs the extra: pip install 'gtahead[onnx]'. The file is run in onnxruntime on the CPU at
    three sizes and refused where it differs from torch by more than 1e-4.
    """
    from gtahead.training.wanted import check_checkpoint

    check_checkpoint(checkpoint)
    storage.prepare_file(Path(out), "the model", [checkpoint])
    from gtahead.training import export_model

    report = export_model(checkpoint, out)
    if for_people(
        {
            "out": str(report.out),
            "stride": report.stride,
            "threshold": report.threshold,
            "difference": report.difference,
        }
    ):
        echo(f"{report.out}: images with sides in multiples of 32, stride {report.stride}")
        echo(f"  differs from torch by {report.difference:.1e} at most, over three sizes")
    return 0
