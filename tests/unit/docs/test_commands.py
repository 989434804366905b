"""Every command of every page is run by a test, or its program takes it; no block is left out."""

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support.pages import Block, blocks_of, pages
from tests.support.shell_commands import Wrong, check_script, check_tidegate, is_script
from tests.support.template import ROOT

# The test that runs the sessions of a page, in their order.
RUN_BY = {
    "docs/tutorial.md": "tests/acceptance/test_tutorial.py",
    "docs/own-predictor.md": "tests/acceptance/test_tutorial.py",
    "docs/broken-batch.md": "tests/acceptance/test_broken_batch.py",
    "docs/several-stacks.md": "tests/acceptance/test_several_stacks.py",
    "docs/big-files.md": "tests/acceptance/test_how_to.py",
    "docs/formats.md": "tests/acceptance/test_how_to.py",
    "docs/change-a-model.md": "tests/acceptance/test_how_to.py",
    "docs/roll-back.md": "tests/acceptance/test_how_to.py",
    "docs/spot.md": "tests/acceptance/test_how_to.py",
    "docs/from-the-post.md": "tests/acceptance/test_how_to.py",
}
SCRIPTS = {"", "sh"}  # languages of blocks that may be commands
INLINE = re.compile(r"(?<!`)`tidegate ([a-z][^`]*)`(?!`)")
BLOCKS = {
    f"{path.relative_to(ROOT)}:{block.line}": block
    for path in pages()
    for block in blocks_of(path.read_text("utf-8"))
}
COMMANDS = {
    name: block
    for name, block in BLOCKS.items()
    if block.is_session or (block.language in SCRIPTS and is_script(block.text))
}


def script_of(block: Block) -> str:
    """Return the commands of a block, without what they print."""
    if block.is_session:
        return "\n".join(command for command, _ in block.commands)
    return block.text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_of_a_block_is_one_that_its_program_takes(name: str) -> None:
    check_script(script_of(COMMANDS[name]))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_shell_can_read_each_block_of_commands(name: str) -> None:
    read = subprocess.run(
        ["bash", "-n"],  # noqa: S607 - whichever bash there is
        input=script_of(COMMANDS[name]),
        capture_output=True,
        text=True,
        check=False,
    )

    assert read.stderr == ""


def test_each_session_is_run_by_a_test_or_says_why_not() -> None:
    pages_with_sessions = {name.partition(":")[0] for name, one in BLOCKS.items() if one.is_run}

    assert pages_with_sessions == RUN_BY.keys()
    for page, test in RUN_BY.items():
        assert Path(page).name in (ROOT / test).read_text()


def test_no_command_hides_in_a_block_that_is_not_taken_for_commands() -> None:
    hidden = {
        f"{name}: {line}"
        for name, block in BLOCKS.items()
        if name not in COMMANDS and block.language in {*SCRIPTS, "text"}
        for line in block.text.splitlines()
        if re.match(r"(tidegate|aws|docker|make|pip|python) [a-z-]", line)
    }

    assert hidden == set()


def test_each_command_within_a_sentence_is_one_that_tidegate_has() -> None:
    wrong = []
    for path in pages():
        for text in INLINE.findall(path.read_text("utf-8")):
            try:
                check_tidegate(shlex.split(text), whole=False)
            except Wrong as error:
                wrong.append(f"{path.name}: {text}: {error}")

    assert wrong == []


@pytest.mark.parametrize(
    "name", [name for name, one in BLOCKS.items() if one.language in {"json", "python"}]
)
def test_a_block_of_json_or_python_can_be_read(name: str) -> None:
    block = BLOCKS[name]
    if block.language == "json":
        json.loads(block.text)
    else:
        compile(block.text, name, "exec")


@pytest.mark.parametrize(
    "command",
    [
        "tidegate deploy churn --modell model.pkl",
        "tidegate deplo churn",
        "tidegate deploy churn --architecture ARM32",
        "tidegate compare",
        "tidegate deploy churn --set MAX_REJECT=0.1",
        "tidegate deploy churn --parameter MaxTask=3",
        "aws s3 cp a b --recursiv",
        "aws sqs send-mesage --queue-url Q",
        "aws sqs send-message --queue-url Q",
        "make tets",
        "python -m wroker",
        "python examples/iris/trian.py",
        "docker biuld .",
        "frobnicate",
        'NAME=$(aws sts get-caller-identty) && echo "$NAME"',
        'echo "$(tidegate statsu)" | wc -l > lines.txt',
        "for FILE in *.csv; do aws s3 cpp $FILE s3://bucket/; done",
    ],
)
def test_a_command_that_its_program_would_refuse_is_found(command: str) -> None:
    with pytest.raises(Wrong):
        check_script(command)
