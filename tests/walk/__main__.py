"""Type the tutorial and some how-to pages by their text alone, each in a clone of its own.

The first clone makes its environments as the tutorial says, with `make demo`; the others use them.
Nothing knows of AWS: the pages start a local cloud.
"""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.template import ROOT
from tests.walk.page import Walk

# The pages of one line are typed one after another, in the same terminals.
WALKS = (
    ("tutorial.md",),
    ("broken-batch.md",),
    ("change-a-model.md", "roll-back.md"),
    ("own-predictor.md",),
)
say = partial(print, flush=True)
ENVIRONMENTS = (".venv", ".venv-cloud")


def clone(folder: Path) -> Path:
    """Clone what is committed."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)  # noqa: S603, S607
    return folder


def environment() -> dict[str, str]:
    """Return the variables of a terminal: no configuration of AWS, and no environment of Python."""
    left_out = ("AWS_", "PYTHON", "TIDEGATE_", "WORKER_", "VIRTUAL_ENV", "MAKE", "MFLAGS")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true"}


def walk(pages: tuple[str, ...], folder: Path, variables: dict[str, str]) -> int:
    """Type pages in a clone; return how many steps there were."""
    typing = Walk(folder, variables, say)
    try:
        for name in pages:
            say(f"\ndocs/{name}")
            typing.type_page((folder / "docs" / name).read_text("utf-8"))
    finally:
        typing.close()
    return typing.steps


def main() -> int:
    """Walk; return 0 if each command of each page ended as the page shows."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background ignores it
    began, steps = time.monotonic(), 0
    with TemporaryDirectory(prefix="walk-") as temporary:
        variables = environment()
        first = clone(Path(temporary, "first"))
        say("make demo, in a fresh clone")
        demo = subprocess.run(["make", "demo"], cwd=first, env=variables, check=False)  # noqa: S607
        if demo.returncode:
            return demo.returncode
        say(f"{time.monotonic() - began:7.1f} s  make demo")
        for number, pages in enumerate(WALKS):
            folder = clone(Path(temporary, str(number)))
            for name in ENVIRONMENTS:
                (folder / name).symlink_to(first / name)
            try:
                steps += walk(pages, folder, variables)
            except (AssertionError, EOFError) as error:
                print(f"\n{' and '.join(pages)}: not as the page shows\n{error}", file=sys.stderr)
                return 1
    say(f"\n{steps} steps in {time.monotonic() - began:.0f} s: each ended as its page shows")
    return 0


if __name__ == "__main__":
    sys.exit(main())
