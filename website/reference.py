"""Writes what in docs/ is made from the code: pages, drawings, and the schema of a message.

`make reference` writes all of it. A test compares it with the code.
"""

import ast
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
from awscli.customizations.cloudformation.yamlhelper import yaml_parse

from tidegate.cli.main import CREDENTIALS, FAILED, USAGE, cli
from website.drawings import DRAWINGS
from worker import settings_help
from worker.__main__ import EXIT_FATAL, EXIT_SETTINGS, parser
from worker.job import Job
from worker.settings import PREFIX, SETTINGS_OF_A_JOB

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "infra" / "cloudformation.yaml"
EXIT_STATUS = re.compile(r"Exit status: (.*?)(?:\n\n|$)", re.DOTALL)
CONTENTS = "docs/README"
FIRST_PARAGRAPH = re.compile(r"\A# (.+)\n+(?:#+ .*\n+)*((?:.+\n)+)")
LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")
MADE = "This page is made from the code, by `make reference`.\n\n"
WIDTH = 100
WORKER_FAILED = (
    "the queue or the model cannot be used, the start has taken longer than ten minutes, no "
    "receive has succeeded for five minutes and nothing is in hand, or the worker was stuck"
)


def pages() -> Mapping[str, str]:
    """Return the text of each file by its name in docs/."""
    template = yaml_parse(TEMPLATE.read_text("utf-8"))
    return {
        "README.md": _contents(),
        "settings.md": _settings(),
        "command-line.md": _command_line(),
        "exit-statuses.md": _exit_statuses(),
        "template.md": _template(template),
        "schemas/message.json": _message_schema(),
        **{f"drawings/{name}.svg": draw() for name, draw in DRAWINGS.items()},
    }


def _contents() -> str:
    """Return the list of all pages, each with its first sentence."""
    sections = (
        f"## {name}\n\n"
        + _table(["page", "about"], [_entry(page) for page in listed if page != CONTENTS])
        for name, listed in _navigation().items()
    )
    return _page("All pages", "The site that `make docs` builds has the same order.", *sections)


def _navigation() -> Mapping[str, list[str]]:
    """Return the site's navigation; its module needs Sphinx, so it is read and not imported."""
    module = ast.parse((ROOT / "website" / "conf.py").read_text("utf-8"))
    (value,) = (
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAVIGATION"
    )
    found: Mapping[str, list[str]] = ast.literal_eval(value)
    return found


def _entry(page: str) -> list[str]:
    text = (ROOT / f"{page}.md").read_text("utf-8").replace(MADE, "")
    title, paragraph = FIRST_PARAGRAPH.findall(text)[0]
    sentence = re.split(r"(?<=\.) ", LINK.sub(r"\1", " ".join(paragraph.split())))[0]
    path = page.removeprefix("docs/") if page.startswith("docs/") else f"../{page}"
    return [f"[{title}]({path}.md)", sentence]


def _message_schema() -> str:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Job.model_json_schema(),
        "title": "The body of a message",
    }
    return json.dumps(schema, indent=2) + "\n"


def _settings() -> str:
    rows = [
        [f"`{name}`", _cell(default), _cell(meaning), "yes" if _may_be_in_message(name) else ""]
        for name, default, meaning in settings_help.table()
    ]
    return _page(
        "Settings of the worker",
        "A setting is an environment variable of the worker. On a stack `tidegate deploy --set "
        "NAME=VALUE` sets it, and `--unset NAME` gives it its default again. The prefix `WORKER_` "
        "may be left out there. `WORKER_SETTINGS` may hold several settings, quoted as words of a "
        "shell: `MAX_REJECTED=0.05 KEEP_COLUMNS=id,age`.",
        "If a value is wrong, or two values contradict each other, the worker does not start. It "
        "prints one line for each problem. A message may change the settings that say so for its "
        "own job: [Settings of a message](message.md#settings-of-a-message).",
        _table(["variable", "default", "meaning", "in a message"], rows),
        "`AWS_REGION`, `AWS_ENDPOINT_URL` and credentials are read as every AWS tool reads them. "
        "Buckets may be in other regions than the queue: [Regions](regions.md).",
    )


def _may_be_in_message(variable: str) -> bool:
    return variable.removeprefix(PREFIX).lower() in SETTINGS_OF_A_JOB


def _command_line() -> str:
    helps = {name: _help(name, command) for name, command in sorted(cli.commands.items())}
    return _page(
        "Command line",
        "This is what each command prints with `--help`. `-h` is short for it. What a command ends "
        "with is on the page of [exit statuses](exit-statuses.md).",
        *(f"## tidegate {name}\n\n```text\n{text}\n```" for name, text in helps.items()),
        f"## python -m worker\n\n```text\n{_worker_help()}\n```",
    )


def _exit_statuses() -> str:
    commands = [
        [f"[`{name}`](command-line.md#tidegate-{name})", _cell(" ".join(found[1].split()))]
        for name, command in sorted(cli.commands.items())
        if (found := EXIT_STATUS.search(textwrap.dedent(command.help or "")))
    ]
    return _page(
        "Exit statuses",
        "The number that a command or a worker ends with, and what it means.",
        "## tidegate",
        _table(
            ["status", "meaning"],
            [
                ["0", "the command has done what it was asked to do"],
                [str(FAILED), "it has not; the last line says why, and what to type next"],
                [str(USAGE), "an option, an argument or a setting is wrong"],
                ["3", "done, but some files or rows failed"],
                [str(CREDENTIALS), "AWS does not accept the credentials, or there are none"],
                ["130", "Ctrl-C"],
            ],
        ),
        "These commands say more:",
        _table(["command", "exit status"], commands),
        "## python -m worker",
        _table(
            ["status", "meaning"],
            [
                ["0", "idle or stopped; every message is settled or released"],
                [str(EXIT_FATAL), WORKER_FAILED],
                [str(EXIT_SETTINGS), "a setting is wrong, or two contradict each other"],
                ["130, 143", "a second SIGINT or SIGTERM has ended the worker at once"],
            ],
        ),
        "The last line of the worker's log, `worker failed`, says what the reason of status 1 was. "
        "After a worker that did not end with 0, the dispatcher starts no worker at once: "
        "[How workers are started](waking.md#a-worker-that-fails).",
    )


def _help(name: str, command: click.Command) -> str:
    context = click.Context(
        command,
        info_name=f"tidegate {name}",
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context)


def _worker_help() -> str:
    """Return the worker's help without the table of settings, which has a page of its own."""
    usage, _, rest = parser().format_help().partition("settings, from the environment")
    _, _, after = rest.partition("WORKER_SETTINGS may hold")
    return f"{usage}WORKER_SETTINGS may hold{after}".strip()


def _template(template: Mapping[str, Any]) -> str:
    groups = template["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    sections = [
        f"### {group['Label']['default']}\n\n"
        + _table(
            ["parameter", "default", "values", "meaning"],
            [_parameter(name, template["Parameters"][name]) for name in group["Parameters"]],
        )
        for group in groups
    ]
    outputs = [
        [f"`{name}`", _cell(output["Description"])] for name, output in template["Outputs"].items()
    ]
    return _page(
        "Parameters and outputs of the template",
        "`tidegate deploy STACK --parameter NAME=VALUE` sets a parameter of "
        "[infra/cloudformation.yaml](../infra/cloudformation.yaml). What is not named keeps its "
        "value. `tidegate deploy` sets `Model`, `ModelSha256` and `ImageTag` itself.",
        "## Parameters",
        *sections,
        "## Outputs",
        _table(["output", "meaning"], outputs),
    )


def _parameter(name: str, parameter: Mapping[str, Any]) -> list[str]:
    default = "required" if "Default" not in parameter else str(parameter["Default"])
    return [
        f"`{name}`",
        _cell(default) or "empty",
        _cell(", ".join(_values(parameter))),
        _cell(parameter["Description"]),
    ]


def _values(parameter: Mapping[str, Any]) -> Iterator[str]:
    if "AllowedValues" in parameter:
        *others, last = map(str, parameter["AllowedValues"])
        yield f"{', '.join(others)} or {last}"
    if "MinValue" in parameter:
        yield f"at least {parameter['MinValue']}"
    if "MaxValue" in parameter:
        yield f"at most {parameter['MaxValue']}"
    if "ConstraintDescription" in parameter:
        yield str(parameter["ConstraintDescription"]).removeprefix("must be ")


def _page(title: str, *parts: str) -> str:
    texts = (part if part.startswith(("|", "#")) else _wrapped(part) for part in parts)
    return f"# {title}\n\n{MADE}" + "\n\n".join(texts) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _cell(text: str) -> str:
    """Return a text of a table's cell in which nothing is markup."""
    return re.sub(r"([|*<>\\$])", r"\\\1", " ".join(text.split()))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    for name, made in pages().items():
        (ROOT / "docs" / name).write_text(made, "utf-8")
