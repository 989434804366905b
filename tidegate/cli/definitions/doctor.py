"""The command `doctor`."""

# ruff: noqa: PLC0415 - `--help` must not wait for botocore and the like
import click

from tidegate.cli.definitions.options import JSON, SHOW_COMMANDS, STACK


@click.command(short_help="look at every part of a stack, and say what is wrong and what to do")
@click.argument("name", metavar="[STACK]", required=False)
@STACK
@JSON
@SHOW_COMMANDS
def doctor(*, name: str | None, stack: str | None, as_json: bool, show_commands: bool) -> int:
    """Look at every part of STACK: each line is ok, or says what is wrong and the next step.

    Nothing is changed. The commands under a line can be pasted. A line is `unknown` if AWS did not
    answer: that says nothing about the part.

    Exit status: 0 if nothing is broken, 1 if something is, 4 if AWS does not know you.
    """
    from tidegate.cli.doctor import doctor as run

    return run(name or stack, as_json=as_json, show_commands=show_commands)
