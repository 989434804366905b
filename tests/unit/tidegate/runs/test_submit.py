"""`tidegate submit` on a stack: what is sent, what is skipped, and what is recorded."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.mocked_stack import INPUT, OUTPUT, MockedStack, written_at
from tests.support.schemas import checked
from tidegate.aws.account import Account
from tidegate.aws.stack import DeployedStack, find
from tidegate.cli.main import main
from tidegate.cli.runs.submit import Wish, request_of
from tidegate.operating import queues
from tidegate.runs.choice import Counts
from tidegate.runs.messages import Sender
from tidegate.runs.stack_runs import StackRuns
from tidegate.runs.submitting import Submitter
from worker.errors import SettingsError

Shown = pytest.CaptureFixture[str]
SOURCE = f"s3://{INPUT}/"
RUNS = "predictions/_runs/"


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(queues, "wake", lambda _, name: names.append(name))
    return names


def landed(world: MockedStack, *keys: str, minutes: float = -10) -> list[dict[str, str]]:
    """Upload inputs, so many minutes after noon."""
    jobs = [world.put_input(key) for key in keys]
    for key in keys:
        written_at(INPUT, key, minutes)
    return jobs


def sent(world: MockedStack) -> list[dict[str, Any]]:
    return sorted(world.waiting(), key=lambda message: str(message["key"]))


def recorded(world: MockedStack) -> list[str]:
    found = world.s3.list_objects_v2(Bucket=OUTPUT, Prefix=RUNS)
    return [one["Key"] for one in found.get("Contents", [])]


def read(world: MockedStack, run: str, name: str) -> dict[str, Any]:
    body = world.s3.get_object(Bucket=OUTPUT, Key=f"{RUNS}{run}/{name}")["Body"].read()
    found: dict[str, Any] = json.loads(body)
    return found


def run_json(capsys: Shown, *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    main([*arguments, "--json"])
    return checked(arguments[0], capsys.readouterr().out)


def test_what_is_predicted_or_has_failed_is_not_sent(
    world: MockedStack, capsys: Shown, woken: list[str]
) -> None:
    done, failed, old, new = landed(world, "d/done.csv", "d/failed.csv", "d/old.csv", "d/new.csv")
    landed(world, "d/notes.txt", "elsewhere.csv")
    world.put_output(done)
    world.fail(failed, letter=False)
    world.put_output(old, minutes=-20)

    found = run_json(capsys, "submit", f"{SOURCE}d/")

    messages = sent(world)
    assert [message["key"] for message in messages] == ["d/new.csv", "d/old.csv"]
    assert messages[0] == {
        "bucket": INPUT,
        "key": "d/new.csv",
        "output_bucket": OUTPUT,
        "output_key": "predictions",
        "etag": new["etag"],
        "size": 9,
        "run": found["run"],
    }
    assert (found["files"], found["skipped_done"], found["skipped_failed"]) == (2, 1, 1)
    assert found["not_selected"] == 1
    assert woken == ["tide-dispatcher"]


def test_a_run_is_recorded(world: MockedStack) -> None:
    landed(world, "a.csv", "b.csv")
    assert main(["submit", SOURCE, "--run", "r1", "--set", "MAX_REJECTED=0.5"]) == 0

    request = read(world, "r1", "request.json")
    assert request["bucket"] == INPUT
    assert request["settings"] == {"MAX_REJECTED": "0.5"}
    assert request["model"] == "s3://models/model.pkl"
    assert request["by"].startswith("arn:")
    body = world.s3.get_object(Bucket=OUTPUT, Key=f"{RUNS}r1/sent/000001-2.jsonl.gz")["Body"].read()
    lines = [json.loads(line) for line in gzip.decompress(body).splitlines()]
    assert [line[0] for line in lines] == ["a.csv", "b.csv"]
    assert read(world, "r1", "sent.json")["files"] == 2


def test_where_all_is_done_nothing_is_left_behind(world: MockedStack, capsys: Shown) -> None:
    (job,) = landed(world, "a.csv")
    world.put_output(job)
    assert main(["submit", SOURCE]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert recorded(world) == []
    assert sent(world) == []


def test_a_dry_run_sends_nothing_and_says_what_it_would_cost(
    world: MockedStack, capsys: Shown
) -> None:
    landed(world, "a.csv", "b.csv")
    assert main(["submit", SOURCE, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "2 files, 18 B" in text
    assert "with 1 worker, $0.00" in text
    assert "assumed" in text
    found = run_json(capsys, "submit", SOURCE, "--dry-run")
    assert found["estimate"]["workers"] == 1
    assert sent(world) == []
    assert recorded(world) == []


def test_again_sends_all_and_says_so(world: MockedStack) -> None:
    done, failed = landed(world, "a.csv", "b.csv")
    world.put_output(done)
    world.fail(failed, letter=False)
    main(["submit", SOURCE, "--again"])
    assert [message["again"] for message in sent(world)] == [True, True]


def test_an_output_of_another_model_is_predicted_again(world: MockedStack) -> None:
    mine, other = landed(world, "a.csv", "b.csv", minutes=-3000)
    for job, digest in ((mine, "ab" * 32), (other, "cd" * 32)):
        world.put_output(job, minutes=-2000)
        key = f"predictions/{job['key']}"
        metadata = world.s3.head_object(Bucket=OUTPUT, Key=key)["Metadata"]
        world.s3.put_object(
            Bucket=OUTPUT, Key=key, Body=b"", Metadata=metadata | {"model-sha256": digest}
        )
        written_at(OUTPUT, key, -2000)
    main(["submit", SOURCE])
    (message,) = sent(world)
    assert (message["key"], message["again"]) == ("b.csv", True)


def test_globs_time_and_number_choose(world: MockedStack) -> None:
    landed(world, "x/1.csv", "x/2.csv", "y/3.csv", "y/4.dat", minutes=-60)
    landed(world, "x/old.csv", minutes=-6000)
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    since = (noon - timedelta(hours=2)).isoformat()

    def keys(*options: str) -> list[str]:
        main(["submit", SOURCE, *options])
        return [message["key"] for message in sent(world)]

    assert keys("--since", since) == ["x/1.csv", "x/2.csv", "y/3.csv"]
    assert keys("--include", "*/4.dat", "--include", "x/1*") == ["x/1.csv", "y/4.dat"]
    assert keys("--include", "x/*", "--exclude", "*old*") == ["x/1.csv", "x/2.csv"]
    assert keys("--limit", "1") == ["x/1.csv"]


def test_a_list_names_files_and_one_that_is_absent_is_told(
    world: MockedStack, capsys: Shown, tmp_path: Path
) -> None:
    a, _, done = landed(world, "a b.csv", "any name", "done.csv")
    world.put_output(done)
    names = tmp_path / "names"
    names.write_text(f"s3://{INPUT}/any name\na b.csv\n\ngone.csv\ndone.csv\n")
    assert main(["submit", "--manifest", str(names)]) == 3
    assert "gone.csv" in capsys.readouterr().err
    messages = sent(world)
    assert [message["key"] for message in messages] == ["a b.csv", "any name"]
    assert messages[0]["etag"] == a["etag"]


def test_a_mistake_is_told_and_nothing_is_sent(world: MockedStack, capsys: Shown) -> None:
    landed(world, "a.csv")
    for arguments, reason in (
        ([], "say which files"),
        (["dir/"], "is no S3 URI"),
        (["s3://elsewhere/x"], f"is not within s3://{INPUT}/"),
        ([SOURCE, "--set", "MODEL=x"], "a message may not set 'MODEL'"),
        ([SOURCE, "--set", "MAX_REJECTED=2"], "MAX_REJECTED"),
        ([SOURCE, "--run", "a b"], "a run is named by"),
        (["--run", "nothing"], "there is no run nothing"),
        ([SOURCE, "--since", "soon"], "is no time"),
        ([SOURCE, "--manifest", __file__], "not both"),
    ):
        assert main(["submit", *arguments]) == 2
        assert reason in capsys.readouterr().err
    assert sent(world) == []
    assert recorded(world) == []


@pytest.mark.parametrize(
    ("outputs", "parameters", "reason"),
    [
        ({"OutputBucket": INPUT}, {}, "takes what is not below predictions/ for inputs"),
        ({}, {"OutputBucket": OUTPUT}, "may write below predictions/ only"),
    ],
)
def test_an_output_key_where_no_worker_may_write_is_refused(
    outputs: dict[str, str], parameters: dict[str, str], reason: str
) -> None:
    own = {"InputBucket": INPUT, "OutputBucket": OUTPUT, "OutputKey": "predictions"}
    stack = DeployedStack("tide", "", "", parameters, own | outputs, {})
    nobody: Any = None
    runs = StackRuns(nobody, stack)
    with pytest.raises(SettingsError, match=f"{reason}: --output-key predictions/v2"):
        runs.check_output_key("v2")
    assert runs.check_output_key("predictions/v2/") == "predictions/v2"
    assert runs.check_output_key(None) == "predictions"


def test_rescore_writes_beside_the_old_outputs(world: MockedStack) -> None:
    old, new = landed(world, "a.csv", "b.csv")
    world.put_output(old)
    world.put_output(new)
    assert main(["rescore", SOURCE, "--output-key", "v2/"]) == 0
    assert [message["output_key"] for message in sent(world)] == ["v2", "v2"]


class Sqs:
    """Takes one call, and is interrupted in the next one."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def send_message_batch(self, *, QueueUrl: str, Entries: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803, ARG002 - boto3's names
        keys = [json.loads(entry["MessageBody"])["key"] for entry in Entries]
        if "10.csv" in keys:
            raise KeyboardInterrupt
        self.taken += keys
        return {}


def test_an_interrupted_run_goes_on_with_what_was_not_sent(
    world: MockedStack, capsys: Shown
) -> None:
    landed(world, *(f"{number:02}.csv" for number in range(20)))
    runs = StackRuns(Account(), find(Account(), None))
    wish = Wish(SOURCE, None, "r1", (), (), None, None, False, None, ())
    request, record, _ = request_of(runs, wish)
    sqs: Any = Sqs()
    submitter = Submitter(request, record, Sender(sqs, "q", "r1"), lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        submitter.run(runs.chosen(request, Counts()))
    assert len(sqs.taken) == 10

    found = run_json(capsys, "submit", "--run", "r1")
    assert found["files"] == 20
    keys = [message["key"] for message in sent(world)]
    assert keys == [f"{number:02}.csv" for number in range(10, 20)]
    assert read(world, "r1", "sent.json")["files"] == 20

    landed(world, "99.csv")
    assert run_json(capsys, "submit", "--run", "r1")["files"] == 20, "it was sent to its end"
    assert sent(world) == []
    assert main(["submit", SOURCE, "--again", "--run", "r1"]) == 2
    assert "asks for something else" in capsys.readouterr().err
