"""The commands `deploy`, `push`, `image` and `destroy`: a stack goes up, changes and goes down."""

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tidegate.aws.account import Account
from tidegate.cli.stack_screen import StackScreen
from tidegate.deploy.cloudformation.template import Template
from tidegate.deploy.deployment import Deployment
from tidegate.deploy.destroy import Destruction
from tidegate.deploy.names import check_name
from tidegate.deploy.proof.smoke import Smoke
from tidegate.deploy.push import push_image
from tidegate.deploy.wish import Wish
from tidegate.image import context, docker
from tidegate.image.source import ImageSource
from tidegate.project_files import project_file

NOT_PREDICTED = 3


def deploy(wish: Wish, *, yes: bool) -> int:
    """Make or update a stack, print its outputs, and return the exit status."""
    template = Template.read(project_file("infra/cloudformation.yaml").read_text(encoding="utf-8"))
    wish.check(template)  # before a region or credentials are needed
    with StackScreen(yes=yes) as screen:
        account = Account(screen.show_command)
        done = Deployment(template, account, screen, time.sleep).run(wish)
        _print_outputs(done.stack.outputs)
        return _show_smoke(screen, done.smoke, wish.stack) if done.smoke else 0


def push(name: str, source: ImageSource, architecture: str | None) -> int:
    """Build an image and push it to a stack's repository."""
    check_name(name)
    with StackScreen() as screen:
        push_image(Account(screen.show_command), name, source, architecture, screen=screen)
    return 0


def image(source: ImageSource) -> int:
    """Build an image on this machine, and print its name."""
    with StackScreen() as screen, tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        prepared = context.prepare(source, Path(folder), screen.show_command)
        sys.stdout.write(docker.build(prepared, screen.show_command) + "\n")
    return 0


def destroy(name: str, *, yes: bool, retain_failed: bool) -> int:
    """Delete a stack, and print what stays."""
    with StackScreen(yes=yes) as screen:
        account = Account(screen.show_command)
        Destruction(account, screen, time.sleep, retain_failed).destroy(name)
    return 0


def _print_outputs(outputs: Mapping[str, str]) -> None:
    for name in sorted(outputs):
        sys.stdout.write(f"{name}\t{outputs[name]}\n")


def _show_smoke(screen: StackScreen, smoke: Smoke, stack: str) -> int:
    if smoke.predicted is not None:
        screen.succeed("the first file is predicted; it and its prediction are removed again:")
        screen.quote(smoke.predicted)
        return 0
    screen.fail(f"the stack stands, but the first file was not predicted: {smoke.reason}")
    screen.say(f"`tidegate doctor {stack}` looks for the cause")
    return NOT_PREDICTED
