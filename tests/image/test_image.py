"""What the image holds: `make image-test`, on an image that has been built."""

import json
import re
from pathlib import Path

from tests.image.container import Image
from worker import __version__, environment

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "image.txt"

LISTED = """
import importlib.metadata, json
print(json.dumps({found.name: found.version for found in importlib.metadata.distributions()}))
"""

WRITABLE = """
import os
for folder, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in SYSTEMS]
    for name in folders + files:
        path = os.path.join(folder, name)
        if os.access(path, os.W_OK) and not os.path.islink(path):
            print(path)
""".replace("SYSTEMS", repr(("/proc", "/sys", "/dev", "/tmp", "/run")))  # noqa: S108 - inside it

EVERYTHING = """
import worker.service, worker.scoring, worker.models, worker.formats, sklearn.ensemble, aioboto3
"""


def test_help_says_the_settings(image: Image) -> None:
    text = image.run("--help")
    assert all(name in text for name, _, _ in environment.table())


def test_it_is_the_worker_of_this_checkout(image: Image) -> None:
    assert image.run("--version").split()[-1] == __version__


def test_the_worker_is_not_root_and_owns_nothing(image: Image) -> None:
    assert image.python("import os; print(os.getuid(), os.getgid())").split() == ["65532"] * 2
    assert image.python(WRITABLE).splitlines() == []


def test_every_pinned_library_is_listed_with_its_version_as_scanners_read_it(image: Image) -> None:
    listed = json.loads(image.python(LISTED))
    pins = re.findall(r"^([\w.-]+)==(\S+) (?:;(.*) )?\\\\$", REQUIREMENTS.read_text(), re.MULTILINE)
    pinned = {name: version for name, version, marker in pins if "'emscripten'" not in marker and "< '3.12'" not in marker}
    assert {name.lower().replace("_", "-"): version for name, version in listed.items()} == pinned


def test_all_that_a_worker_imports_has_been_compiled(image: Image) -> None:
    assert image.python(EVERYTHING) == ""
