"""`tidegate report`, `wait --report` and `submit --wait --report`: a run's page, from AWS on."""

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.mocked_stack import DIGEST, INPUT, WORKER_LOGS, MockedStack, deny
from tests.support.summaries import numbers
from tests.unit.tidegate.runs.test_wait import begin, empty, ended, later
from tidegate.aws.account import Account
from tidegate.aws.stack import find
from tidegate.cli.main import main
from tidegate.cli.runs.report import write_page
from tidegate.offline.baseline import Baseline
from tidegate.operating import queues
from tidegate.report import baselines
from tidegate.runs.record import read_request
from tidegate.runs.stack_runs import StackRuns
from worker.distributions import Distributions

Shown = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nobody_to_wake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "wake", lambda *_: None)


def log_done(world: MockedStack, key: str, **fields: object) -> None:
    """Write the log line of a prediction of the run r1."""
    usual = {"event": "job done", "status": "predicted", "run": "r1", "rows": 3, "rejected": 0}
    world.log(WORKER_LOGS, usual | {"input": f"s3://{INPUT}/{key}", "seconds": 0.5} | fields)


def predict_all(world: MockedStack, *keys: str) -> None:
    """Submit inputs as the run r1, and leave an output and a log line of each."""
    for job in begin(world, *keys):
        world.put_output(job, minutes=later())
        log_done(world, job["key"])
    empty(world)


def test_a_run_has_a_page_with_what_its_workers_logged(world: MockedStack, capsys: Shown) -> None:
    a, b, c = begin(world, "a.csv", "b.csv", "<c>.csv")[::-1]
    world.put_output(a, minutes=later())
    world.put_output(b, minutes=later())
    world.fail(c | {"run": "r1"}, "Unparsable", "<b>no table</b>", minutes=later(), letter=False)
    log_done(world, a["key"], rows=1234)
    log_done(world, b["key"], rows=1, rejected=2)
    log_done(world, "other.csv", run="r2", rows=999_999)
    empty(world)
    capsys.readouterr()

    assert main(["report"]) == 3

    page = capsys.readouterr().out
    assert "1 of 3 files failed" in page
    assert "2 rows rejected in 1 file" in page
    assert "1,235" in page
    assert "other.csv" not in page
    assert "&lt;b&gt;no table&lt;/b&gt;" in page
    assert "tidegate redrive Unparsable-" in page
    assert ended(world), "the end of the run is recorded"


def test_a_run_without_a_failure_is_written_to_a_file(
    world: MockedStack, capsys: Shown, tmp_path: Path
) -> None:
    predict_all(world, "a.csv")
    capsys.readouterr()

    assert main(["report", "r1", "--output", str(tmp_path / "r1.html")]) == 0

    assert capsys.readouterr().out == ""
    page = (tmp_path / "r1.html").read_text()
    assert '<div class="verdict good">' in page
    assert "1 file predicted" in page


def test_a_run_that_goes_on_has_a_page_too(world: MockedStack, capsys: Shown) -> None:
    a, _ = begin(world, "a.csv", "b.csv")
    world.put_output(a, minutes=later())
    capsys.readouterr()

    assert main(["report"]) == 0

    assert "1 of 2 files predicted so far" in capsys.readouterr().out
    assert not ended(world)


def test_a_page_says_what_aws_refused_and_is_not_good_then(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_all(world, "a.csv")
    deny(monkeypatch, "logs")
    capsys.readouterr()

    assert main(["report"]) == 0

    page = capsys.readouterr().out
    assert '<div class="verdict open">' in page
    assert "rejected rows are not known" in page
    assert "the workers&#39; log lines: " in page


SCORES = Distributions({"activation": numbers([place / 200 for place in range(200)])})
MODEL_URI = "s3://models/model.pkl"


def put_baseline(world: MockedStack, content: str) -> None:
    where: Any = {"LocationConstraint": world.s3.meta.region_name}
    world.s3.create_bucket(Bucket="models", CreateBucketConfiguration=where)
    world.s3.put_object(Bucket="models", Key="model.pkl.baseline.json", Body=content.encode())


def page_with_baseline(world: MockedStack, capsys: Shown, content: str | None) -> str:
    """Return the page of a run that a model of this baseline has predicted."""
    (a,) = begin(world, "a.csv")
    world.put_output(a, minutes=later())
    facts = {"model": MODEL_URI, "model_sha256": DIGEST, "etag": "e"}
    log_done(world, "a.csv", predictions=SCORES.fields(), **facts)
    log_done(world, "a.csv", status="already done", etag="e")
    empty(world)
    if content is not None:
        put_baseline(world, content)
    capsys.readouterr()
    assert main(["report"]) == 0
    return capsys.readouterr().out


def test_a_page_compares_the_predictions_with_the_baseline_beside_the_model(
    world: MockedStack, capsys: Shown
) -> None:
    before = Distributions({"activation": numbers([0.9] * 300)})
    page = page_with_baseline(world, capsys, Baseline(DIGEST, [], 300, before).to_json())

    assert "200 predictions: smallest 0, mean 0.4975, largest 0.995" in page
    assert "The outline is the baseline, of 300 predictions" in page
    assert "shifted far" in page
    assert '<div class="verdict warning">' in page


@pytest.mark.parametrize("digest", [None, "another model's"])
def test_without_a_baseline_of_this_very_model_the_page_says_how_to_make_one(
    world: MockedStack, capsys: Shown, digest: str | None
) -> None:
    content = Baseline(digest, [], 1, SCORES).to_json() if digest else None
    page = page_with_baseline(world, capsys, content)

    assert "No baseline of the model was found" in page
    assert '<div class="verdict good">' in page


def test_a_damaged_baseline_is_named_on_the_page(world: MockedStack, capsys: Shown) -> None:
    page = page_with_baseline(world, capsys, '{"schema_version": 1, "predictions": []}')

    assert "s3://models/model.pkl.baseline.json is no baseline" in page


def test_a_baseline_that_may_not_be_read_is_as_none(world: MockedStack) -> None:
    put_baseline(world, Baseline(DIGEST, [], 1, SCORES).to_json())
    read = baselines.baseline_of
    refusal = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")

    class Denying:
        def get_object(self, **_: str) -> None:
            raise refusal

    assert read(world.s3, [(MODEL_URI, DIGEST)], DIGEST) == SCORES
    assert read(Denying(), [(MODEL_URI, DIGEST)], DIGEST) is None  # type: ignore[arg-type]


def test_a_page_is_not_printed_on_a_terminal(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_all(world, "a.csv")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    assert main(["report"]) == 2
    assert "`tidegate report > report.html`" in capsys.readouterr().err


def test_wait_writes_the_page_at_the_end_of_the_run(
    world: MockedStack, capsys: Shown, tmp_path: Path
) -> None:
    predict_all(world, "a.csv")

    assert main(["wait", "--report", str(tmp_path / "r1.html")]) == 0

    assert "1 file predicted" in (tmp_path / "r1.html").read_text()
    assert "report: " in capsys.readouterr().err


def test_log_lines_that_come_a_little_later_are_waited_for(
    world: MockedStack, tmp_path: Path
) -> None:
    (a,) = begin(world, "a.csv")
    world.put_output(a, minutes=later())
    account = Account()
    runs = StackRuns(account, find(account, None))
    record, request = read_request(runs.records, "r1")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            log_done(world, "a.csv", rows=4321)

    write_page(runs, record, request, tmp_path / "r1.html", sleep=sleep)

    assert len(waits) == 2
    assert "4,321" in (tmp_path / "r1.html").read_text()


def test_who_may_not_record_the_end_has_a_page_all_the_same(
    world: MockedStack, capsys: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    predict_all(world, "a.csv")
    deny(monkeypatch, "s3", operation="PutObject")
    capsys.readouterr()

    assert main(["report"]) == 0

    shown = capsys.readouterr()
    assert '<div class="verdict good">' in shown.out
    assert "the summary is not recorded" in shown.err


def test_submit_writes_the_page_only_if_it_waits(
    world: MockedStack, capsys: Shown, tmp_path: Path
) -> None:
    page = str(tmp_path / "r1.html")
    world.put_input("a.csv")

    assert main(["submit", f"s3://{INPUT}/", "--report", page]) == 2
    assert "give --wait too" in capsys.readouterr().err
    assert world.waiting() == []
