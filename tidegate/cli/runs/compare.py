"""The command `tidegate compare`: what another model would change, on a sample of files."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from rich.console import Console

from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack
from tidegate.cli.operating.screen import (
    Sheet,
    count,
    err,
    line,
    opened,
    out,
    plain,
    print_json,
    show,
)
from tidegate.deploy.worker_settings import PARAMETER, parse
from tidegate.offline.comparison import Column, Comparison, Output
from tidegate.offline.data_stream import data_stream
from tidegate.offline.files import FileReader, FileWriter
from tidegate.offline.inputs import find_files
from tidegate.offline.model import load_model
from tidegate.offline.scoring import Failed, predict_file
from tidegate.offline.worker_settings import read_settings
from tidegate.runs.join import find
from tidegate.runs.request import Selection, suffixes_of
from tidegate.runs.stack_runs import StackRuns
from worker.errors import SettingsError, TidegateError, error_text
from worker.formats import open_reader
from worker.interfaces import ScoreOptions
from worker.models import Predictor

SOME_FAILED = 3  # exit status
BAR = 24  # columns
SHOWN_MOVES = 12


@dataclass(frozen=True, slots=True)
class Sample:
    """An input on this machine, and its output if that was made before."""

    name: str
    path: Path
    output: Path | None


@dataclass(slots=True)
class _Files:
    """What became of the files of the sample."""

    compared: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def compare(
    name: str | None,
    model: Path,
    sources: Sequence[str],
    *,
    other: Path | None,
    predictor: str | None,
    assignments: Sequence[str],
    most: int,
    tolerance: float,
    as_json: bool,
    show_commands: bool,
) -> int:
    """Compare a model's predictions with the outputs that are there, or with another model's."""
    from_s3 = [one for one in sources if one.startswith("s3://")]
    if from_s3 and len(sources) > 1:
        raise SettingsError("give one s3://BUCKET/PREFIX, or files on this machine")
    if not from_s3 and other is None:
        raise SettingsError(
            "files on this machine have no outputs to compare with: name another model by --with, "
            "or give s3://BUCKET/PREFIX of a stack's inputs"
        )
    with tempfile.TemporaryDirectory(prefix="tidegate-") as folder:
        sample: Iterator[Sample]
        if from_s3:
            account, stack = opened(name, show_commands=show_commands)
            assignments = [*_settings_of(stack), *assignments]
            sample = _from_s3(account, stack, from_s3[0], Path(folder), most)
        else:
            sample = (Sample(one.name, one.path, None) for one in find_files(sources)[:most])
        comparison, files = Comparison(tolerance), _Files()
        with data_stream(), err().status("[dim]loading[/]"):
            models = _load([model, *([other] if other else [])], predictor, assignments)
            for one in sample:
                _compare_one(one, models, comparison, files, Path(folder))
    _report(comparison, files, as_json=as_json)
    if not files.compared:
        return 1
    return SOME_FAILED if files.failed else 0


def _settings_of(stack: DeployedStack) -> list[str]:
    settings = parse(stack.parameters.get(PARAMETER, ""))
    return [f"{name}={value}" for name, value in settings.items()]


Loaded = tuple[Predictor, ScoreOptions]


def _load(paths: Sequence[Path], predictor: str | None, assignments: Sequence[str]) -> list[Loaded]:
    found = []
    for path in paths:
        settings = read_settings(path, predictor, assignments)
        found.append((load_model(settings), settings.score_options()))
    return found


def _from_s3(
    account: Account, stack: DeployedStack, source: str, folder: Path, most: int
) -> Iterator[Sample]:
    """Download the first predicted files below a prefix, one after the other."""
    runs = StackRuns(account, stack)
    bucket, prefix = stack.outputs["InputBucket"], runs.check_source(source)
    layout = runs.layout(runs.check_output_key(None), {})
    s3 = account.client("s3")
    takes = Selection(suffixes_of(stack.parameters.get("Suffixes", ""))).takes
    found = find(s3, bucket, prefix, layout)
    predicted = (one for one in found if one.output is not None and takes(one.source))
    for one in islice(predicted, most):
        assert one.output is not None
        path, output = folder / "input", folder / "output"
        s3.download_file(bucket, one.source.key, str(path))
        answer = s3.head_object(Bucket=layout.output_bucket, Key=one.output.key)
        is_newest = answer["Metadata"].get("source-etag") == one.source.etag
        if is_newest:
            s3.download_file(layout.output_bucket, one.output.key, str(output))
        yield Sample(one.source.key, path, output if is_newest else None)


def _compare_one(
    one: Sample, models: Sequence[Loaded], comparison: Comparison, files: _Files, folder: Path
) -> None:
    try:
        outputs = [
            _predicted(one, *model, folder / f"by-{place}") for place, model in enumerate(models)
        ]
        if len(models) == 1:
            outputs.append(_read(one, one.output, models[0][1]))
        comparison.add(one.name, before=outputs[1], after=outputs[0])
        files.compared += 1
    except TidegateError as error:
        files.failed[one.name] = error_text(error)


def _predicted(one: Sample, predictor: Predictor, options: ScoreOptions, target: Path) -> Output:
    writer = FileWriter(target)
    result = predict_file(one.path, predictor, options, writer)
    if isinstance(result, Failed):
        raise TidegateError(f"{result.error_type}: {result.message}")
    return _read(one, writer.target, options)


def _read(one: Sample, output: Path | None, options: ScoreOptions) -> Output:
    if output is None:
        raise TidegateError("its output is not of this version")
    with one.path.open("rb") as file:
        reader, _ = open_reader(FileReader(file), options)
        columns = len(reader.names)
    return Output.read(output, options, columns)


def _report(found: Comparison, files: _Files, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(found, files))
        return
    console = out()
    sheet = Sheet()
    sheet.add("files", f"{files.compared:,} compared")
    sheet.add("rows", f"{count(found.rows, 'row')}, {_share(found.changed_rows, found.rows)}")
    if found.unmatched_rows:
        sheet.add("", f"[yellow]{found.unmatched_rows:,} rows are in one output only[/]")
    for name in sorted(found.only_before):
        sheet.add("no more", f"[yellow]{plain(name)}[/]")
    for name in sorted(found.only_after):
        sheet.add("new", f"[yellow]{plain(name)}[/]")
    show(console, sheet)
    for column in found.columns.values():
        _show_column(console, column)
    _show_worst(console, found)
    for name, why in files.failed.items():
        line(err(), f"[red]✗[/] {plain(name)}: {plain(why)}")


def _share(changed: int, rows: int) -> str:
    share = changed / rows if rows else 0.0
    return f"[bold]{changed:,} change[/] ({share:.2%})"


def _show_column(console: Console, column: Column) -> None:
    line(console, f"\n[bold]{plain(column.name)}[/]  {_share(column.changed, column.rows)}")
    bins = column.histogram()
    most = max((rows for *_, rows in bins), default=0)
    for low, high, rows in bins:
        bar = "█" * round(BAR * rows / most) or ("▏" if rows else "")
        line(console, f"  {low:>+9.3g} … {high:<+9.3g} [cyan]{bar}[/] {rows:,}")
    for (before, after), rows in column.moves.most_common(SHOWN_MOVES):
        arrow = "=" if before == after else "→"
        line(console, f"  {plain(before)} {arrow} {plain(after)}  {rows:,}")


def _show_worst(console: Console, found: Comparison) -> None:
    if not found.worst:
        return
    line(console, "\n[bold]worst rows[/]")
    for row in found.worst:
        changes = [
            f"{name} {row.before[name]} → {row.after[name]}"
            for name in row.after
            if name in row.before and row.before[name] != row.after[name]
        ]
        key = ", ".join(row.key)
        line(console, f"  {plain(row.file)}  [bold]{plain(key)}[/]  {plain('; '.join(changes))}")


def _facts(found: Comparison, files: _Files) -> dict[str, Any]:
    return {
        "files": files.compared,
        "failed": files.failed,
        "rows": found.rows,
        "changed_rows": found.changed_rows,
        "unmatched_rows": found.unmatched_rows,
        "columns": [
            {
                "name": column.name,
                "changed": column.changed,
                "rows": column.rows,
                "histogram": column.histogram(),
                "moves": [
                    {"before": before, "after": after, "rows": rows}
                    for (before, after), rows in column.moves.most_common()
                ],
            }
            for column in found.columns.values()
        ],
        "only_before": sorted(found.only_before),
        "only_after": sorted(found.only_after),
        "worst": [
            # JSON has no infinity: that is a prediction where there was none, or none any more.
            asdict(row) | {"change": row.change if isfinite(row.change) else None}
            for row in found.worst
        ],
    }
