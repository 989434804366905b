"""What invokes the function, at least once: S3, EventBridge's rules, and Lambda itself again."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from dispatcher.handler import NotSent
from tests.waking.books import Books
from tests.waking.cluster import Task
from tests.waking.plan import EVENT_SECONDS, LAMBDA_SECONDS, SWEEP_SECONDS, Moment, Plan
from tests.waking.stage import START, Ended, Invocation, Stage

SWEEP = {"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}}
ATTEMPTS = 3
LATE_SECONDS = 120.0


@dataclass
class Events:
    """Has the function run for each event, and again after an error: twice, as Lambda does."""

    stage: Stage
    plan: Plan
    books: Books
    draw: random.Random
    handle: Callable[[Mapping[str, Any]], None]
    ended: Callable[[Invocation], None]
    moments: Counter[Moment] = field(default_factory=Counter)
    files: int = 0
    invocations: int = 0
    sweeps: int = 0

    def begin(self) -> None:
        """Have all that is planned come at its time."""
        for upload in self.plan.uploads:
            for _ in range(upload.files):
                self.stage.at(START + upload.at + self.draw.uniform(0, 0.2), self.land)
        self.stage.at(START + self.plan.sweep_at, self.sweep)

    def happened(self, moment: Moment) -> None:
        """Have the files land that were to land just then."""
        number = self.moments[moment]
        self.moments[moment] += 1
        for chaser in self.plan.chasers:
            if (chaser.moment, chaser.number) == (moment, number):
                for _ in range(chaser.files):
                    self.stage.after(chaser.delay, self.land)

    def land(self) -> None:
        """Have a file land."""
        key = f"{self.files}.csv"
        self.files += 1
        self.books.landed[key] = self.stage.now
        s3 = {"bucket": {"name": "in"}, "object": {"key": key}}
        record = {"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
        self._deliver("upload", {"Records": [record]})

    def stopped(self, task: Task) -> None:
        """Tell of a task that has stopped, if the event is not lost."""
        event = {"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": task.now}
        if self._is_struck(self.plan.lost):
            self.stage.tell(task.name[-8:], "its event is lost")
        else:
            self._deliver("stopped" if task.is_ours else "foreign", event)

    def sweep(self) -> None:
        """Have the dispatcher look, and again in five minutes."""
        self.stage.after(SWEEP_SECONDS, self.sweep)
        if self._is_struck(self.plan.lost):
            self.books.hindered("a sweep is lost")
        else:
            self._deliver("sweep", SWEEP)

    def _deliver(self, kind: str, event: Mapping[str, Any]) -> None:
        for _ in range(2 if self._is_struck(self.plan.twice) else 1):
            seconds = self.draw.uniform(*EVENT_SECONDS)
            if self._is_struck(self.plan.late):
                seconds += self.draw.uniform(0, LATE_SECONDS)
                self.books.hindered(f"{kind} is late")
            self.stage.after(seconds, partial(self._invoke, kind, event, 1))

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
                self.books.hindered(f"the function: {type(error).__name__}")
                self._failed(kind, event, attempt)
            else:
                self.ended(invocation)

        invocation = Invocation(self.stage, name, kind, body)
        self.stage.after(LAMBDA_SECONDS, invocation.end)
        invocation.begin()

    def _failed(self, kind: str, event: Mapping[str, Any], attempt: int) -> None:
        if attempt < ATTEMPTS:
            self.stage.after(60 * attempt, partial(self._invoke, kind, event, attempt + 1))
        elif kind == "upload":
            self.books.undispatched.add(event["Records"][0]["s3"]["object"]["key"])

    def _is_struck(self, share: float) -> bool:
        return self.draw.random() < share and self.stage.now - START < self.plan.calm_at
