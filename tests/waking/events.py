"""The events that invoke the function: uploads, stopped tasks, sweeps, and Lambda's retries."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from dispatcher.handler import NotSent
from tests.waking.cluster import Task
from tests.waking.plan import EVENT_SECONDS, LAMBDA_SECONDS, SWEEP_SECONDS, Moment, Plan
from tests.waking.records import Records
from tests.waking.scheduler import START, Ended, Invocation, Scheduler

SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
ATTEMPTS = 3
LATE_SECONDS = 120.0


@dataclass
class Events:
    """Invokes the function for each event, and after an error twice more, as Lambda does."""

    scheduler: Scheduler
    plan: Plan
    records: Records
    draw: random.Random
    handle: Callable[[Mapping[str, Any]], None]
    ended: Callable[[Invocation], None]
    failed: Callable[[Invocation], None]
    moments: Counter[Moment] = field(default_factory=Counter)
    files: int = 0
    invocations: int = 0
    sweeps: int = 0

    def begin(self) -> None:
        """Schedule the planned uploads and the first sweep."""
        for upload in self.plan.uploads:
            for _ in range(upload.files):
                self.scheduler.at(START + upload.at + self.draw.uniform(0, 0.2), self.upload)
        self.scheduler.at(START + self.plan.sweep_at, self.sweep)

    def happened(self, moment: Moment) -> None:
        """Upload the files that are planned for this moment."""
        number = self.moments[moment]
        self.moments[moment] += 1
        for timed in self.plan.timed_uploads:
            if (timed.moment, timed.number) == (moment, number):
                for _ in range(timed.files):
                    self.scheduler.after(timed.delay, self.upload)

    def upload(self) -> None:
        """Upload a file."""
        key = f"{self.files}.csv"
        self.files += 1
        self.records.uploaded[key] = self.scheduler.now
        s3 = {"bucket": {"name": "in"}, "object": {"key": key}}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
        self._deliver("upload", {"Records": [record]})

    def stopped(self, task: Task) -> None:
        """Deliver the event of a stopped task, unless it is lost."""
        event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": task.now}
        if self._occurs(self.plan.lost):
            self.scheduler.note(task.name[-8:], "its event is lost")
        else:
            self._deliver("stopped" if task.is_ours else "foreign", event)

    def sweep(self) -> None:
        """Deliver a sweep's event, and schedule the next sweep."""
        self.scheduler.after(SWEEP_SECONDS, self.sweep)
        if self._occurs(self.plan.lost):
            self.records.failed("a sweep is lost")
        else:
            self._deliver("sweep", SWEEP)

    def _deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        for _ in range(2 if self._occurs(self.plan.twice) else 1):
            seconds = self.draw.uniform(*EVENT_SECONDS)
            if self._occurs(self.plan.late):
                seconds += self.draw.uniform(0, LATE_SECONDS)
                self.records.failed(f"{kind} is late")
            self.scheduler.after(seconds, partial(self._invoke, kind, event, 1))

    def _invoke(self, kind: str, event: Mapping[str, Any], attempt: int) -> None:
        self.invocations += 1
        name = f"{kind} {self.invocations}"

        def body() -> None:
            try:
                self.handle(event)
            except (
                Ended,
                ClientError,
                HTTPClientError,
                NoConnection,
                NotSent,
            ) as error:
                self.records.failed(f"the function: {type(error).__name__}")
                if not isinstance(error, Ended):
                    self.failed(invocation)
                self._failed(kind, event, attempt)
            else:
                self.ended(invocation)

        invocation = Invocation(self.scheduler, name, kind, body)
        self.scheduler.after(LAMBDA_SECONDS, invocation.end)
        invocation.begin()

    def _failed(self, kind: str, event: Mapping[str, Any], attempt: int) -> None:
        if attempt < ATTEMPTS:
            self.scheduler.after(60 * attempt, partial(self._invoke, kind, event, attempt + 1))
        elif kind == "upload":
            self.records.undispatched.add(event["Records"][0]["s3"]["object"]["key"])

    def _occurs(self, share: float) -> bool:
        return self.draw.random() < share and self.scheduler.now - START < self.plan.calm_at
