"""Options that several commands have."""

from pathlib import Path

import click

MODEL = click.argument("model", type=click.Path(path_type=Path))
PREDICTOR = click.option(
    "--predictor",
    metavar="MODULE:FACTORY",
    help="Make the predictor by code of your own: FACTORY(path) of MODULE.",
)
SET = click.option(
    "--set",
    "assignments",
    metavar="NAME=VALUE",
    multiple=True,
    help="A worker's setting, such as MAX_REJECTED=0.05; repeat for more. "
    "`python -m worker --help` lists them.",
)
REQUIREMENTS = click.option(
    "--requirements",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A requirements file: libraries beside the worker's own, or other versions of these.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs.")
STACK = click.option(
    "--stack",
    metavar="NAME",
    envvar="TIDEGATE_STACK",
    help="The stack; without it TIDEGATE_STACK's, or the only one there is.",
)
SHOW_COMMANDS = click.option(
    "--show-commands",
    is_flag=True,
    help="Print each call of AWS in the AWS CLI's words, on standard error.",
)
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
