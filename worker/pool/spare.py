"""What a large file may use beside its own process and bytes: spare processes and spare bytes."""

from dataclasses import dataclass
from typing import Protocol

from worker.pool.process import ProcessSlot
from worker.pool.slots import Slots


class SpareBytes(Protocol):
    """The bytes of the budget that a job may hold beside its own."""

    @property
    def are_wanted(self) -> bool:
        """Whether another job waits for bytes, so that spare ones are to be given back."""
        ...

    def take(self, size: int) -> bool:
        """Take bytes if they are free and no other job waits for any; returns whether it did."""
        ...

    def hold(self, size: int) -> None:
        """Take bytes that are needed, whether any are free or not; a negative size gives back."""
        ...

    def give_back(self, size: int) -> None:
        """Give bytes back that were taken."""
        ...


class UnlimitedBytes:
    """Implements SpareBytes where there is no budget."""

    are_wanted = False

    def take(self, _: int) -> bool:
        """Take any number of bytes."""
        return True

    def hold(self, _: int) -> None:
        """Do nothing."""

    def give_back(self, _: int) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Spare:
    """What a large file may use for as long as no other job wants it."""

    slots: Slots[ProcessSlot]
    bytes: SpareBytes

    @property
    def is_wanted(self) -> bool:
        """Whether another job waits for a slot or for bytes."""
        return self.slots.are_wanted or self.bytes.are_wanted

    def take(self, size: int) -> ProcessSlot | None:
        """Take a slot, and so many bytes to read ahead for it; None: there is no slot, or none."""
        slot = self.slots.take_spare()
        if slot is not None and not self.bytes.take(size):
            self.slots.give_back(slot)
            return None
        return slot

    def give_back(self, slot: ProcessSlot, size: int) -> None:
        """Give a slot back, and its bytes."""
        self.bytes.give_back(size)
        self.slots.give_back(slot)
