"""Everything that settles a message, on a fake queue and a fake storage, without a worker."""

from collections.abc import Callable

from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.storage import FakeStorage
from worker.events.sender import EventSender
from worker.job import Job
from worker.jobs.announcing.announcer import Announcer
from worker.jobs.dead_letters import DeadLetters
from worker.jobs.failure_reports import FailureReports, Origin
from worker.jobs.settlement import Settlement
from worker.lifecycle.breaker import Breaker
from worker.metrics import Metrics
from worker.queue.deletes import Deletes
from worker.queue.leases import Leases

VISIBILITY_SECONDS = 30


async def _no_rejects(_: Job, __: Callable[[], None]) -> None:
    """Do nothing: this worker writes no rejected rows."""


class SettlementSetup:
    """The leases, deletes, dead letters and settlement of one worker."""

    def __init__(
        self,
        queue: FakeQueue,
        storage: FakeStorage | None = None,
        events: EventSender | None = None,
    ) -> None:
        self.queue = queue
        self.storage = storage or FakeStorage()
        self.leases = Leases(queue, visibility_seconds=VISIBILITY_SECONDS, heartbeat_seconds=10)
        self.deletes = Deletes(queue)
        origin = Origin("worker-1", "m", "0" * 64)
        template = "{output_key}/_failed/{key}.json"
        self.reports = FailureReports(self.storage, template=template, origin=origin)
        announcer = Announcer(events, self.storage, stack="tide", model_sha256=origin.model_sha256)
        self.dead_letters = DeadLetters(
            queue,
            queue_name="q",
            origin=origin,
            leases=self.leases,
            reports=self.reports,
            storage=self.storage,
            announcer=announcer,
            empty_superseded_rejects=_no_rejects,
        )
        metrics = Metrics("q", None)
        self.breaker = Breaker(metrics)
        self.settlement = Settlement(
            queue,
            breaker=self.breaker,
            leases=self.leases,
            deletes=self.deletes,
            dead_letters=self.dead_letters,
            announcer=announcer,
            metrics=metrics,
            retry_seconds=30,
        )
