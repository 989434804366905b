"""The command `tidegate check`: says whether a model takes files, and what a worker would do."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from tidegate.offline.baseline import baseline_path
from tidegate.offline.data_stream import data_stream
from tidegate.offline.inputs import InputFile
from tidegate.offline.model import Column, ModelDescription, describe, load_model
from tidegate.offline.scoring import Failed, Predicted, peak_memory_bytes
from tidegate.offline.task_size import MIB, TaskSize, task_size
from tidegate.offline.trial import Trial, baseline_of, try_file
from worker.settings import Settings

JSON_VERSION = 1
ALL_GOOD, NOT_PREDICTABLE, SOME_BAD_ROWS = 0, 1, 3
SHOWN_COLUMNS = 40
SHOWN_CATEGORIES = 5


def check(
    settings: Settings, files: Sequence[InputFile], *, as_json: bool, baseline: bool = False
) -> int:
    """Check a model and files, print what is found, and return the exit status.

    With `baseline` the summary of the predictions is written beside the model; raises NotSummarized
    if a file is not predicted.
    """
    model = Path(settings.model)
    errors = Console(stderr=True, highlight=False)
    options = replace(settings.score_options(), summarize=baseline)
    with data_stream():
        with errors.status(f"loading {escape(str(model))}"):
            loaded = load_model(settings)
            description = describe(settings, loaded)
        model_bytes = peak_memory_bytes()
        trials = []
        for file in files:
            with errors.status(f"predicting {escape(file.name)}"):
                trials.append(try_file(file.path, loaded, options))
        peak_bytes = peak_memory_bytes()
    size = task_size(peak_bytes, settings.memory_mb)
    if as_json:
        found = _as_json(description, trials, size, peak_bytes)
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    else:
        _Screen().show(model, description, trials, size, (model_bytes, peak_bytes))
    if baseline:
        path = baseline_path(model)
        path.write_text(baseline_of(description.sha256, trials).to_json(), encoding="utf-8")
        errors.print(f"baseline: [bold]{escape(str(path))}[/]", soft_wrap=True)
    return _status(trials)


def _status(trials: Sequence[Trial]) -> int:
    if any(isinstance(trial.result, Failed) for trial in trials):
        return NOT_PREDICTABLE
    return SOME_BAD_ROWS if any(trial.has_bad_rows for trial in trials) else ALL_GOOD


def _as_json(
    model: ModelDescription, trials: Sequence[Trial], size: TaskSize | None, peak_bytes: int
) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "model": asdict(model),
        "files": [
            asdict(trial)
            | {
                "path": str(trial.path),
                "status": "failed" if isinstance(trial.result, Failed) else "predicted",
                "file_fails": trial.file_fails,
                "result": _result(trial.result),
            }
            for trial in trials
        ],
        "peak_memory_bytes": peak_bytes,
        "task": asdict(size) if size else None,
    }


def _result(result: Predicted | Failed) -> dict[str, Any]:
    """Return what became of a file; the distribution is in the baseline alone."""
    facts = asdict(result)
    facts.pop("predictions", None)
    return facts


class _Screen:
    """Prints what was found, for people."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)

    def show(
        self,
        path: Path,
        model: ModelDescription,
        trials: Sequence[Trial],
        size: TaskSize | None,
        memory: tuple[int, int],
    ) -> None:
        """Print the model, each file, and the task that a worker needs."""
        self._model(path, model)
        for trial in trials:
            self._trial(trial)
        self._task(size, memory, has_files=bool(trials))

    def _line(self, name: str, markup: str) -> None:
        self._console.print(f"[cyan]{name:<10}[/]{markup}", soft_wrap=True)

    def _model(self, path: Path, model: ModelDescription) -> None:
        library = f" of {escape(model.library)}" if model.library else ""
        written = f", written by {escape(model.written_by)}" if model.written_by else ""
        self._line("model", f"[bold]{escape(str(path))}[/], {escape(model.kind)}{library}{written}")
        self._line("digest", f"{model.sha256}, {decimal(model.size)}")
        if not model.columns:
            self._line("columns", "any number, by position: all columns after the first")
        else:
            how = "by name" if model.by_name else "by position, after the first column of the file"
            self._line("columns", f"{len(model.columns):,}, {how}")
            self._console.print(Padding(_columns(model.columns), (0, 0, 0, 9)))
        if model.outputs:
            self._line("output", escape(", ".join(model.outputs)))

    def _trial(self, trial: Trial) -> None:
        self._console.print()
        self._line(
            "file",
            f"[bold]{escape(str(trial.path))}[/], {escape(trial.form)}, {trial.columns:,} columns",
        )
        match trial.result:
            case Failed(error_type=error_type, message=message):
                self._line("", f"[red]✗ {error_type}[/]: {escape(message)}")
            case Predicted() as result:
                self._predicted(trial, result)

    def _predicted(self, trial: Trial, result: Predicted) -> None:
        rate = (result.rows + result.rejected) / max(result.seconds, 1e-9)
        speed = f"[dim]{result.seconds:.2f} s, {rate:,.0f} rows/s[/]"
        if not result.rejected:
            self._line("", f"[green]✓[/] every row is predicted: {result.rows:,}  {speed}")
        else:
            self._bad_rows(trial, result, speed)
        if trial.predictions:
            self._console.print(Padding(_predictions(trial), (0, 0, 0, 9)))

    def _bad_rows(self, trial: Trial, result: Predicted, speed: str) -> None:
        rows = result.rows + result.rejected
        self._line("", f"[yellow]! {result.rejected:,} of {rows:,} rows are bad[/]  {speed}")
        unit = "row" if trial.form.startswith("Parquet") else "line"
        for bad in trial.bad_rows:
            self._line("", f"    {unit} {bad.line:,}: {escape(bad.reason)}")
        if (more := result.rejected - len(trial.bad_rows)) > 0:
            self._line("", f"    and {more:,} more")
        if trial.file_fails:
            share = result.rejected / rows
            self._line(
                "",
                "A worker refuses the file. To set bad rows aside: "
                f"[bold]--set MAX_REJECTED={_round_up(share)}[/]",
            )
        else:
            self._line(
                "", f"A worker sets them aside (WORKER_MAX_REJECTED={trial.share_allowed:g})"
            )

    def _task(self, size: TaskSize | None, memory: tuple[int, int], *, has_files: bool) -> None:
        before, peak = memory
        took = f"libraries and model took {before / MIB:,.0f} MiB here"
        if has_files:
            took += f", with the files {peak / MIB:,.0f} MiB at most"
        self._console.print()
        if size is None:
            self._line("task", f"[red]no Fargate task has enough memory[/] [dim]({took})[/]")
            return
        self._line(
            "task",
            f"TaskCpu={size.cpu} TaskMemory={size.memory_mib} is enough: a worker needs about "
            f"{size.needed_mib:,} MiB [dim]({took})[/]",
        )


def _round_up(share: float) -> str:
    """Return a share in percent steps, as a setting that allows it."""
    return f"{min(1.0, -(-share // 0.01) * 0.01):.2f}"


def _columns(columns: Sequence[Column]) -> Table:
    table = Table(box=None, header_style="dim")
    table.add_column("column")
    table.add_column("takes")
    table.add_column("a missing cell")
    for column in columns[:SHOWN_COLUMNS]:
        takes = column.type
        if column.categories:
            shown = ", ".join(column.categories[:SHOWN_CATEGORIES])
            more = len(column.categories) - SHOWN_CATEGORIES
            takes += f": {shown}" + (f" and {more:,} more" if more > 0 else "")
        table.add_row(escape(column.name), escape(takes), escape(column.missing))
    if (more := len(columns) - SHOWN_COLUMNS) > 0:
        table.add_row(f"[dim]and {more:,} more[/]")
    return table


def _predictions(trial: Trial) -> Table:
    header, *rows = trial.predictions
    table = Table(box=None, header_style="dim")
    for name in header:
        table.add_column(escape(name), justify="right")
    for row in rows:
        table.add_row(*map(escape, row))
    return table
