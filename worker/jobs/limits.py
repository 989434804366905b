"""How many bytes one job holds at once: of its input ahead of the reader, of its output."""

from dataclasses import dataclass

from worker.jobs.output_writer import HELD_PARTS
from worker.storage.download import READ_AHEAD
from worker.storage.upload import MOST_PARTS

PART_BYTES = 5 << 20  # the least that S3 takes: what each file holds is a few of them
EXPECTED_GROWTH = 2  # an output of up to so many times its input goes up in few enough parts


@dataclass(frozen=True, slots=True)
class Window:
    """What a job of a given size holds; `outputs` files come of it."""

    part_bytes: int
    outputs: int

    @property
    def room(self) -> int:
        """Bytes of input held at once, unless a file asks for more."""
        return (READ_AHEAD + 1) * self.part_bytes  # one is on its way to the pool process

    def upload_part(self, size: int) -> int:
        """Size of a part going up: more than usual only where the input is huge."""
        return max(self.part_bytes, EXPECTED_GROWTH * size // MOST_PARTS)

    def need(self, size: int | None, room: int | None) -> int:
        """Bytes to reserve for an input of that size, if it is known, and of that much room."""
        going_up = self.outputs * HELD_PARTS * self.upload_part(size or 0)
        most = (room or self.room) + going_up
        return most if size is None or room is not None else min(2 * size, most)
