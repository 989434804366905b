"""The workers of a schedule: started while the queue has messages, and hit by process faults."""

import asyncio

from tests.search.bus import SimulatedEvents
from tests.search.checks import Checks
from tests.search.faults import Faults
from tests.search.network import Network, SimulatedClient
from tests.search.plan import BUS, QUEUE, Plan, ProcessFault
from tests.search.pool import PoolPlan, SimulatedPool
from tests.search.processes import Process
from tests.support.fakes.worker import settings
from worker.clock import now
from worker.errors import FatalError, TransientError
from worker.events.bus import EventBus
from worker.jobs.limits import ByteBudget
from worker.lifecycle.stop import Stop
from worker.lifecycle.supervision import StopRequested, cancel_on_stop
from worker.metrics import Metrics
from worker.queue.sqs import SqsQueue
from worker.service.phases import Phases
from worker.service.run import serve
from worker.service.start_limit import StartLimit
from worker.service.wiring import build
from worker.settings import Settings
from worker.storage.s3 import S3Storage

POLL_SECONDS, CALL_SECONDS, STORAGE_SECONDS = 10.0, 30.0, 60.0  # until the clients time out
RELEASE_SECONDS = 6.0  # from the drain's deadline to the end
ROUNDING_SECONDS = 0.001  # of a sum of times
BEFORE_END_SECONDS = 0.05
LOOK_SECONDS = 2.0
LONGEST_STOP_SECONDS = 300.0
LONGEST_START_SECONDS = 601.0


class TimedStop(Stop):
    """A stop that records when it was first requested."""

    at: float | None = None

    def request(self, reason: str) -> None:
        if self.at is None:
            self.at = now()
        super().request(reason)


class Worker:
    """One worker of the fleet."""

    def __init__(self, number: int, plan: Plan, chosen: Settings, faults: Faults) -> None:
        self.process = Process(f"worker-{number}")
        self.began = now()
        self.start_hangs = faults.start_hangs(self.process.name, now())
        self.stop = TimedStop()
        self.settings = chosen
        self._part_bytes = plan.part_bytes
        self._sends_events = plan.sends_events
        self.budget: ByteBudget | None = None  # of the jobs, once it has started
        self._budget_bytes = plan.budget_bytes or chosen.memory_mb << 20
        name = self.process.name
        self.pool = SimulatedPool(
            PoolPlan(
                plan.slots,
                self._budget_bytes,
                plan.runs_exclusively,
                lambda: faults.prediction_hangs(name, now()),
                lambda: faults.guess_is_wrong(name),
            )
        )
        self.killed = asyncio.Event()

    async def run(self, network: Network, checks: Checks) -> None:
        """Run as `worker.service.run` does, with simulated clients."""
        polls = SimulatedClient(network, checks.sqs, POLL_SECONDS)
        calls = SimulatedClient(network, checks.sqs, CALL_SECONDS)
        queue = SqsQueue(QUEUE, polls, calls)  # type: ignore[arg-type] # a stand-in for any client
        storage = S3Storage(SimulatedClient(network, checks.s3, STORAGE_SECONDS))  # type: ignore[arg-type] # likewise
        bus = None
        if self._sends_events:
            service = SimulatedEvents(checks.plan, checks.ledger)
            bus = EventBus(BUS, SimulatedClient(network, service, CALL_SECONDS))
        limit = StartLimit(Phases("before"))
        try:
            async with limit.applied(self.stop), cancel_on_stop(self.stop):
                facts = await queue.read_attributes()
                if self.start_hangs:
                    await asyncio.Event().wait()
        except StopRequested:
            return
        parts = build(
            self.settings,
            facts,
            stop=self.stop,
            queue=queue,
            storage=storage,
            pool=self.pool,
            model_sha256="0" * 64,
            metrics=Metrics("tide", None),
            bus=bus,
            part_bytes=self._part_bytes,
        )
        self.budget = parts.processor.runner.budget
        self.budget.limit = self._budget_bytes
        await serve(parts, self.stop, self.settings.finish_seconds)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.killed.set()


class Fleet:
    """Starts workers, injects process faults, and checks how each worker ends."""

    def __init__(self, plan: Plan, network: Network, checks: Checks) -> None:
        self._plan = plan
        self._settings = settings(**plan.settings)
        self._network = network
        self._checks = checks
        self.workers: list[Worker] = []
        self.live: dict[Worker, asyncio.Task[None]] = {}

    async def keep_running(self) -> None:
        """Keep the planned number of workers running while the queue has messages."""
        while True:
            if self._checks.sqs.queues[QUEUE].messages and len(self.live) < self._plan.workers:
                number, faults = len(self.workers) + 1, self._network.faults
                worker = Worker(number, self._plan, self._settings, faults)
                self.workers.append(worker)
                self.live[worker] = asyncio.create_task(self._attend(worker))
            await asyncio.sleep(LOOK_SECONDS)

    async def stop_all(self) -> None:
        """Stop the remaining workers, and wait for them for a limited time."""
        for worker in self.live:
            worker.process.call(worker.stop.signal, "SIGTERM")
        if self.live:
            _, pending = await asyncio.wait(self.live.values(), timeout=LONGEST_STOP_SECONDS)
            if pending:
                names = [worker.process.name for worker in self.live]
                self._checks.broken.append(f"unbounded wait: {names} do not stop")
        for worker in list(self.live):
            worker.kill()

    async def inject_faults(self) -> None:
        """Inject the planned process faults."""
        async with asyncio.TaskGroup() as group:
            for fault in sorted(self._plan.process_faults, key=lambda fault: fault.at):
                await asyncio.sleep(fault.at - now())
                if self.live and self._network.faults.injects(str(fault), fault.kind):
                    worker = list(self.live)[fault.worker % len(self.live)]
                    self._checks.ledger.note(now(), worker.process.name, f"BLOW {fault.kind}")
                    group.create_task(_inject(worker, fault))

    async def _attend(self, worker: Worker) -> None:
        main = worker.process.start(worker.run(self._network, self._checks))
        killed = asyncio.ensure_future(worker.killed.wait())
        await asyncio.wait([main, killed], return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        del self.live[worker]
        what = "is killed" if worker.killed.is_set() else f"ends: {worker.stop.reason}"
        self._checks.ledger.note(now(), worker.process.name, what)
        self._checks.ledger.predictions.update(worker.pool.predicted)
        if not worker.killed.is_set():
            self._check_end(worker, main)

    def _check_end(self, worker: Worker, main: "asyncio.Task[None]") -> None:
        name, stop = worker.process.name, worker.stop
        worker.process.has_left = True
        self._checks.at_exit(worker.process, now())
        worker.pool.check_free()
        self._checks.broken += worker.pool.broken
        if worker.budget is not None and not worker.budget.has_spare(worker.budget.limit):
            self._checks.broken.append(f"P5: {name} has not given all bytes back")
        error = _innermost(main.exception())
        if error is not None and not self._is_expected(worker, error):
            self._checks.broken.append(f"{now():.3f} s: {name} died of {error!r}")
        longest = max(
            worker.settings.drain_seconds, worker.settings.finish_seconds + RELEASE_SECONDS
        )
        took = 0.0 if stop.at is None else now() - stop.at - worker.process.suspended_seconds
        if took > longest + ROUNDING_SECONDS:
            self._checks.broken.append(f"{now():.3f} s: {name} took {took:.1f} s to stop")
        started = now() - worker.began - worker.process.suspended_seconds
        if worker.start_hangs and started > LONGEST_START_SECONDS:
            self._checks.broken.append(f"{now():.3f} s: {name} took {started:.1f} s to start")

    def _is_expected(self, worker: Worker, error: BaseException) -> bool:
        process = worker.process
        record = self._checks.ledger.records[process.name]
        if isinstance(error, TransientError):  # its start failed
            return not record.received and max(record.last_fault_at, process.resumed_at) > float(
                "-inf"
            )
        silent = "no receive has succeeded" in str(error)
        hung = worker.start_hangs and "the start took longer" in str(error)
        return isinstance(error, FatalError) and (record.fatal or silent or hung)


async def _inject(worker: Worker, fault: ProcessFault) -> None:
    process = worker.process
    match fault.kind:
        case "SIGTERM":
            process.call(worker.stop.signal, "SIGTERM")
        case "SIGTERM twice":
            process.call(worker.stop.signal, "SIGTERM")
            await asyncio.sleep(fault.seconds)
            worker.kill()  # a second SIGTERM ends the worker at once
        case "SIGKILL":
            worker.kill()
        case "SIGSTOP":
            if fault.just_before_end:
                await asyncio.sleep(worker.pool.processes.next_end() - now() - BEFORE_END_SECONDS)
            if not process.suspended:
                process.suspend()
                await asyncio.sleep(fault.seconds)
                if process.alive:
                    process.resume(timers_first=fault.worker == 0)  # both orders occur
        case "child killed":
            worker.pool.processes.kill_one()


def _innermost(error: BaseException | None) -> BaseException | None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
