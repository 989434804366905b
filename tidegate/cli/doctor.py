"""The command `tidegate doctor`: prints what an examination of a stack finds."""

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidegate.aws.account import Account
from tidegate.aws.stack import find
from tidegate.doctor.examination import examine, worst
from tidegate.doctor.finding import Finding, Verdict

JSON_VERSION = 1
HEALTHY, BROKEN = 0, 1
COLOURS = {
    Verdict.OK: "green",
    Verdict.WARNING: "yellow",
    Verdict.BROKEN: "bold red",
    Verdict.UNKNOWN: "magenta",
}
NARROW = 72  # columns; below, a finding stands under the name of its part
VERDICT_WIDTH, NAME_WIDTH, INDENT = 8, 16, 2


@dataclass(frozen=True, slots=True)
class Where:
    """The stack that a report is about."""

    stack: str
    region: str
    account: str


def doctor(name: str | None, *, as_json: bool, show_commands: bool) -> int:
    """Examine a stack, print the findings, and return the exit status."""
    errors = Console(stderr=True, highlight=False)
    account = Account(_show if show_commands else None)
    stack = find(account, name)
    where = Where(stack.name, account.region, account.id)
    if show_commands:
        findings = examine(account, stack)
    else:
        with errors.status("asking AWS"):
            findings = examine(account, stack)
    if as_json:
        sys.stdout.write(json.dumps(_as_json(where, findings), indent=2) + "\n")
    else:
        Report(Console(highlight=False)).show(where, findings)
    return BROKEN if worst(findings) is Verdict.BROKEN else HEALTHY


def _show(command: str) -> None:
    sys.stderr.write(f"{command}\n")  # in one piece: several checks ask at the same time


def _as_json(where: Where, findings: Mapping[str, Finding]) -> dict[str, object]:
    return {
        "version": JSON_VERSION,
        **asdict(where),
        "status": worst(findings),
        "checks": [
            {
                "name": name,
                "status": finding.verdict,
                "found": finding.found,
                "next": finding.next_step,
                "commands": finding.commands,
            }
            for name, finding in findings.items()
        ],
    }


class Report:
    """Prints findings for people: prose is wrapped, and a command is one line to be pasted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._narrow = console.is_terminal and console.width < NARROW

    def show(self, where: Where, findings: Mapping[str, Finding]) -> None:
        """Print the stack's name, a line for each part, and how many are not ok."""
        title = Text(where.stack, style="bold")
        title.append(f" in {where.region} of the account {where.account}", style="not bold")
        self._console.print(title, soft_wrap=True)
        for name, finding in findings.items():
            self._finding(name, finding)
        self._console.print(_summary(findings))

    def _finding(self, name: str, finding: Finding) -> None:
        verdict = Text(finding.verdict, style=COLOURS[finding.verdict])
        found, *after = [_printable(one) for one in (finding.found, finding.next_step) if one]
        if not self._console.is_terminal:  # one line, however long: for grep
            self._line(f"{finding.verdict:<{VERDICT_WIDTH}}{name:<{NAME_WIDTH}}{found}")
            for text in after:
                self._line(f"{'':<{VERDICT_WIDTH + NAME_WIDTH}}{text}")
        elif self._narrow:
            self._console.print(Text.assemble(verdict, " ", name))
            self._console.print(_grid((INDENT,), [("", text) for text in (found, *after)]))
        else:
            rows: list[Sequence[str | Text]] = [(verdict, name, found)]
            rows += [("", "", text) for text in after]
            self._console.print(_grid((VERDICT_WIDTH, NAME_WIDTH), rows))
        for command in finding.commands:
            self._console.print(Text(_printable(command), style="cyan"), soft_wrap=True)

    def _line(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def _grid(widths: Sequence[int], rows: Sequence[Sequence[str | Text]]) -> Table:
    """Return rows whose last cell is wrapped beside the others."""
    table = Table.grid()
    for width in widths:
        table.add_column(width=width)
    table.add_column(overflow="fold")
    for *cells, text in rows:
        table.add_row(*cells, Text(str(text)))
    return table


def _summary(findings: Mapping[str, Finding]) -> Text:
    counts = Counter(finding.verdict for finding in findings.values())
    order = (Verdict.BROKEN, Verdict.WARNING, Verdict.UNKNOWN, Verdict.OK)
    parts = [
        Text(f"{counts[verdict]} {verdict}", style=COLOURS[verdict])
        for verdict in order
        if counts[verdict]
    ]
    return Text(", ").join(parts)


def _printable(text: str) -> str:
    """Return other people's text without what a terminal would obey; line ends become spaces."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
