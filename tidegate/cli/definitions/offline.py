"""The commands that need no cloud: `check` and `predict`."""

# ruff: noqa: PLC0415 - `--help` must not wait for pandas, botocore and the like
from collections.abc import Sequence
from pathlib import Path

import click

from tidegate.cli.definitions.options import JSON, MODEL, PREDICTOR, SET


@click.command(short_help="say whether a model takes your files, and what a worker would do")
@MODEL
@click.argument("files", metavar="[FILE]...", nargs=-1)
@PREDICTOR
@SET
@click.option(
    "--baseline",
    is_flag=True,
    help="Write MODEL.baseline.json: how the predictions for the FILEs are distributed. "
    "`tidegate deploy` takes it along, and `tidegate report` compares runs with it.",
)
@JSON
def check(
    *,
    model: Path,
    files: Sequence[str],
    predictor: str | None,
    assignments: Sequence[str],
    baseline: bool,
    as_json: bool,
) -> int:
    """Load MODEL as a worker does, and try it on each FILE. Only --baseline writes something.

    Prints what the model is, the columns that it reads, and what comes out; for each file its
    format, the bad rows with line and reason, the first predictions, and the speed; and the size of
    the task that a worker with this model needs.

    Exit status: 0 if every row can be predicted, 1 if the model or a file cannot, 3 if some rows
    of a file are bad.
    """
    from tidegate.offline.inputs import find_files
    from tidegate.offline.worker_settings import read_settings

    settings = read_settings(model, predictor, assignments)
    found = find_files(files) if files else []
    from tidegate.cli.check import check as run

    return run(settings, found, as_json=as_json, baseline=baseline)


@click.command(short_help="predict files on this machine, with the bytes that a worker writes")
@MODEL
@click.argument("sources", metavar="IN... [OUT]", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The same as OUT, for scripts: whatever exists, all arguments are then inputs.",
)
@PREDICTOR
@SET
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON, for programs.")
def predict(
    *,
    model: Path,
    sources: Sequence[str],
    output: Path | None,
    predictor: str | None,
    assignments: Sequence[str],
    as_json: bool,
) -> int:
    """Predict the files IN by MODEL, as a worker does, and write the same bytes.

    IN is a file, a folder or a glob. An output has its input's name, format and compression.
    Rejected rows go beside it, to NAME.rejected.csv. A file that fails says why, and the others go
    on.

    OUT is a folder, or a file if IN is one file. Without it the predictions of one file go to
    standard output, and those of several files to the folder `predictions`. A file that exists is
    always an input.

    Exit status: 0 if every row was predicted, 1 if nothing was, 3 if some files or rows were not.
    """
    from tidegate.offline.inputs import find_files, split_output
    from tidegate.offline.worker_settings import read_settings

    settings = read_settings(model, predictor, assignments)
    named, output = split_output(sources, output)
    found = find_files(named)
    from tidegate.cli.predict import predict as run

    return run(settings, found, output, as_json=as_json)
