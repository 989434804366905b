"""Scenario: the calls to AWS for small files, counted by a proxy in one run of each contender."""

from collections.abc import Iterator

from benchmarks.harness.bench_cloud import BenchCloud
from benchmarks.harness.contenders import Contender, opponents, worker
from benchmarks.harness.drain import drain
from benchmarks.harness.options import Options
from benchmarks.harness.proxy import proxy_to
from benchmarks.harness.report import Report, Row
from benchmarks.scenarios.small_files import output_check, upload_inputs
from tests.support.scenario import model_file

WORK = "AWS calls"
FILES, QUICK_FILES = 300, 100


def measure(bench: BenchCloud, options: Options, report: Report) -> None:
    """Count the calls of each program from its start to its end. A count needs no second run."""
    keys = upload_inputs(bench, QUICK_FILES if options.quick else FILES)
    model = model_file(bench.folder)
    for contender in _programs():
        options.log(f"{WORK}: {contender.name}")
        share = keys[: round(len(keys) * contender.share)]
        with proxy_to(bench.cloud.url) as proxy:
            drained = drain(bench, contender, share, model, output_check(model), url=proxy.url)
        calls = len(proxy.calls)
        figures = {"calls/file": calls / len(share)}
        work = f"{WORK} of {len(share)} small files"
        report.rows.append(Row.of(work, contender.name, [drained], figures, calls))


def _programs() -> Iterator[Contender]:
    """Yield each program once, with its fewest processes."""
    seen = set()
    for contender in (worker(), *opponents()):
        if contender.module not in seen:
            seen.add(contender.module)
            yield contender
