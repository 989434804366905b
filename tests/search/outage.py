"""python -m tests.search.outage: a fleet at work in an outage, and what that costs in receives."""

import argparse
import itertools
import random
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from tests.search.checks import Checks
from tests.search.faults import OUTAGES, READS, WRITES, Kind, Outage
from tests.search.plan import DEAD, QUEUE, Plan, Upload
from tests.search.schedule import play_plan
from tests.support.simulation.sqs import DeadLettered, Deleted, Received, Sent, SqsBehaviour
from worker.jobs.limits import PART_BYTES

HOUR = 3600.0
LONGEST_JOB_SECONDS = 0.8
MOST_DRAIN_SECONDS = 300.0
AT_ONCE: tuple[Kind, ...] = ("error before", "throttled")  # a 503 costs no time
SERVICES = {"GET": READS, "PUT": WRITES, "S3": READS | WRITES}


def outage_plan(
    service: str,
    start: float,
    seconds: float,
    *,
    messages: int = 1000,
    kinds: tuple[Kind, ...] = AT_ONCE,
    seed: int = 0,
) -> Plan:
    """Plan one outage, and no other fault, for three workers with the default settings."""
    draw = random.Random(f"outage {seed}")  # noqa: S311 - no secret
    uploads = [
        Upload(
            0.0,
            f"{number}.csv",
            "good",
            f"good {draw.uniform(0, LONGEST_JOB_SECONDS):.3f} {number}.csv 0".encode(),
            messages=1,
            detailed=True,
        )
        for number in range(messages)
    ]
    return Plan(
        seed=seed,
        settings={"log_format": "console"},
        visibility_seconds=120,
        max_receive_count=10,
        versioned=True,
        behaviour=SqsBehaviour(),
        slots=2,
        workers=3,
        uploads=tuple(uploads),
        process_faults=(),
        outages=(Outage(start, start + seconds, frozenset(SERVICES[service]), kinds),),
        fault_rate=0.0,
        fault_kinds=("throttled",),
        fatal=False,
        calm_at=0.0,
        part_bytes=PART_BYTES,
    )


@dataclass(frozen=True, slots=True)
class Point:
    """The state of the queue from a time on."""

    at: float
    alive: int
    dead: int
    receives: int


def course(timeline: Iterable[tuple[float, str, object]], messages: int) -> list[Point]:
    """Return how messages and receives changed, from a schedule's timeline."""
    points = [Point(0.0, messages, 0, 0)]
    for at, _, what in timeline:
        alive, dead, receives = points[-1].alive, points[-1].dead, points[-1].receives
        match what:
            case Received(queue=queue) if queue == QUEUE:
                receives += 1
            case Deleted(queue=queue) if queue == QUEUE:
                alive -= 1
            case Sent(queue=queue) if queue == DEAD:
                dead += 1
            case DeadLettered():
                alive, dead = alive - 1, dead + 1
            case _:
                continue
        points.append(Point(at, alive, dead, receives))
    return points


@dataclass(frozen=True, slots=True)
class Result:
    """What an outage did."""

    broken: list[str]
    points: list[Point]
    most_predictions: int  # of one file
    drained_seconds: float  # from the end of the outage

    @classmethod
    def of(cls, checks: Checks) -> "Result":
        """Sum up a schedule."""
        points = course(checks.ledger.timeline, len(checks.plan.uploads))
        (outage,) = checks.plan.outages
        drained = next((point.at for point in points if not point.alive), float("inf"))
        most = max(checks.ledger.predictions.values())
        return cls(checks.broken, points, most, max(0.0, drained - outage.end))


def play_outage(plan: Plan) -> Result:
    """Play the plan of an outage."""
    checks, _ = play_plan(plan)
    return Result.of(checks)


def main() -> int:
    """Play outages of each service, at several moments; the exit status is 1 if one costs more."""
    parser = argparse.ArgumentParser(prog="python -m tests.search.outage", description=__doc__)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    status = 0
    moments = (0.0, 10.0, 30.0, 50.0, 65.0)
    outages = itertools.product(SERVICES, moments, (HOUR, 480.0), (AT_ONCE, OUTAGES))
    for service, start, seconds, kinds in outages:
        plan = outage_plan(
            service, start, seconds, messages=arguments.messages, kinds=kinds, seed=arguments.seed
        )
        result = play_outage(plan)
        last = result.points[-1]
        print(
            f"{service:4} {seconds:5.0f} s from {start:4.0f} ({', '.join(kinds)}): "
            f"dead {last.dead}, "
            f"receives {last.receives}, predictions of a file {result.most_predictions}, "
            f"drained after {result.drained_seconds:.0f} s, broken {result.broken[:1]}",
            flush=True,
        )
        good = not (result.broken or last.dead) and result.most_predictions == 1
        status |= not (good and result.drained_seconds <= MOST_DRAIN_SECONDS)
    return status


if __name__ == "__main__":
    sys.exit(main())
