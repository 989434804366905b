"""The inputs of a run, drawn from its seed: good files, some overwritten or sent twice, and bad."""

import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pandas as pd

from tests.chaos.touchy import KILLER, SLOW
from tests.support.scenario import iris

ORDER = {  # p: put, s: send; 0 and 1: the first and the second version
    "plain": "p0 s0",
    "twice": "p0 s0 s0",
    "overwritten": "p0 s0 p1 s1",
    "out of order": "p0 p1 s1 s0",
}
KILLER_KEY = "killer.csv"
POISON = {  # a bad file and its error type
    KILLER_KEY: "GaveUp",
    "garbage.parquet": "Unparsable",
    "nothing.csv": "NoSuchInput",
    "column missing.csv": "SchemaMismatch",
    "words.csv": "TooManyRejected",
}
UNREADABLE = ("nonsense", '{"bucket": "but no key"}')
FLOWERS = iris()


@dataclass(frozen=True, slots=True)
class Step:
    """A version of a key is put, or its message is sent."""

    at: float  # from 0, the start of the feeding, to 1, its end
    key: str
    version: int
    put: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """Every version of every key, and when each is put and sent."""

    versions: dict[str, list[bytes]]
    steps: list[Step]
    detailed: frozenset[str]  # the keys whose messages name the version

    def poison(self) -> dict[str, str]:
        """Return the keys of the bad files, and the error type of each."""
        return {key: error for key, error in POISON.items() if key in self.versions}

    def newest(self) -> dict[str, bytes]:
        """Return the last version of every good file."""
        return {key: bodies[-1] for key, bodies in self.versions.items() if key not in POISON}


def draw(seed: int, files: int, *, killer: bool) -> Inputs:
    """Draw the files of a run, and the order of their steps."""
    random = Random(seed)  # noqa: S311 - to be repeated
    versions: dict[str, list[bytes]] = {}
    steps: list[Step] = []
    for number in range(files):
        (fate,) = random.choices(list(ORDER), [6, 1, 2, 1])
        key = f"{fate} {number:03}.{random.choice(['csv', 'csv', 'csv.gz', 'parquet'])}"
        slow = number % 100 == 7
        versions[key] = [_file(random, key, slow=slow) for _ in range(ORDER[fate].count("p"))]
        steps += _steps(random, key, ORDER[fate])
    detailed = frozenset(key for key in versions if random.random() < 0.7)
    for key, bodies in _poison(random).items():
        versions[key] = bodies
        steps += _steps(random, key, "p0 s0" if bodies else "s0")
    if killer:  # first, as it is received so often
        versions[KILLER_KEY] = [_written(FLOWERS.head(20).assign(sepal_length=KILLER))]
        steps += [Step(0.0, KILLER_KEY, 0, put=True), Step(0.0, KILLER_KEY, 0, put=False)]
    return Inputs(versions, sorted(steps, key=lambda step: step.at), detailed)


def _steps(random: Random, key: str, order: str) -> Iterator[Step]:
    actions = order.split()
    times = sorted(random.random() for _ in actions)
    for at, action in zip(times, actions, strict=True):
        yield Step(at, key, int(action[1]), put=action[0] == "p")


def _file(random: Random, key: str, *, slow: bool) -> bytes:
    rows = random.choice([1, 10, 150, 3000])
    places = random.choices(range(len(FLOWERS)), k=rows)
    frame = FLOWERS.iloc[places].assign(id=[f"{place:04}" for place in range(rows)])
    if slow:
        frame.iloc[0, 1] = SLOW
    return _written(frame, key)


def _poison(random: Random) -> dict[str, list[bytes]]:
    few = FLOWERS.head(20)
    return {
        "garbage.parquet": [random.randbytes(500)],
        "nothing.csv": [],
        "column missing.csv": [_written(few.drop(columns="petal_width"))],
        "words.csv": [_written(few.assign(petal_width="wide"))],
    }


def _written(frame: pd.DataFrame, key: str = "") -> bytes:
    if key.endswith(".parquet"):
        buffer = io.BytesIO()
        frame.to_parquet(buffer, index=False)
        return buffer.getvalue()
    text = frame.to_csv(index=False).encode()
    return gzip.compress(text, mtime=0) if key.endswith(".gz") else text
