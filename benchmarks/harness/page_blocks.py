"""Blocks of a page that a program writes: what is between two comments with the block's name."""

from collections.abc import Iterable
from pathlib import Path


class BlockMissing(Exception):
    """A page has no such block; the message says which comments to put there."""


def read_block(page: Path, name: str) -> str:
    """Return what a page has between the two comments; raises BlockMissing."""
    return _split(page, name)[1]


def write_block(page: Path, name: str, lines: Iterable[str]) -> None:
    """Replace what is between the two comments; raises BlockMissing."""
    before, _, after = _split(page, name)
    page.write_text(before + "\n".join(lines) + after, "utf-8")


def _split(page: Path, name: str) -> tuple[str, str, str]:
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, found_begin, rest = page.read_text("utf-8").partition(f"{begin}\n\n")
    block, found_end, after = rest.partition(f"\n\n{end}")
    if not found_begin or not found_end:
        raise BlockMissing(
            f"{page}: the lines {begin} and {end}, with an empty line behind the first and before "
            "the second, must be in this page: put them where the figures shall be"
        )
    return f"{before}{begin}\n\n", block, f"\n\n{end}{after}"
