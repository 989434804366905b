"""The keys of a file's first rows, which are its columns."""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Self

from worker.errors import Unparsable
from worker.formats.json_lines.lines import LineBlock
from worker.formats.json_lines.parsed_blocks import BlockParser
from worker.formats.json_lines.rows import MalformedLine

_HEAD_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class FileKeys:
    """The keys of the first row; and of the first 10,000 rows, in the order of their appearance."""

    first: tuple[str, ...]
    all: tuple[str, ...]

    @classmethod
    def of(cls, head: Sequence[LineBlock]) -> Self:
        """Find the keys of a file's first lines; raises Unparsable if none of them is a row."""
        parser = BlockParser()
        keys: dict[str, None] = {}
        rows: list[tuple[str, ...]] = []
        malformed: list[str] = []
        for block in head:
            parsed = parser.parse(block, lambda _: None)
            malformed += [
                f"line {block.numbers[line]}: {why}" for line, why in parsed.malformed.items()
            ][:1]
            for found in parsed.keys_in_order():
                keys |= dict.fromkeys(found)
                rows = rows or [found]
        if not head:
            raise Unparsable("the file is empty")
        if not rows:
            raise Unparsable(f"no line is a JSON object, and every one should be; {malformed[0]}")
        return cls(rows[0], tuple(keys))


def read_head(
    blocks: Iterator[LineBlock], hold: Callable[[int], None]
) -> tuple[list[LineBlock], list[LineBlock]]:
    """Return the first 10,000 lines, and the lines that were read behind them."""
    head: list[LineBlock] = []
    left, text_bytes = _HEAD_ROWS, 0
    for block in blocks:
        head.append(block.part(0, left))
        left -= len(head[-1])
        text_bytes += head[-1].size(0, len(head[-1]))
        hold(text_bytes)
        if not left:
            return head, [block.part(len(head[-1]), len(block))]
    return head, []


def require(keys: AbstractSet[str], required: AbstractSet[str]) -> None:
    """Raise MalformedLine if the keys of a row are not those of the first one."""
    if keys == required:
        return
    differing = min(keys ^ required)
    raise MalformedLine(
        f"the key {differing!r} is {'only' if differing in keys else 'not'} in this row "
        f"and {'not ' * (differing in keys)}in the first one, and the model takes columns "
        "by position"
    )


def refuse_others(keys: AbstractSet[str], allowed: AbstractSet[str]) -> None:
    """Raise MalformedLine if a row has a key that is no column."""
    if unknown := keys - allowed:
        raise MalformedLine(
            f"the key {min(unknown)!r} comes up after the first {_HEAD_ROWS:,} rows, whose "
            "keys are the columns: WORKER_KEEP_COLUMNS=* cannot keep it"
        )
