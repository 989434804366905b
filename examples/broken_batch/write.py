"""Write a batch of 200 files of iris flowers, of which 40 cannot be predicted, for five reasons.

`sent/` holds the files as they are uploaded, a folder for each sender; `originals/` holds the files
of one sender whose upload was cut short. docs/broken-batch.md brings all of them to a prediction.
"""

import argparse
import csv
import gzip
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

HEADER = ["id", "sepal_length", "sepal_width", "petal_length", "petal_width"]
SHORTEST, LONGEST = (4.3, 2.0, 1.0, 0.1), (7.9, 4.4, 6.9, 2.5)  # centimetres
ROWS = 30  # of a file

Row = list[str]
Write = Callable[[Path, list[Row]], None]


def write_csv(path: Path, rows: list[Row], header: Sequence[str] = HEADER) -> None:
    """Write a file that can be predicted."""
    path.write_bytes(table(rows, header).encode())


def table(rows: list[Row], header: Sequence[str] = HEADER) -> str:
    """Return the text of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def write_other_names(path: Path, rows: list[Row]) -> None:
    """Name the columns as another program does."""
    write_csv(path, rows, [name.replace("_", " ") for name in HEADER])


def write_windows(path: Path, rows: list[Row]) -> None:
    """Write names with umlauts in the encoding of Windows."""
    named = [[f"Blüte {row[0]}", *row[1:]] for row in rows]
    path.write_bytes(table(named).encode("cp1252"))


def write_below_limit(path: Path, rows: list[Row]) -> None:
    """Write one measure as a text: it is below what the instrument can measure."""
    rows[len(rows) // 2][-1] = "<0.1"
    write_csv(path, rows)


def write_cut(path: Path, rows: list[Row]) -> None:
    """Write a gzip file whose upload was cut short, and its original."""
    packed = gzip.compress(table(rows).encode(), mtime=0)
    path.write_bytes(packed[: len(packed) // 2])
    original = path.parents[2] / "originals" / path.parent.name / path.name
    original.parent.mkdir(parents=True, exist_ok=True)
    original.write_bytes(packed)


def write_workbook(path: Path, rows: list[Row]) -> None:
    """Write a workbook under the name of a CSV file."""
    with zipfile.ZipFile(path, "w") as workbook:
        workbook.writestr(zipfile.ZipInfo("xl/workbook.xml"), f"<workbook>{len(rows)}</workbook>")


# A sender, how many files it sends, the end of their names, and how they are written.
SENDERS: tuple[tuple[str, int, str, Write], ...] = (
    ("greenhouse", 160, "csv", write_csv),
    ("laboratory", 12, "csv", write_other_names),
    ("nursery", 10, "csv", write_windows),
    ("field", 10, "csv", write_below_limit),
    ("archive", 5, "csv.gz", write_cut),
    ("office", 3, "csv", write_workbook),
)


def flower(draw: random.Random) -> Row:
    """Return the measures of a flower that nobody has seen."""
    limits = zip(SHORTEST, LONGEST, strict=True)
    return [f"{draw.uniform(shortest, longest):.1f}" for shortest, longest in limits]


def main() -> None:
    """Write the batch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write")
    sent = parser.parse_args().folder / "sent"
    draw = random.Random("iris")  # noqa: S311 - no secret
    for sender, count, suffix, write in SENDERS:
        (sent / sender).mkdir(parents=True)
        for number in range(count):
            rows = [[f"{number:03}-{place:02}", *flower(draw)] for place in range(ROWS)]
            write(sent / sender / f"{number:03}.{suffix}", rows)
    print(f"{sum(count for _, count, _, _ in SENDERS)} files are in {sent}")


if __name__ == "__main__":
    main()
