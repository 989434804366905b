"""The behaviour of SQS where its documentation allows several."""

import random
from dataclasses import dataclass
from typing import Literal

StaleHandles = Literal["refused", "ignored", "honoured"]


@dataclass(frozen=True)
class SqsBehaviour:
    """The behaviour of one simulated SQS; numbers are probabilities.

    `stale_handles`: how SQS treats a handle after its message was received again or its visibility
    timeout ended. `duplicate`: a receive also returns a message in flight; both handles are valid
    then. `empty`: a receive returns nothing although messages are visible. `failed_entries`: an
    entry of a batch fails and is not applied; `failed_though_applied`: it fails and is applied.
    """

    stale_handles: StaleHandles = "refused"
    duplicate: float = 0.0
    empty: float = 0.0
    shuffled: bool = False
    failed_entries: float = 0.0
    failed_though_applied: float = 0.0


ORDERLY = SqsBehaviour()


def happens(randomness: random.Random, probability: float) -> bool:
    """Draw whether it happens; a probability of 0 draws nothing."""
    return probability > 0 and randomness.random() < probability
