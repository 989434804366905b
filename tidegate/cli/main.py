"""The `tidegate` command: its subcommands, and what a failure prints and ends with."""

import signal
import sys
from collections.abc import Sequence

import click

from tidegate.cli.definitions.doctor import doctor
from tidegate.cli.definitions.local import cloud, demo
from tidegate.cli.definitions.offline import check, predict
from tidegate.cli.definitions.operating import COMMANDS as OPERATING
from tidegate.cli.definitions.runs import COMMANDS as RUNS
from tidegate.cli.definitions.stack import deploy, destroy, image, push
from worker.errors import SettingsError, TidegateError

FAILED, USAGE, CREDENTIALS = 1, 2, 4  # exit statuses


def _print_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if not asked or context.resilient_parsing:
        return
    from tidegate.version import version_text  # noqa: PLC0415 - it may call git

    click.echo(version_text())
    context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and the commit, and exit.",
)
def cli() -> None:
    """Batch predictions on AWS that cost nothing while idle."""


COMMANDS = (check, predict, cloud, demo, deploy, push, image, destroy, doctor)
for command in (*COMMANDS, *OPERATING, *RUNS):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status, or 128 + the signal's number after a signal."""
    try:
        status = cli.main(arguments, prog_name="tidegate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("\nstopped", file=sys.stderr)
        return 128 + signal.SIGINT
    except Exception as error:
        cause = _readable(_first_cause(error))
        if cause is None:
            raise
        print(f"tidegate: {cause}", file=sys.stderr)
        return _status(cause)
    return int(status or 0)


def _readable(error: BaseException) -> TidegateError | None:
    """Return the error as one for people; None for an error that is a fault of this program."""
    if isinstance(error, TidegateError):
        return error
    from tidegate.aws.errors import explained  # noqa: PLC0415 - botocore is slow to import

    return explained(error) if isinstance(error, Exception) else None


def _status(error: TidegateError) -> int:
    from tidegate.aws.errors import CredentialsError  # noqa: PLC0415 - as above

    if isinstance(error, CredentialsError):
        return CREDENTIALS
    return USAGE if isinstance(error, SettingsError) else FAILED


def _first_cause(error: BaseException) -> BaseException:
    """Return the first error inside the exception groups that task groups raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
