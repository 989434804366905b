"""The commands on the local cloud: `demo` and `cloud`."""

# ruff: noqa: PLC0415 - `--help` must not wait for pandas, botocore and the like
from collections.abc import Sequence
from pathlib import Path

import click

from tidegate.cli.definitions.options import PREDICTOR, REQUIREMENTS, SET
from tidegate.cli.signals import run_until_signal

DEMO_OUTPUT = Path("demo-output")


@click.command(short_help="run the whole system on a local cloud with real files")
def demo() -> int:
    """Run the whole system on a local cloud with real files, and check every prediction.

    A dozen files (CSV, gzip, Parquet; one of them broken, one delivered twice) go through the real
    template, dispatcher and worker. Outputs, failure report and logs stay in ./demo-output, which
    each run replaces. It takes about half a minute and leaves nothing running.

    Exit status: 0 if every check passed, 1 if one failed, 130 after Ctrl-C.
    """
    from tidegate.localcloud.cloud import require_checkout

    require_checkout()
    from tidegate.cli.demo.run import demo as run

    return run_until_signal(run(DEMO_OUTPUT))


@click.command(short_help="start a local cloud with the system and your model, until Ctrl-C")
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your model; without it, one of iris flowers is trained.",
)
@PREDICTOR
@SET
@REQUIREMENTS
@click.option(
    "--files",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder whose files go into the input bucket, also those that come or change later.",
)
@click.option(
    "--notices", is_flag=True, help="Send events and notices, and show the notices as they come."
)
def cloud(
    *,
    model: Path | None,
    predictor: str | None,
    assignments: Sequence[str],
    requirements: Path | None,
    files: Path | None,
    notices: bool,
) -> int:
    """Start a local cloud with the system deployed on it, and keep it running until Ctrl-C.

    Prints the variables to export so that the AWS CLI and boto3 in another terminal use this cloud.
    Each file that lands in the input bucket is shown, with its output or the reason why there is
    none. Ctrl-C removes everything, outputs too.
    """
    from tidegate.localcloud.cloud import require_checkout

    require_checkout()
    from tidegate.cli.cloud import cloud as run

    return run_until_signal(
        run(
            model,
            predictor=predictor,
            assignments=assignments,
            requirements=requirements,
            files=files,
            has_notices=notices,
        )
    )
