"""What this worker's task costs: by its size, which ECS says, and the prices of Fargate."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from worker.service.identity import METADATA_VARIABLE

CAPACITY_VARIABLE = "TIDEGATE_CAPACITY"  # set by the template: ECS does not say whether it is Spot
ANSWER_SECONDS = 1.0  # the address is on the task's own host, and a stop has a deadline
SPOT = "FARGATE_SPOT"

# In us-east-1, in dollars; docs/costs.md names the page that each is from.
X86_VCPU_HOUR, X86_GB_HOUR = 0.04048, 0.004445
ARM_VCPU_HOUR, ARM_GB_HOUR = 0.03238, 0.00356
SPOT_SHARE = 0.5  # of the prices above
LEAST_BILLED_SECONDS = 60.0


def compute_hour(vcpus: float, memory_gb: float, *, arm: bool, spot: bool) -> float:
    """Return dollars for a task an hour, without its public address."""
    processor, memory = (ARM_VCPU_HOUR, ARM_GB_HOUR) if arm else (X86_VCPU_HOUR, X86_GB_HOUR)
    return (vcpus * processor + memory_gb * memory) * (SPOT_SHARE if spot else 1)


@dataclass(frozen=True, slots=True)
class FargateTask:
    """A task on Fargate."""

    vcpus: float
    memory_gb: float
    billed_since: datetime
    arm: bool
    capacity: str  # an empty text: not known

    @classmethod
    def parse(cls, answer: bytes, capacity: str) -> Self:
        """Read the answer of the metadata's address; raises any error if it is of another kind."""
        found = json.loads(answer)
        return cls(
            vcpus=float(found["Limits"]["CPU"]),
            memory_gb=float(found["Limits"]["Memory"]) / 1024,
            billed_since=datetime.fromisoformat(found["PullStartedAt"]).astimezone(UTC),
            arm=platform.machine() in {"aarch64", "arm64"},
            capacity=capacity,
        )

    def cost_fields(self, now: datetime) -> dict[str, object]:
        """Return what the task costs until now, and by what that was computed."""
        billed = max(LEAST_BILLED_SECONDS, (now - self.billed_since).total_seconds())
        per_hour = compute_hour(
            self.vcpus, self.memory_gb, arm=self.arm, spot=self.capacity == SPOT
        )
        return {
            "dollars": round(billed / 3600 * per_hour, 6),
            "billed_seconds": round(billed),
            "vcpus": self.vcpus,
            "memory_gb": self.memory_gb,
            "capacity": self.capacity or "unknown",
        }


def read_task(environment: Mapping[str, str]) -> FargateTask | None:
    """Ask ECS for this worker's task; returns None off ECS, or if the answer is of no use.

    Blocks for a second at most.
    """
    address = environment.get(METADATA_VARIABLE)
    if not address:
        return None
    # Imported here because it is slow, and needed once.
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    try:
        # Without a proxy: the address is reached from this host alone.
        with build_opener(ProxyHandler({})).open(f"{address}/task", timeout=ANSWER_SECONDS) as got:
            return FargateTask.parse(got.read(), environment.get(CAPACITY_VARIABLE, ""))
    except Exception:  # noqa: BLE001 - whatever is wrong: the cost is unknown, and nothing else
        return None


def cost_fields(environment: Mapping[str, str]) -> dict[str, object]:
    """Return the fields of a log line that say what this worker's task costs until now."""
    task = read_task(environment)
    return {"dollars": "unknown"} if task is None else task.cost_fields(datetime.now(UTC))
