"""Workers that are stopped or killed while they work on jobs.

The predictor waits for a file that the test makes, so the test decides when a job goes on. Only a
heartbeat depends on the clock: the worker sends one each second, and a lease lasts ten seconds.
"""

import os
import signal
from pathlib import Path

import pytest

from tests.support.scenario import Endpoint
from tests.support.waiting import eventually

LEASE = {"WORKER_VISIBILITY_SECONDS": "10", "WORKER_HEARTBEAT_SECONDS": "1"}


PREDICTOR = '''
import os
import time
from pathlib import Path

import pandas as pd


class Latched:
    """Note each attempt at a file, and wait until the test lets the file go.

    The file's one cell has the file's name.
    """

    def __init__(self, folder):
        self.folder = folder.parent

    def predict(self, frame):
        name = frame.iloc[0, 0]
        with (self.folder / f"attempts {name}").open("a") as attempts:
            attempts.write(f"{os.getpid()}\\n")
        while not (self.folder / f"go {name}").exists():
            time.sleep(0.02)
        return pd.DataFrame({"prediction": frame.iloc[:, 0]})
'''


class Jobs:
    """Files on the queue. A worker works on a file until the test lets the file go."""

    def __init__(self, endpoint: Endpoint, folder: Path) -> None:
        self._folder = folder
        (folder / "latched.py").write_text(PREDICTOR)
        model = folder / "model"
        model.touch()
        endpoint.environment |= {
            "PYTHONPATH": str(folder),
            "WORKER_MODEL": str(model),
            "WORKER_PREDICTOR": "latched:Latched",
        }
        self._endpoint = endpoint

    def submit(self, *names: str) -> None:
        for name in names:
            self._endpoint.submit(f"{name}.csv", f"id,name\n1,{name}\n".encode())

    def let_go(self, *names: str) -> None:
        for name in names:
            (self._folder / f"go {name}").touch()

    def attempts(self, name: str) -> list[int]:
        """Return the process of each attempt at a file."""
        noted = self._folder / f"attempts {name}"
        return [int(pid) for pid in noted.read_text().split()] if noted.exists() else []

    def under_way(self, names: str) -> bool:
        return all(self.attempts(name) for name in names)

    def outputs(self) -> str:
        """Return the names of the files that have an output."""
        keys = self._endpoint.keys()
        return "".join(sorted(key.removeprefix("p/")[0] for key in keys))


@pytest.fixture
def jobs(endpoint: Endpoint, tmp_path: Path) -> Jobs:
    return Jobs(endpoint, tmp_path)


def test_on_sigterm_jobs_under_way_are_finished_and_those_not_started_are_visible_at_once(
    endpoint: Endpoint, jobs: Jobs
) -> None:
    jobs.submit("a")
    with endpoint.started(WORKER_CONCURRENCY="1") as worker:
        eventually(lambda: jobs.under_way("a"))
        for name in "bc":
            jobs.submit(name)
            # A worker with one job under way takes one more message.
            eventually(lambda: endpoint.counts(endpoint.queue)[1] == 2)
        jobs.let_go("a")
        eventually(lambda: jobs.under_way("b") and endpoint.counts(endpoint.queue) == (0, 2))

        worker.send(signal.SIGTERM)

        eventually(lambda: endpoint.counts(endpoint.queue) == (1, 1))
        jobs.let_go("b")
        ended = worker.ended()

    assert ended.status == 0, ended.stderr
    assert jobs.outputs() == "ab"
    assert endpoint.counts(endpoint.queue) == (1, 0)
    assert jobs.attempts("c") == []


def test_a_job_longer_than_the_drain_is_given_back_within_it(
    endpoint: Endpoint, jobs: Jobs
) -> None:
    jobs.submit("a")
    # The lease lasts longer than any test, so the message is visible only if it is released.
    lease = {"WORKER_VISIBILITY_SECONDS": "43000"}
    drain = {"WORKER_DRAIN_SECONDS": "5", "WORKER_WAIT_SECONDS": "1"}
    with endpoint.started(**lease, **drain) as worker:
        eventually(lambda: jobs.under_way("a"))

        worker.send(signal.SIGTERM)

        eventually(lambda: endpoint.counts(endpoint.queue) == (1, 0))
        ended = worker.ended()

    assert ended.status == 0, ended.stderr
    # A tenth of the drain is kept for the release.
    assert [line["seconds"] for line in ended.said("drain deadline reached")] == [4.5]
    assert jobs.outputs() == ""
    assert endpoint.counts(endpoint.queue) == (1, 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_every_process_as_by_ctrl_c_lets_the_job_under_way_be_finished_all_the_same(
    endpoint: Endpoint, jobs: Jobs, number: signal.Signals
) -> None:
    jobs.submit("a")
    with endpoint.started() as worker:
        eventually(lambda: jobs.under_way("a"))

        worker.send_to_group(number)

        worker.until("stopping")
        jobs.let_go("a")
        ended = worker.ended()

    assert ended.status == 0, ended.stderr
    assert jobs.outputs() == "a"
    assert len(jobs.attempts("a")) == 1
    assert endpoint.left(endpoint.queue) == 0


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_second_signal_ends_every_process_at_once(
    endpoint: Endpoint, jobs: Jobs, number: signal.Signals, status: int
) -> None:
    jobs.submit("a")
    with endpoint.started() as worker:
        eventually(lambda: jobs.under_way("a"))
        worker.send(number)
        worker.until("stopping")

        worker.send(number)
        ended = worker.ended()

    assert ended.status == status
    assert endpoint.left(endpoint.queue) == 1
    assert jobs.outputs() == ""


def test_a_killed_workers_processes_end_too_and_another_worker_predicts_its_file(
    endpoint: Endpoint, jobs: Jobs
) -> None:
    jobs.submit("a")
    with endpoint.started(**LEASE) as worker:
        eventually(lambda: jobs.under_way("a"))
        worker.send(signal.SIGKILL)
        worker.ended()
    assert jobs.outputs() == ""

    jobs.let_go("a")
    with endpoint.started(WORKER_IDLE_SECONDS="-1", WORKER_WAIT_SECONDS="1") as another:
        eventually(lambda: endpoint.left(endpoint.queue) == 0)
        another.send(signal.SIGTERM)
        ended = another.ended()

    assert ended.status == 0, ended.stderr
    assert [done["receive_count"] for done in ended.said("job done")] == [2]
    assert jobs.outputs() == "a"


def test_when_a_pool_process_is_killed_its_job_alone_is_tried_again(
    endpoint: Endpoint, jobs: Jobs
) -> None:
    jobs.submit("a", "b")
    with endpoint.started(WORKER_PREDICT_PROCESSES="2", WORKER_RETRY_SECONDS="1") as worker:
        eventually(lambda: jobs.under_way("ab"))

        os.kill(jobs.attempts("a")[0], signal.SIGKILL)

        eventually(lambda: len(jobs.attempts("a")) == 2)
        jobs.let_go("a", "b")
        ended = worker.ended()

    assert ended.status == 0, ended.stderr
    assert jobs.outputs() == "ab"
    assert len(jobs.attempts("a")) == 2
    assert len(jobs.attempts("b")) == 1
    assert endpoint.left(endpoint.queue) == endpoint.left(endpoint.dead) == 0


def test_jobs_longer_than_the_visibility_timeout_stay_out_of_others_hands(
    endpoint: Endpoint, jobs: Jobs
) -> None:
    jobs.submit("a", "b")
    # With concurrency 1 a worker takes two messages, one of which waits, and polls for no more.
    with endpoint.started(**LEASE, WORKER_CONCURRENCY="1") as worker:
        eventually(lambda: endpoint.counts(endpoint.queue) == (0, 2))
        eventually(lambda: jobs.under_way("a") or jobs.under_way("b"))

        rival = endpoint.sqs.receive_message(QueueUrl=endpoint.queue, WaitTimeSeconds=12)

        assert rival.get("Messages", []) == []
        jobs.let_go("a", "b")
        ended = worker.ended()

    assert ended.status == 0, ended.stderr
    assert jobs.outputs() == "ab"
    assert [len(jobs.attempts(name)) for name in "ab"] == [1, 1]
    assert endpoint.left(endpoint.queue) == 0
