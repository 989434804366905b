"""Real workers predict the hard files: each outcome is the expected one, to the byte."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import joblib
import pytest

from tests.support.scenario import Ended, Endpoint
from tests.torture.case import Case, Predicted, Refused
from tests.torture.cases import CASES
from tests.torture.comparison import difference
from tests.torture.runs import RUNS, Run


@dataclass(frozen=True)
class Finished:
    """A worker that has settled all files of its run."""

    endpoint: Endpoint
    ended: Ended
    keys: set[str]


Through = Callable[[Run], Finished]


def cases_of(run: Run) -> list[Case]:
    return [case for case in CASES if case.run is run]


@pytest.fixture(scope="module")
def through(by_hand: Callable[[], Endpoint], tmp_path_factory: pytest.TempPathFactory) -> Through:
    """Let a worker settle the files of a run, once."""

    @cache
    def finish(run: Run) -> Finished:
        model = tmp_path_factory.mktemp("model") / "model.joblib"
        joblib.dump(run.model(), model)
        endpoint = by_hand()
        for case in cases_of(run):
            endpoint.submit(case.key, case.body)
        with endpoint.started(WORKER_MODEL=str(model), **run.settings) as worker:
            ended = worker.ended()
        return Finished(endpoint, ended, endpoint.keys())

    return finish


@pytest.mark.parametrize("run", RUNS, ids=str)
def test_a_worker_settles_every_hard_file_and_leaves_nothing_else_behind(
    through: Through, run: Run
) -> None:
    finished, cases = through(run), cases_of(run)
    assert finished.ended.status == 0, finished.ended.stderr
    assert finished.keys == set().union(*(case.written for case in cases))
    failed = [case for case in cases if isinstance(case.outcome, Refused)]
    assert finished.endpoint.left(finished.endpoint.queue) == 0
    assert finished.endpoint.left(finished.endpoint.dead) == len(failed)


@pytest.mark.parametrize("case", [case for run in RUNS for case in cases_of(run)], ids=str)
def test_a_hard_file_comes_out_as_it_must(through: Through, case: Case) -> None:
    finished = through(case.run)
    endpoint = finished.endpoint
    possible = {case.output_key, case.rejects_key, case.report_key}
    written = finished.keys & possible
    report = json.loads(endpoint.get(case.report_key)) if case.report_key in written else {}
    assert written == case.written, report
    if isinstance(case.outcome, Predicted):
        assert difference(case.outcome.output, endpoint.get(case.output_key)) is None
        if case.outcome.rejects is not None:
            assert endpoint.get(case.rejects_key) == case.outcome.rejects
    else:
        assert (report["error_type"], report["permanent"]) == (case.outcome.error_type, True)
        assert [word for word in case.outcome.words if word not in report["message"]] == []
