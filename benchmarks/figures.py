"""python -m benchmarks.figures: copy the figures of the last whole run into benchmarks/README.md.

It reads `results/table.md` and `results/figures.json`, which `make bench` writes.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.page_blocks import write_block

FOLDER = Path(__file__).parent
PAGE = FOLDER / "README.md"
BLOCK = "figures"


def lines(results: Path) -> Iterator[str]:
    """Yield the lines of the block: when and where the run was, and its tables."""
    run = json.loads((results / "figures.json").read_text("utf-8"))
    yield f"Measured on {run['date']}, with Python {run['python']} ({run['machine']})."
    yield f"The machine had {run['cores']} cores."
    yield ""
    yield (results / "table.md").read_text("utf-8").rstrip("\n")


def main() -> int:
    """Write the block."""
    write_block(PAGE, BLOCK, lines(FOLDER / "results"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
