"""One run: quietly first, for the bytes that are right, and then roughly."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.chaos.conductor import Conductor
from tests.chaos.feed import Feed
from tests.chaos.fleet import Fleet
from tests.chaos.inputs import Inputs, draw
from tests.chaos.outcome import Outcome
from tests.chaos.processes import processes_below
from tests.chaos.proxy import Proxy, rough_network
from tests.chaos.verdict import problems_of, problems_of_bucket, problems_of_queues
from tests.support.scenario import Endpoint, model_file

TICK_SECONDS = 0.1
CALM_SECONDS = 120  # in which a run must come to its end
START_SECONDS = 30
STOP_SECONDS = 30
LINGERING_SECONDS = 10
numbers = count(1)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything a run has."""

    files: int
    killer: bool  # a file that kills whatever process predicts it
    workers: int
    blows: int
    feed_seconds: float
    rough_seconds: float
    visibility_seconds: int
    slow_seconds: float
    max_receives: int

    @property
    def pause_seconds(self) -> float:
        """Return how long a pause lasts: longer than a lease."""
        return 1.4 * self.visibility_seconds

    def environment(self) -> dict[str, str]:
        """Return the settings of hurried workers, to whom much happens in a minute."""
        return {
            "SLOW_SECONDS": str(self.slow_seconds),
            "WORKER_CONCURRENCY": "4",
            "WORKER_CONSUMERS": "2",
            "WORKER_DRAIN_SECONDS": "8",
            "WORKER_IDLE_SECONDS": "5",
            # The innocent too are received many times, and their backoff doubles with each.
            "WORKER_RETRY_SECONDS": "0.01",
            "WORKER_VISIBILITY_SECONDS": str(self.visibility_seconds),
            "WORKER_WAIT_SECONDS": "2",
        }


def chaos(seed: int, plan: Plan, cloud: Mapping[str, str], folder: Path) -> Outcome:
    """Predict the same inputs quietly and roughly, and judge what came of it.

    The cloud is the environment of who uses it; the workers' logs stay in the folder.
    """
    inputs = draw(seed, plan.files, killer=plan.killer)
    model = model_file(folder).read_bytes()
    expected = _quiet(inputs, _endpoint(cloud, plan, model))
    endpoint = _endpoint(cloud, plan, model)
    feed = Feed(endpoint, inputs)
    with (
        TemporaryDirectory(prefix="chaos-") as temporary,  # short: there are sockets in it
        rough_network(endpoint.url, seed) as network,
    ):
        changes = {"TMPDIR": temporary, "AWS_ENDPOINT_URL": network.url}
        fleet = Fleet(plan.workers, endpoint.environment | plan.environment() | changes, folder)
        try:
            conductor = Conductor(seed, fleet, plan.blows, plan.rough_seconds, plan.pause_seconds)
            _wait_for(fleet.is_up, START_SECONDS)  # or the first blows hit nothing
            begun = time.monotonic()
            _until_empty(plan, endpoint, feed, conductor, network)
            seconds = time.monotonic() - begun
            fleet.stop(STOP_SECONDS)
            problems = list(_left_behind(temporary))
        finally:
            fleet.kill()
    problems += problems_of_bucket(endpoint, expected, inputs.poison())
    problems += problems_of_queues(endpoint, feed.poison())
    problems += [problem for worker in fleet.ended for problem in problems_of(worker)]
    return Outcome(seed, seconds, network.faults + conductor.dealt, fleet.ended, problems)


def _endpoint(cloud: Mapping[str, str], plan: Plan, model: bytes) -> Endpoint:
    """Make buckets and queues of a run's own, with the model in a bucket."""
    endpoint = Endpoint(
        cloud["AWS_ENDPOINT_URL"], f"chaos-{next(numbers)}", max_receives=plan.max_receives
    )
    endpoint.s3.put_object(Bucket=endpoint.input, Key="model.pkl", Body=model)
    endpoint.environment = {
        **cloud,
        **endpoint.environment,
        "WORKER_MODEL": f"s3://{endpoint.input}/model.pkl",
        "WORKER_MODEL_SHA256": hashlib.sha256(model).hexdigest(),
        "WORKER_PREDICTOR": "tests.chaos.touchy:Touchy",
    }
    return endpoint


def _quiet(inputs: Inputs, endpoint: Endpoint) -> dict[str, bytes]:
    """Return the outputs that one undisturbed worker writes."""
    newest = inputs.newest()
    for key, body in newest.items():
        endpoint.submit(key, body)
    with endpoint.started(WORKER_IDLE_SECONDS="0") as worker:
        ended = worker.ended()
    assert ended.status == endpoint.left(endpoint.queue) == 0, ended.stderr
    return {f"p/{key}": endpoint.get(f"p/{key}") for key in newest}


def _until_empty(
    plan: Plan, endpoint: Endpoint, feed: Feed, conductor: Conductor, network: Proxy
) -> None:
    """Let everything happen, then wait for an empty queue, but not for ever."""
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < plan.rough_seconds + CALM_SECONDS:
        feed.advance(now / plan.feed_seconds)
        conductor.advance(now)
        if now > plan.rough_seconds and conductor.is_done:
            network.calm()
            if endpoint.left(endpoint.queue) == 0:
                return
        time.sleep(TICK_SECONDS)


def _left_behind(folder: str) -> Iterator[str]:
    """Find processes that outlive their workers; those of a killed one have a moment to notice."""
    _wait_for(lambda: not processes_below(folder), LINGERING_SECONDS)
    yield from (f"left behind: {process}" for process in processes_below(folder))


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
