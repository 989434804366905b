"""EventBridge of a schedule: it records which files' events it took, and refuses some entries."""

import json
import random
from collections.abc import Mapping, Sequence

from tests.search.ledger import Ledger
from tests.search.plan import BUS, Plan
from worker.clock import now

REFUSED_SHARE = 0.1  # of the entries, until the calm


class SimulatedEvents:
    """A bus: each call may take some entries and refuse others."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._calm_at = plan.calm_at
        self._ledger = ledger
        self._draw = random.Random(f"entries {plan.seed}")  # noqa: S311 - no secret

    async def put_events(self, *, Entries: Sequence[Mapping[str, str]]) -> dict[str, object]:  # noqa: N803 - AWS's
        """Take entries, or refuse them one by one."""
        return {"Entries": [self._result(entry) for entry in Entries]}

    def _result(self, entry: Mapping[str, str]) -> dict[str, str]:
        assert entry["EventBusName"] == BUS
        if self._draw.random() < REFUSED_SHARE and now() < self._calm_at:
            return {"ErrorCode": "ThrottlingException"}
        key = json.loads(entry["Detail"])["input"]["key"]
        self._ledger.announced.add(key)
        self._ledger.note(now(), "bus", f"{entry['DetailType']} {key}")
        return {"EventId": "1"}
