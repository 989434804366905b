"""The contents of a built image: `make image-test` runs these."""

import json
import re
from pathlib import Path

from tests.support.container import ContainerEndpoint, Image
from tests.support.scenario import drain_ten
from worker import __version__, settings_help

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "image.txt"

NOT_HERE = {"async-timeout", "tzdata"}  # needed only by Pythons and systems other than the image's
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
""".replace("SYSTEMS", repr(("/proc", "/sys", "/dev", "/tmp", "/run", "/var/tmp")))  # noqa: S108 - inside it

LEFT_OUT = """
import importlib.util, pathlib
print(*(name for name in ("click", "jinja2", "rich", "tidegate") if importlib.util.find_spec(name)))
print(*(path for path in pathlib.Path("/opt/venv").rglob("tests") if path.is_dir()))
"""

OPENMP = """
import ctypes, sklearn.utils._openmp_helpers
ctypes.CDLL("libgomp.so.1")
loaded = {line.split()[-1] for line in open("/proc/self/maps") if "libgomp" in line}
print(len(loaded))
"""

UNCOMPILED = """
import os, sys
import worker.service.run, worker.scoring.score, worker.models, worker.formats
import sklearn.ensemble, aioboto3
for module in list(sys.modules.values()):
    cached = getattr(module, "__cached__", None)  # without one it is frozen, or not Python
    if cached and not os.path.exists(cached):
        print(cached)
"""


def test_help_says_the_settings(image: Image) -> None:
    text = image.run("--help")
    assert all(name in text for name, _, _ in settings_help.table())


def test_it_is_the_worker_of_this_checkout(image: Image) -> None:
    assert image.run("--version").split()[-1] == __version__


def test_the_worker_is_not_root_and_owns_nothing(image: Image) -> None:
    assert image.python("import os; print(os.getuid(), os.getgid())").split() == ["65532"] * 2
    assert image.python(WRITABLE).splitlines() == []


def test_every_pinned_library_is_listed_with_its_version_as_scanners_read_it(image: Image) -> None:
    listed = json.loads(image.python(LISTED))
    pinned = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", REQUIREMENTS.read_text(), re.MULTILINE))
    found = {name.lower().replace("_", "-"): version for name, version in listed.items()}
    missing = {name: version for name, version in pinned.items() if found.get(name) != version}
    assert missing.keys() <= NOT_HERE
    assert found.keys() <= pinned.keys()


def test_the_worker_s_environment_holds_neither_tests_nor_the_command_line(image: Image) -> None:
    assert image.python(LEFT_OUT).split() == []


def test_all_that_a_worker_imports_has_been_compiled(image: Image) -> None:
    assert image.python(UNCOMPILED) == ""


def test_a_library_that_needs_the_systems_openmp_shares_the_one_of_scikit_learn(
    image: Image,
) -> None:
    assert image.python(OPENMP).split() == ["1"]


async def test_a_container_drains_the_queue_and_predicts_as_in_memory(
    endpoint: ContainerEndpoint, tmp_path: Path
) -> None:
    await drain_ten(endpoint, tmp_path)
