"""Predicts the parts of a file as several processes would, which end in any order."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from worker.errors import Unparsable
from worker.interfaces import CutPart, FilePlan, Part, PartMessage, Position, ScoreResult
from worker.scoring.part_chain import PartChain

Predict = Callable[[Part], list[PartMessage]]  # the last message is the result, or the error
Cut = Callable[[int], CutPart | Unparsable]  # the part of this number of a compressed file


@dataclass(frozen=True)
class PartsOutput:
    """What was written, and the counts of the rows."""

    output: bytes
    rejects: bytes
    result: ScoreResult
    repeats: int


def predict_parts(
    plan: FilePlan,
    predict: Predict,
    *,
    max_rejected: float,
    processes: int,
    draw: Random,
    wrong_guesses: float = 0,
    cut: Cut | None = None,
) -> PartsOutput:
    """Deliver the messages about all parts; of the guesses this share is drawn by lot.

    The parts of a compressed file are cut at any time.
    """
    chain = PartChain(plan, max_rejected)
    running: dict[Part, deque[PartMessage]] = {}
    written: dict[bool, bytearray] = {False: bytearray(), True: bytearray()}
    last = plan.begin.offset  # the end of the last part that was cut
    while not chain.is_complete:
        if cut is not None and (chain.needs_text or draw.random() < 0.3):
            made = cut(chain.count)
            if isinstance(made, Unparsable) or made.stop == last:
                cut = None
            else:
                last = made.stop
            for piece in chain.add_cut(made):
                written[piece.rejects] += piece.data
            continue
        may_begin = len(running) < processes and (not running or draw.random() < 0.5)
        part = chain.next_part() if may_begin else None
        if part is not None:
            guess = _wrong(plan, part, draw) if draw.random() < wrong_guesses else part
            running[part] = deque(predict(guess))
            continue
        assert running, "no process works on the part that the chain has reached"
        part = draw.choice(list(running))
        message = running[part].popleft()
        if not running[part]:
            del running[part]
        for piece in chain.add(part, message):
            written[piece.rejects] += piece.data
    assert not chain.held_bytes
    return PartsOutput(bytes(written[False]), bytes(written[True]), chain.result(), chain.repeats)


def _wrong(plan: FilePlan, part: Part, draw: Random) -> Part:
    """Return the part with any place as its begin, if that is to be guessed."""
    if part.begin is not None:
        return part
    start = plan.starts[part.number]
    stop = [*plan.starts, plan.end][part.number + 1]
    assert stop is not None
    return Part(part.number, Position(draw.randint(start, stop), 0))
