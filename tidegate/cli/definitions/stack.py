"""The commands that take a stack up and down: `deploy`, `push`, `image` and `destroy`."""

# ruff: noqa: PLC0415 - `--help` must not wait for boto3 and the like
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.definitions.options import PREDICTOR, SET, YES

if TYPE_CHECKING:
    from tidegate.image.source import ImageSource

NAME = click.argument("stack", envvar="TIDEGATE_STACK")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_IMAGE_OPTIONS = (
    click.option(
        "--requirements",
        type=_FILE,
        help="Libraries beside the worker's own, or other versions: a requirements file.",
    ),
    click.option(
        "--package",
        "packages",
        type=click.Path(exists=True, path_type=Path),
        multiple=True,
        help="Your own code for the image: a module, a package or a project; repeat for more.",
    ),
    click.option("--python", metavar="3.12", help="The Python of the image."),
    click.option("--base", metavar="IMAGE", help="The image that the worker's is built on."),
    click.option(
        "--build-arg",
        "arguments",
        metavar="NAME=VALUE",
        multiple=True,
        help="A further argument of the Dockerfile; repeat for more.",
    ),
    click.option(
        "--architecture",
        type=click.Choice(["X86_64", "ARM64"]),
        help="The processor that the image is built for; without it, the stack's.",
    ),
)


def image_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options of an image."""
    for option in reversed(_IMAGE_OPTIONS):
        command = option(command)
    return command


def _pairs(_: click.Context, option: click.Parameter, given: Sequence[str]) -> Mapping[str, str]:
    """Read NAME=VALUE, each name once."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"must be NAME=VALUE (it is {text!r})", param=option)
        if pairs.setdefault(name, value) != value:
            raise click.BadParameter(f"{name} is given twice", param=option)
    return pairs


def _source(options: Mapping[str, Any]) -> "ImageSource":
    from tidegate.image.source import ImageSource

    chosen = ("requirements", "packages", "base", "python", "arguments")
    return ImageSource(**{name: options[name] for name in chosen})


@click.command(short_help="make a stack on AWS, or bring it up to date")
@NAME
@click.option("--model", metavar="FILE", help="The model: a file, or s3://bucket/key.")
@PREDICTOR
@SET
@click.option(
    "--unset", metavar="NAME", multiple=True, help="Give a worker's setting its default again."
)
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="A parameter of the template, such as MaxTasks=20; repeat for more.",
)
@click.option(
    "--tag",
    "tags",
    metavar="NAME=VALUE",
    multiple=True,
    callback=_pairs,
    help="A tag of the stack and of all that it makes; repeat for more.",
)
@image_options
@click.option("--image", metavar="URI", help="An image of your own; nothing is built then.")
@click.option("--build", is_flag=True, help="Build the image, also in place of one of your own.")
@click.option(
    "--artifact-bucket", metavar="BUCKET", help="Where models and code lie; else one is made."
)
@click.option("--review", is_flag=True, help="Show what would change, and ask.")
@click.option("--smoke", type=_FILE, help="The file that goes through at the end.")
@click.option("--no-smoke", is_flag=True, help="Put no file through.")
@YES
def deploy(**options: Any) -> int:  # noqa: ANN401 - click's own
    """Make the stack STACK on AWS, or bring it up to date.

    The same command serves for the first time and for every time. It checks the model and all
    options before anything is made, builds the image, makes or updates the stack, pushes the image
    and puts a first file through. Every command that it runs is printed.

    What is not named stays as it is: parameters, settings, tags, the model, an image of your own.
    The outputs of the stack go to standard output.

    Exit status: 0 if the stack stands, 1 if not, 2 for a wrong option, 3 if the stack stands but
    the first file was not predicted, 4 if AWS does not know you.
    """
    from tidegate.cli.deploy import deploy as run
    from tidegate.deploy.wish import Wish

    if options["smoke"] and options["no_smoke"]:
        raise click.UsageError("--smoke and --no-smoke contradict each other")
    parameters = dict(options["parameters"])
    for option, name in (("architecture", "Architecture"), ("image", "Image")):
        value = options[option]
        if value is not None and parameters.setdefault(name, value) != value:
            raise click.UsageError(f"--{option} and --parameter {name} contradict each other")
    settings = options["assignments"]
    if options["predictor"]:
        settings = (*settings, f"PREDICTOR={options['predictor']}")
    same = ("stack", "model", "unset", "tags", "build", "artifact_bucket", "review", "smoke")
    wish = Wish(
        parameters=parameters,
        settings=settings,
        image=_source(options),
        no_smoke=options["no_smoke"],
        **{name: options[name] for name in same},
    )
    return run(wish, yes=options["yes"])


@click.command(short_help="build the image and push it to a stack's repository")
@NAME
@image_options
def push(**options: Any) -> int:  # noqa: ANN401 - click's own
    """Build the workers' image and push it to the repository of the stack STACK.

    The stack is not changed: `tidegate deploy` with the same options names the image to it.
    """
    from tidegate.cli.deploy import push as run

    return run(options["stack"], _source(options), options["architecture"])


@click.command(short_help="build the workers' image on this machine")
@image_options
def image(**options: Any) -> int:  # noqa: ANN401 - click's own
    """Build the workers' image on this machine, and print its name."""
    from dataclasses import replace

    from tidegate.cli.deploy import image as run

    source = _source(options)
    return run(replace(source, architecture=options["architecture"] or source.architecture))


@click.command(short_help="delete a stack; its buckets stay")
@click.argument("stack")
@click.option(
    "--retain-failed", is_flag=True, help="Leave behind the resources that refuse to be deleted."
)
@YES
def destroy(*, stack: str, retain_failed: bool, yes: bool) -> int:
    """Stop the dispatcher and the workers of STACK and delete it, and print what stays.

    The buckets with files, predictions and models stay. It can be repeated: what is gone already
    is no error.
    """
    from tidegate.cli.deploy import destroy as run

    return run(stack, yes=yes, retain_failed=retain_failed)
