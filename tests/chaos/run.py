"""One run: first without faults, which gives the expected bytes, and then with faults."""

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
from tests.chaos.proxy import Proxy, rough_network
from tests.chaos.verdict import problems_of, problems_of_bucket, problems_of_queues
from tests.support.certificates import make_authority
from tests.support.processes import processes_below
from tests.support.scenario import OTHER_REGION, Endpoint, model_file

TICK_SECONDS = 0.1
# Only a hang lasts as long as these, also on a slow machine.
CALM_SECONDS = 900  # from the end of the faults to the end of the run
START_SECONDS = 300
STOP_SECONDS = 300
LINGERING_SECONDS = 120
numbers = count(1)


@dataclass(frozen=True, slots=True)
class Plan:
    """The amounts of one run."""

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
        """Return settings with short times, so that much happens within a minute."""
        return {
            "SLOW_SECONDS": str(self.slow_seconds),
            "WORKER_CONCURRENCY": "4",
            "WORKER_CONSUMERS": "2",
            "WORKER_DRAIN_SECONDS": "8",
            "WORKER_IDLE_SECONDS": "5",
            # Good messages too are received many times, and each receive doubles the backoff.
            "WORKER_RETRY_SECONDS": "0.01",
            "WORKER_VISIBILITY_SECONDS": str(self.visibility_seconds),
            "WORKER_WAIT_SECONDS": "2",
        }


def chaos(seed: int, plan: Plan, cloud: Mapping[str, str], folder: Path) -> Outcome:
    """Predict the same inputs without and with faults, and compare the results.

    `cloud` is the environment of a program that uses the cloud. The workers' logs stay in `folder`.
    """
    inputs = draw(seed, plan.files, killer=plan.killer)
    model = model_file(folder).read_bytes()
    expected = _quiet(inputs, _endpoint(cloud, plan, model))
    endpoint = _endpoint(cloud, plan, model)
    feed = Feed(endpoint, inputs)
    with (
        TemporaryDirectory(prefix="chaos-") as temporary,  # short: there are sockets in it
        rough_network(endpoint.url, seed, make_authority(folder)) as network,
    ):
        changes = {"TMPDIR": temporary, **network.environment}
        fleet = Fleet(plan.workers, endpoint.environment | plan.environment() | changes, folder)
        try:
            conductor = Conductor(seed, fleet, plan.blows, plan.rough_seconds, plan.pause_seconds)
            _wait_for(fleet.is_up, START_SECONDS)  # the first blows need workers to hit
            begun = time.monotonic()
            _until_empty(plan, endpoint, feed, conductor, network)
            seconds = time.monotonic() - begun
            fleet.stop(STOP_SECONDS)
            problems = list(_left_behind(Path(temporary)))
        finally:
            fleet.kill()
    problems += network.problems
    problems += problems_of_bucket(endpoint, expected, inputs.poison())
    problems += problems_of_queues(endpoint, feed.poison())
    problems += [problem for worker in fleet.ended for problem in problems_of(worker)]
    return Outcome(seed, seconds, network.faults + conductor.dealt, fleet.ended, problems)


def _endpoint(cloud: Mapping[str, str], plan: Plan, model: bytes) -> Endpoint:
    """Make buckets and queues of a run's own, with the model in a bucket.

    The output bucket is in another region than the rest.
    """
    endpoint = Endpoint(
        cloud["AWS_ENDPOINT_URL"],
        f"chaos-{next(numbers)}",
        max_receives=plan.max_receives,
        output_region=OTHER_REGION,
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
    """Carry out feed and blows, then wait for an empty queue, until CALM_SECONDS are over."""
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < plan.rough_seconds + CALM_SECONDS:
        feed.advance(now / plan.feed_seconds)
        conductor.advance(now)
        if now > plan.rough_seconds and conductor.is_done:
            network.calm()
            if endpoint.left(endpoint.queue) == 0:
                return
        time.sleep(TICK_SECONDS)


def _left_behind(folder: Path) -> Iterator[str]:
    """Find processes that outlive their workers. They need a moment to notice a worker's end."""
    _wait_for(lambda: not processes_below(folder), LINGERING_SECONDS)
    yield from (f"left behind: {process}" for process in processes_below(folder))


def _wait_for(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until the condition is true or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(TICK_SECONDS)
