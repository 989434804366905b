"""Cuts a compressed file into the texts of its parts, while the file is unpacked."""

import pickle

from worker.formats.packed import PackedParts
from worker.interfaces import FilePlan, InputReader
from worker.scoring.parts import PartState


class PartCutter:
    """Holds the state of a decompressor, and the text behind the last part that was cut."""

    def __init__(self, file: InputReader, plan: FilePlan) -> None:
        state: PartState = pickle.loads(plan.state)  # noqa: S301 - from a process of ours
        assert isinstance(state.parts, PackedParts)
        self._texts = state.parts.cut(file)
        self.offset = plan.begin.offset
        """Where the next part begins in the text of the file."""

    def cut(self) -> bytes:
        """Return the text of the next part; it is empty at the end. May raise Unparsable."""
        text = next(self._texts, b"")
        self.offset += len(text)
        return text
