"""Workers that the test starts on the local cloud."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import make_authority
from tests.support.scenario import OTHER_REGION, Endpoint, drain_ten, iris, model_file
from tests.support.tls_front import tls_front
from tests.support.waiting import eventually

PREDICTOR = '''
import os
import time

import joblib

from worker.models import SklearnPredictor


class Held(SklearnPredictor):
    """The pickled model. It notes the worker that uses it, and waits until the test lets it go."""

    def __init__(self, path):
        super().__init__(joblib.load(path))
        self.folder = path.parent

    def predict(self, frame):
        (self.folder / f"worker {os.getppid()}").touch()
        while not (self.folder / "go").exists():
            time.sleep(0.02)
        return super().predict(frame)
'''


async def test_ten_messages_in_the_origins_format_are_drained_and_the_worker_leaves(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    await drain_ten(endpoint, tmp_path)


async def test_over_tls_a_worker_writes_to_a_bucket_in_another_region(
    by_hand: Callable[..., Endpoint], tmp_path: Path
) -> None:
    endpoint = by_hand(output_region=OTHER_REGION)
    with tls_front(endpoint.url, make_authority(tmp_path)) as front:
        endpoint.environment |= front.environment
        await drain_ten(endpoint, tmp_path)
    # Some outputs were redirected, and each of the ten was taken.
    assert front.seen["aws-chunked"] + front.seen["checksum"] > 10


async def test_a_missing_variable_ends_the_start_with_status_2_and_names_it(
    endpoint: Endpoint,
) -> None:
    endpoint.submit("a.csv", b"id,x\n1,2\n")

    ended = await endpoint.worker()

    assert ended.status == 2
    problem, advice = ended.stderr.splitlines()
    assert problem.startswith("error: WORKER_MODEL is required")
    assert advice.startswith("help: ")
    assert endpoint.counts(endpoint.queue) == (1, 0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"WORKER_QUEUE": "no-such-queue"}, "no-such-queue"),
        ({"WORKER_MODEL": "s3://{bucket}/no-such.pkl"}, "s3://{bucket}/no-such.pkl"),
        ({"WORKER_MODEL": "no-such.pkl"}, "no-such.pkl"),
        ({"WORKER_MODEL_SHA256": "0" * 64}, "0" * 64),
    ],
    ids=["queue", "model-in-a-bucket", "model-at-a-path", "digest"],
)
async def test_what_cannot_be_used_ends_the_start_with_status_1_and_one_line_naming_it(
    endpoint: Endpoint, tmp_path: Path, changes: dict[str, str], named: str
) -> None:
    endpoint.submit("a.csv", b"id,x\n1,2\n")
    changes = {name: value.format(bucket=endpoint.input) for name, value in changes.items()}

    ended = await endpoint.worker(**{"WORKER_MODEL": str(model_file(tmp_path))} | changes)

    assert ended.status == 1
    (line,) = ended.stderr.splitlines()
    (event,) = ended.events
    assert event["event"] == "worker failed"
    assert named.format(bucket=endpoint.input) in str(event["error"])
    assert "Traceback" not in line
    assert endpoint.counts(endpoint.queue) == (1, 0)


async def test_an_unreadable_message_is_dead_lettered_with_its_reason(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    sent = endpoint.sqs.send_message(QueueUrl=endpoint.queue, MessageBody="nonsense")

    ended = await endpoint.worker(WORKER_MODEL=str(model_file(tmp_path)))

    assert ended.status == 0, ended.stderr
    assert endpoint.left(endpoint.queue) == 0
    (dead,) = endpoint.sqs.receive_message(
        QueueUrl=endpoint.dead, MessageAttributeNames=["All"], MaxNumberOfMessages=10
    )["Messages"]
    assert dead["Body"] == "nonsense"
    reasons = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert all(reasons.pop(name) for name in ("error_message", "worker", "model_sha256"))
    assert reasons == {
        "error_type": "UnreadableBody",
        "receive_count": "1",
        "source_queue": endpoint.name,
        "source_message_id": sent["MessageId"],
    }


def test_two_workers_share_a_queue_and_write_the_bytes_that_one_alone_writes(
    endpoint: Endpoint, tmp_path: Path
) -> None:
    (tmp_path / "held.py").write_text(PREDICTOR)
    endpoint.environment |= {
        "PYTHONPATH": str(tmp_path),
        "WORKER_MODEL": str(model_file(tmp_path)),
        "WORKER_PREDICTOR": "held:Held",
    }
    flowers = iris()
    files = {
        f"{number:02}.csv": flowers.iloc[number : number + 100].to_csv(index=False).encode()
        for number in range(40)
    }
    for key, body in files.items():
        endpoint.submit(key, body, output_key="alone")
    (tmp_path / "go").touch()
    with endpoint.started(WORKER_CONCURRENCY="1") as worker:
        worker.ended()
    for marker in [tmp_path / "go", *tmp_path.glob("worker *")]:
        marker.unlink()

    # A held worker takes four messages at most, so some are left for the other worker.
    shared = {"WORKER_CONCURRENCY": "2", "WORKER_IDLE_SECONDS": "-1"}
    polls = {"WORKER_CONSUMERS": "2", "WORKER_WAIT_SECONDS": "1"}
    with endpoint.started(**shared, **polls) as one, endpoint.started(**shared, **polls) as other:
        for worker in (one, other):
            worker.until("ready")
        for key, body in files.items():
            endpoint.submit(key, body, output_key="shared")
        eventually(lambda: len(list(tmp_path.glob("worker *"))) == 2)
        (tmp_path / "go").touch()
        eventually(lambda: endpoint.left(endpoint.queue) == 0)
        for worker in (one, other):
            worker.send(signal.SIGTERM)
        both = [worker.ended() for worker in (one, other)]

    assert [ended.status for ended in both] == [0, 0]
    shares = [len(ended.said("job done")) for ended in both]
    assert all(shares)
    assert sum(shares) == len(files)
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0
    assert endpoint.keys() == {f"{run}/{key}" for run in ("alone", "shared") for key in files}
    for key in files:
        assert endpoint.get(f"shared/{key}") == endpoint.get(f"alone/{key}")


async def test_a_file_delivered_twice_is_written_once(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.s3.put_bucket_versioning(
        Bucket=endpoint.output, VersioningConfiguration={"Status": "Enabled"}
    )
    for _ in range(2):
        endpoint.submit("a.csv", iris().to_csv(index=False).encode())

    ended = await endpoint.worker(WORKER_MODEL=str(model_file(tmp_path)))

    assert ended.status == 0, ended.stderr
    statuses = [done["status"] for done in ended.said("job done")]
    assert sorted(map(str, statuses)) == ["already done", "predicted"]
    versions = endpoint.s3.list_object_versions(Bucket=endpoint.output)["Versions"]
    assert [version["Key"] for version in versions] == ["p/a.csv"]
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0
