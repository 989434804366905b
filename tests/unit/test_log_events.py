"""docs/log-events.md lists every log event, since operators search for them and set alarms."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error"}


def logged_events() -> Iterator[tuple[str, str]]:
    """Yield the event and the level of every log call in the worker's code."""
    for module in sorted((ROOT / "worker").rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log" | "logger"), attr=level), args=args
                ) if level in LEVELS:
                    assert args, f"{module}:{node.lineno} logs no event"
                    for event in events(args[0], f"{module}:{node.lineno}"):
                        yield event, level


def events(name: ast.expr, where: str) -> Iterator[str]:
    match name:
        case ast.Constant(value=str() as event):
            yield event
        case ast.IfExp(body=one, orelse=other):
            yield from events(one, where)
            yield from events(other, where)
        case _:
            raise AssertionError(
                f"{where}: an event's name must be a literal, so that a search finds it"
            )


def documented_events() -> list[tuple[str, str]]:
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in (ROOT / "docs" / "log-events.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    return [(event.strip("`"), level) for event, level, *_ in rows]


def test_every_log_event_is_documented_with_its_level() -> None:
    assert set(logged_events()) - set(documented_events()) == set()


def test_every_documented_log_event_is_logged() -> None:
    assert set(documented_events()) - set(logged_events()) == set()


def test_an_event_is_documented_once_for_each_level() -> None:
    assert len(documented_events()) == len(set(documented_events()))
