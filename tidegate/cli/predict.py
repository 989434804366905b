"""The command `tidegate predict`: files on this machine, predicted as a worker predicts them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tidegate.offline.data_stream import data_stream
from tidegate.offline.files import FileWriter, StreamWriter
from tidegate.offline.inputs import InputFile
from tidegate.offline.model import digest, load_model
from tidegate.offline.scoring import Failed, Predicted, predict_file
from worker.errors import TidegateError
from worker.interfaces import ScoreOptions
from worker.models import Predictor
from worker.settings import Settings

DEFAULT_FOLDER = Path("predictions")
JSON_VERSION = 1
ALL_PREDICTED, NONE_PREDICTED, SOME_FAILED = 0, 1, 3
SHOWN_NAME = 40


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file; `output` is where its predictions are, if they are in a file."""

    file: InputFile
    result: Predicted | Failed
    output: Path | None = None
    rejects: Path | None = None


def predict(
    settings: Settings, files: Sequence[InputFile], output: Path | None, *, as_json: bool
) -> int:
    """Predict the files, and return the exit status."""
    model = Path(settings.model)
    to_stdout = len(files) == 1 and output is None and not as_json
    targets = None if to_stdout else _targets(files, output)
    console = Console(stderr=True, highlight=False)
    options = settings.score_options()
    with data_stream() as data:
        with console.status(f"loading {escape(str(model))}"):
            loaded = load_model(settings)
        if targets is None:
            outcomes = [_to_stream(files[0], loaded, options, data)]
        else:
            outcomes = _to_files(files, targets, loaded, options, console)
        if as_json:
            data.write(json.dumps(_as_json(outcomes, model), indent=2).encode() + b"\n")
    _print(outcomes, console)
    return _status(outcomes)


def _targets(files: Sequence[InputFile], output: Path | None) -> list[Path]:
    """Return where each output goes; raises TidegateError if one would replace an input."""
    folder = output or DEFAULT_FOLDER
    is_file = output is not None and len(files) == 1 and bool(output.suffix)
    targets = [folder if is_file and not folder.is_dir() else folder / file.name for file in files]
    inputs = {file.path.resolve() for file in files}
    for file, target in zip(files, targets, strict=True):
        if target.resolve() in inputs:
            raise TidegateError(
                f"the output of {file.path} would replace an input, {target}: "
                "name another folder with -o"
            )
        if targets.count(target) > 1:
            raise TidegateError(
                f"two inputs are named {file.name}, and both outputs would be {target}: "
                "name the folder that holds both, or predict them into two folders"
            )
    return targets


def _to_files(
    files: Sequence[InputFile],
    targets: Sequence[Path],
    predictor: Predictor,
    options: ScoreOptions,
    console: Console,
) -> list[Outcome]:
    outcomes = []
    with _progress(console) as progress:
        bar = progress.add_task("", total=len(files))
        for file, target in zip(files, targets, strict=True):
            progress.update(bar, description=escape(file.name[-SHOWN_NAME:]))
            writer = FileWriter(target)
            result = predict_file(file.path, predictor, options, writer)
            outcome = Outcome(file, result)
            if isinstance(result, Predicted):
                rejects = writer.rejects if result.rejected else None
                outcome = Outcome(file, result, writer.target, rejects)
            progress.console.print(_line(outcome), soft_wrap=True)
            outcomes.append(outcome)
            progress.advance(bar)
    return outcomes


def _to_stream(
    file: InputFile, predictor: Predictor, options: ScoreOptions, data: IO[bytes]
) -> Outcome:
    return Outcome(file, predict_file(file.path, predictor, options, StreamWriter(data)))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("  {task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def _line(outcome: Outcome) -> str:
    match outcome.result:
        case Failed():
            return f"[red]✗[/] {escape(outcome.file.name)}: not predicted"
        case Predicted(rows=rows, rejected=rejected, seconds=seconds):
            rejects = f", [yellow]{rejected:,} rejected[/]" if rejected else ""
            return (
                f"[green]✓[/] {escape(outcome.file.name)}: {rows:,} rows{rejects}"
                f" [dim]{seconds:.2f} s → {escape(str(outcome.output))}[/]"
            )


def _print(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print why files failed, what a worker would do about them, and the counts."""
    for outcome in outcomes:
        if isinstance(failed := outcome.result, Failed):
            console.print(
                f"\n[red]{escape(outcome.file.name)}: {failed.error_type}[/]\n"
                f"  {escape(failed.message)}",
                soft_wrap=True,
            )
    predicted = [one.result for one in outcomes if isinstance(one.result, Predicted)]
    failed_count = len(outcomes) - len(predicted)
    if failed_count:
        console.print(
            "\n[dim]A worker writes a failure report with this reason beside the outputs, and "
            "sends the message to the dead-letter queue.[/]"
        )
    rejected = sum(result.rejected for result in predicted)
    if len(outcomes) > 1 or rejected:
        console.print(
            f"\n{len(predicted):,} of {len(outcomes):,} files predicted, "
            f"{sum(result.rows for result in predicted):,} rows, {rejected:,} rejected"
        )


def _as_json(outcomes: Sequence[Outcome], model: Path) -> dict[str, Any]:
    return {
        "version": JSON_VERSION,
        "model": str(model),
        "model_sha256": digest(model),
        "files": [
            {"input": str(outcome.file.path)}
            | (
                {"status": "failed", "error_type": failed.error_type, "error": failed.message}
                if isinstance(failed := outcome.result, Failed)
                else {
                    "status": "predicted",
                    "output": str(outcome.output),
                    "rows": failed.rows,
                    "rejected": failed.rejected,
                    "rejected_rows": str(outcome.rejects) if outcome.rejects else None,
                }
            )
            for outcome in outcomes
        ],
    }


def _status(outcomes: Sequence[Outcome]) -> int:
    predicted = [one.result for one in outcomes if isinstance(one.result, Predicted)]
    if not predicted:
        return NONE_PREDICTED
    has_rejects = any(result.rejected for result in predicted)
    return SOME_FAILED if has_rejects or len(predicted) < len(outcomes) else ALL_PREDICTED
