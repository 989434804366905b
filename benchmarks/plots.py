"""Draw the results as plots, one file for each scenario."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # draws into files, without a screen

import matplotlib.pyplot as plt

from benchmarks.harness.contenders import TIDEGATE
from benchmarks.harness.report import Report, Row
from benchmarks.scenarios import (
    all_cores,
    cold_start,
    latency,
    long_haul,
    many_workers,
    small_files,
)

OURS, FLOOR, OTHERS = "#0b6e99", "#9aa5ab", "#d98e48"
SIZE = (8.0, 3.6)
BAR_SIZE = (10.0, 3.6)


def draw(report: Report, folder: Path) -> None:
    """Draw each scenario that was measured into a file."""
    drawings: Mapping[str, Callable[[Report], Any]] = {
        "small-files": _small_files,
        "latency": _latency,
        "big-file": _big_file,
        "all-cores": _all_cores,
        "cold-start": _cold_start,
        "many-workers": _many_workers,
        "long-haul": _long_haul,
    }
    style = {"axes.spines.top": False, "axes.spines.right": False, "font.size": 9}
    for name, drawing in drawings.items():
        with plt.rc_context(style):
            figure = drawing(report)
            if figure:
                figure.tight_layout()
                figure.savefig(folder / f"{name}.png", dpi=120)
                plt.close(figure)


def _small_files(report: Report) -> Any:  # noqa: ANN401 - matplotlib has no types here
    rows = [
        row
        for row in report.rows
        if row.work.endswith(small_files.WORK) and "ms CPU/file" in row.figures
    ]
    return rows and _bars(
        rows,
        {
            "CPU, ms a file": lambda row: row.figures["ms CPU/file"],
            "files a second": lambda row: row.figures["files/s"],
        },
    )


def _big_file(report: Report) -> Any:  # noqa: ANN401 - as above
    # Works of one file that a contender read from S3.
    kinds = ("CSV", "Parquet", "JSON Lines")
    rows = [
        row
        for row in report.rows
        if any(kind in row.work for kind in kinds) and not row.work.startswith(all_cores.WORK)
    ]
    return rows and _bars(
        rows,
        {
            "CPU, s": lambda row: row.cpu_seconds,
            "wall, s": lambda row: row.wall_seconds,
            "peak, MB": lambda row: row.peak_mb or 0,
        },
        label=lambda row: f"{row.work}: {row.who}",
    )


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"  # noqa: PLR2004


def _bars(
    rows: Sequence[Row],
    columns: Mapping[str, Callable[[Row], float]],
    label: Callable[[Row], str] = lambda row: row.who,
) -> Any:  # noqa: ANN401 - as above
    width, height = BAR_SIZE
    figure, axes = plt.subplots(
        1, len(columns), sharey=True, figsize=(width, max(height, 0.35 * len(rows)))
    )
    for axis, (title, value) in zip(axes, columns.items(), strict=True):
        bars = axis.barh(
            [label(row) for row in rows], [value(row) for row in rows], color=_colours(rows)
        )
        axis.bar_label(bars, fmt=_short, padding=2)
        axis.set_title(title)
        axis.margins(x=0.18)
    axes[0].invert_yaxis()
    return figure


def _colours(rows: Sequence[Row]) -> list[str]:
    colours = {TIDEGATE: OURS, "floor": FLOOR}
    return [colours.get(row.who.split(" x")[0], OTHERS) for row in rows]


def _latency(report: Report) -> Any:  # noqa: ANN401 - as above
    measured = report.series.get(latency.WORK)
    if not measured:
        return None
    rates = measured["files_per_second"]
    ideal = [concurrency / measured["job_seconds"] for concurrency in rates]
    return _lines(rates, ideal, "jobs at once", "files a second, 40 ms added to each call")


def _all_cores(report: Report) -> Any:  # noqa: ANN401 - as above
    rates = report.series.get(all_cores.WORK)
    if not rates:
        return None
    ideal = [rates[1] * processes for processes in rates]
    return _lines(rates, ideal, "processes on one file", "MB a second")


def _many_workers(report: Report) -> Any:  # noqa: ANN401 - as above
    rates = report.series.get(many_workers.WORK)
    if not rates:
        return None
    ideal = [rates[1] * copies for copies in rates]
    return _lines(rates, ideal, "workers", "files a second")


def _lines(rates: Mapping[int, float], ideal: Sequence[float], across: str, up: str) -> Any:  # noqa: ANN401
    figure, axis = plt.subplots(figsize=SIZE)
    axis.plot(list(rates), ideal, "--", color=FLOOR, label="ideal")
    axis.plot(list(rates), list(rates.values()), "o-", color=OURS, label=TIDEGATE)
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    axis.set_xticks(list(rates))
    axis.set_ylim(bottom=0)
    axis.legend(frameon=False)
    return figure


def _cold_start(report: Report) -> Any:  # noqa: ANN401 - as above
    measured = dict(report.series.get(cold_start.WORK, {}))
    if not measured:
        return None
    imported = measured.pop("import")
    figure, axis = plt.subplots(figsize=SIZE)
    receives, outputs = zip(*measured.values(), strict=True)
    axis.barh(list(measured), receives, color=OURS, label="first receive")
    rest = [output - receive for receive, output in zip(receives, outputs, strict=True)]
    axis.barh(list(measured), rest, left=receives, color=OTHERS, label="first output")
    axis.axvline(imported, color=FLOOR, linestyle="--", label="the libraries' import")
    axis.invert_yaxis()
    axis.set_xlabel("seconds since the process's start")
    axis.legend(frameon=False)
    return figure


def _long_haul(report: Report) -> Any:  # noqa: ANN401 - as above
    measured = report.series.get(long_haul.WORK)
    if not measured:
        return None
    figure, axes = plt.subplots(1, 2, figsize=SIZE)
    for axis, (title, values) in zip(
        axes,
        {
            "memory, MB": measured["memory_mb"],
            "CPU, ms a file": measured["cpu_ms_per_file"],
        }.items(),
        strict=True,
    ):
        axis.plot(range(1, len(values) + 1), values, "o-", color=OURS)
        axis.set_title(title)
        axis.set_xlabel("tenth of the run")
        axis.set_ylim(0, 1.2 * max(values))
    return figure
