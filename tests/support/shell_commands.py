"""The commands of a shell script: what they are, and whether their programs take them.

Nothing is run: a command is compared with the options that its program has.
"""

import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise

import awscli.clidriver
import click

from tests.support.template import PARAMETERS, ROOT
from tidegate.cli.main import cli
from worker.settings import Settings

ASSIGNMENT = re.compile(r"\w+=.*", re.DOTALL)
SUBSTITUTION = re.compile(r"\$\(([^()]*)\)")
COMMENT = re.compile(r"(?:^|(?<=\s))#(?:\s.*)?$", re.MULTILINE)
OPERATORS = "();<>|&\n"
WORDS_OF_THE_SHELL = {"for", "do", "done", "if", "then", "fi", "while", "in"}
# Programs of every system, whose options nobody changes.
COMMON = frozenset(
    {
        *("alias", "base64", "cat", "cd", "cp", "curl", "echo", "export", "grep", "gzip", "head"),
        *(
            "jq",
            "mkdir",
            "mv",
            "perl",
            "printf",
            "rm",
            "sed",
            "sort",
            "split",
            "tail",
            "tr",
            "true",
        ),
        *("unset", "wc", "xargs", "zcat"),
    }
)
# Programs of which the pages use these subcommands. They are not installed where the tests run.
SUBCOMMANDS = {
    "docker": {"build", "login", "push", "run"},
    "git": {"clone"},
    "pip": {"install"},
    "uv": {"tool"},
}
# What some options name.
SETTINGS = {name.upper() for name in Settings.model_fields}
NAMES = {"--set": SETTINGS, "--unset": SETTINGS, "--parameter": PARAMETERS}


class Wrong(Exception):
    """A command that its program would refuse."""


def commands_in(script: str) -> Iterator[list[str]]:
    """Yield the words of each simple command of a script, without assignments before it."""
    text = COMMENT.sub("", script.replace("\\\n", " "))
    while inner := SUBSTITUTION.search(text):
        yield from commands_in(inner[1])
        text = f"{text[: inner.start()]}SUBSTITUTED{text[inner.end() :]}"
    lexer = shlex.shlex(text, posix=True, punctuation_chars=OPERATORS)
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words, skipped = list[str](), False
    for word in [*lexer, "\n"]:
        if skipped:  # the file of a redirection
            skipped = False
        elif set(word) <= set(OPERATORS):
            skipped = word in {"<", ">", ">>"}
            if not skipped:
                yield from _without_assignments(words)
                words = []
        else:
            words.append(word)


def _without_assignments(words: list[str]) -> Iterator[list[str]]:
    """Yield the words of a simple command behind assignments and words of the shell, if any."""
    while words and (ASSIGNMENT.fullmatch(words[0]) or words[0] in WORDS_OF_THE_SHELL):
        words = [] if words[0] == "for" else words[1:]
    if words:
        yield words


def is_script(text: str) -> bool:
    """Return whether a text begins with a program that is known here."""
    try:
        words = next(commands_in(text), [""])
    except ValueError:  # a quote that is not closed
        return False
    return _program(words[0]) in {*COMMON, *SUBCOMMANDS, *CHECKS}


def check(words: Sequence[str]) -> None:
    """Raise Wrong if a program would refuse these words."""
    program, arguments = _program(words[0]), list(words[1:])
    if program in SUBCOMMANDS:
        name = next((word for word in arguments if not word.startswith("-")), "")
        if name not in SUBCOMMANDS[program]:
            raise Wrong(f"{program} {name}: name the subcommand in {__name__} if it is right")
    elif program in CHECKS:
        CHECKS[program](arguments)
    elif program not in COMMON:
        raise Wrong(f"{program}: nothing is known of this program")


def check_script(script: str) -> None:
    """Raise Wrong if a program of a script would refuse its words."""
    for words in commands_in(script):
        check(words)


def _program(word: str) -> str:
    return re.sub(r"^.*/bin/|^command$", "", word)


def check_tidegate(arguments: list[str], *, whole: bool = True) -> None:
    """Raise Wrong if `tidegate` has no such command, option, setting or parameter.

    `whole`: also if an argument is missing that must be given.
    """
    name, *words = arguments
    if name == "--version":
        return
    if name not in cli.commands:
        raise Wrong(f"tidegate has no command {name!r}")
    command = cli.commands[name]
    context = click.Context(command, info_name=name)
    try:
        values, rest, _ = command.make_parser(context).parse_args([*words])
        for one in command.params:
            value = values.get(one.name or "")
            if value is None or one.value_is_missing(value):
                if whole and one.required:
                    raise click.MissingParameter(ctx=context, param=one)
            elif not isinstance(one.type, click.Path):  # a page's files are not here
                one.type_cast_value(context, value)
    except click.UsageError as error:
        raise Wrong(f"tidegate {name}: {error.format_message()}") from error
    if rest:
        raise Wrong(f"tidegate {name} takes no {rest}")
    _check_names(name, words)


def _check_names(name: str, words: list[str]) -> None:
    for option, value in pairwise(words):
        given = value.partition("=")[0].removeprefix("WORKER_")
        if option in NAMES and given not in {*NAMES[option], "NAME", "Name"}:
            raise Wrong(f"tidegate {name} {option}: there is no {given}")


def check_aws(arguments: list[str]) -> None:
    """Raise Wrong if the AWS CLI has no such command or option, or requires another one."""
    words = [word for word in arguments if word != "--endpoint-url"]
    names = [word for word in words if not word.startswith("-")]
    service, operation = names[0], names[1]
    table = _operations(service)
    if operation not in table:
        raise Wrong(f"aws {service} has no command {operation!r}")
    options = {
        word[2:].partition("=")[0] for word in words[words.index(operation) :] if word[:2] == "--"
    }
    command = table[operation]
    if operation == "wait":
        command = command.create_help_command().command_table[names[2]]
    known = command.arg_table
    unknown = options - set(known) - _global_options()
    required = {
        name for name, one in known.items() if one.required and one.cli_name.startswith("--")
    }
    if unknown or required - options:
        raise Wrong(
            f"aws {service} {operation}: no options {unknown}; missing {required - options}"
        )


@cache
def _driver() -> awscli.clidriver.CLIDriver:
    return awscli.clidriver.create_clidriver()


@cache
def _global_options() -> set[str]:
    return set(_driver().create_help_command().arg_table)


@cache
def _operations(service: str) -> dict[str, awscli.clidriver.ServiceOperation]:
    services = _driver().create_help_command().command_table
    if service not in services:
        raise Wrong(f"the AWS CLI has no service {service!r}")
    command = services[service]
    return dict(command.create_help_command().command_table)


def check_make(arguments: list[str]) -> None:
    """Raise Wrong if the Makefile has no such target."""
    rules = "".join((ROOT / name).read_text() for name in ("Makefile", "infra/aws.mk"))
    targets = set(re.findall(r"^([a-z-]+):", rules, re.MULTILINE))
    unknown = {word for word in arguments if "=" not in word} - targets
    if unknown:
        raise Wrong(f"make has no targets {unknown}")


def check_python(arguments: list[str]) -> None:
    """Raise Wrong if there is no such module, or no such script of the checkout."""
    if arguments[:1] == ["-m"]:
        _, module, *rest = arguments
        if importlib.util.find_spec(module) is None:
            raise Wrong(f"there is no module {module}")
        if module == "tidegate":
            check_tidegate(rest)
        if module == "pytest" and not (ROOT / rest[0]).exists():
            raise Wrong(f"there are no tests {rest[0]}")
    elif "/" in arguments[0] and not (ROOT / arguments[0]).exists():
        raise Wrong(f"there is no script {arguments[0]}")


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "tidegate": check_tidegate,
    "aws": check_aws,
    "make": check_make,
    "python": check_python,
}
