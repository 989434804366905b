"""What SQS does where its documentation leaves it the choice."""

import random
from dataclasses import dataclass
from typing import Literal

StaleHandles = Literal["refused", "ignored", "honoured"]


@dataclass(frozen=True)
class SqsHabits:
    """The habits of one simulated SQS; numbers are probabilities.

    `stale_handles`: what a handle is worth once its message was received again, or its visibility
    has run out. `duplicate`: a receive also hands out a message in flight, both of whose handles
    are good then. `empty`: a receive answers nothing at once although messages wait.
    `failed_entries`: an entry of a batch fails and is not applied; `failed_though_applied`: it is.
    """

    stale_handles: StaleHandles = "refused"
    duplicate: float = 0.0
    empty: float = 0.0
    shuffled: bool = False
    failed_entries: float = 0.0
    failed_though_applied: float = 0.0


ORDERLY = SqsHabits()


def happens(randomness: random.Random, probability: float) -> bool:
    """Whether it happens this time; nothing is drawn for what never does."""
    return probability > 0 and randomness.random() < probability
