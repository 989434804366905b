"""The workflow agrees with the Makefile and pyproject.toml. actionlint checks its syntax."""

import re
import tomllib

from tests.support.template import ROOT

WORKFLOW = (ROOT / ".github" / "workflows" / "test.yaml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CLAIMED = [
    version
    for classifier in PROJECT["classifiers"]
    for version in re.findall(r"Python :: (3\.\d+)$", classifier)
]


def test_each_target_that_it_makes_is_in_the_makefile() -> None:
    made = set(re.findall(r"\bmake ([a-z-]+)", re.sub(r"#.*", "", WORKFLOW)))

    assert made == {"docs", "test", "wheel"}
    assert made <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_it_tests_on_every_python_that_the_wheel_claims() -> None:
    (tested,) = re.findall(r"^ +python: \[(.*)\]$", WORKFLOW, re.MULTILINE)

    assert [version.strip('"') for version in tested.split(", ")] == CLAIMED


def test_make_test_pythons_looks_for_every_python_that_the_wheel_claims() -> None:
    (looked_for,) = re.findall(r"^PYTHONS \?= (.*)$", MAKEFILE, re.MULTILINE)

    assert looked_for.split() == CLAIMED


def test_each_action_is_pinned_by_a_commit_and_says_its_version() -> None:
    used = re.findall(r"uses: (.*)", WORKFLOW)

    assert used
    assert [line for line in used if not re.fullmatch(r"\S+@[0-9a-f]{40} # v[\d.]+", line)] == []


def test_it_may_read_the_repository_and_nothing_else() -> None:
    assert re.findall(r"^( *)permissions:\n +(.*)$", WORKFLOW, re.MULTILINE) == [
        ("", "contents: read")
    ]
    assert "secrets." not in WORKFLOW
