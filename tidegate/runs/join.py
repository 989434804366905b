"""The join of inputs with what was made of them: sorted listings, each read once.

An output's key is its input's key with a text before it and a text after it. A text before all keys
keeps their order, but a text after them does not: `a` is before `a-b`, and `a.csv` is behind
`a-b.csv`. So an input waits until the listings have passed all of its places. Only such inputs wait
at once whose keys are beginnings of the latest one: never more than a key has characters.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tidegate.aws.errors import AwsError
from tidegate.aws.listing import PAGE_KEYS, Listed, list_objects
from tidegate.runs.layout import Layout, Place

if TYPE_CHECKING:
    # Type stubs, which only the development environment has.
    from mypy_boto3_s3 import S3Client


@dataclass(slots=True)
class Found:
    """An input, and what the listings show of it."""

    source: Listed
    output: Listed | None = None
    """The newest one, if the output may be in several places."""
    report: Listed | None = None
    is_unclear: bool = False
    """Whether the listings hide what was made of it, or show what another input may have made."""


def find(
    s3: "S3Client", bucket: str, prefix: str, layout: Layout, *, page_keys: int = PAGE_KEYS
) -> Iterator[Found]:
    """Yield each input below a prefix, with what the output bucket shows of it.

    As for the dispatcher, folders and the stack's own outputs are no inputs.
    """
    listed = partial(list_objects, s3, page_keys=page_keys)
    own = [layout.prefix] if bucket == layout.output_bucket else []
    inputs = (one for one in listed(bucket, prefix, skipped=own) if not one.key.endswith("/"))
    outputs: Iterable[Listed] = ()
    if layout.outputs:
        below = layout.outputs[0].before + prefix
        outputs = listed(layout.output_bucket, below, skipped=layout.skipped)
    reports: Iterable[Listed] = ()
    if layout.reports:
        reports = listed(layout.output_bucket, layout.reports.before + prefix)
    return join(layout, inputs, outputs, reports)


def join(
    layout: Layout, inputs: Iterable[Listed], outputs: Iterable[Listed], reports: Iterable[Listed]
) -> Iterator[Found]:
    """Yield each input with its output and its report, nearly in the order of the keys.

    Memory does not grow with the listings. Raises AwsError for one that is not sorted.
    """
    report_places = [layout.reports] if layout.reports else []
    sides = [
        _Side(layout.outputs, _sorted(outputs), _add_output),
        _Side(report_places, _sorted(reports), _add_report),
    ]
    # With one key before them, texts are in the order that they have without it.
    last_after = max([place.after for place in [*layout.outputs, *report_places]], default="")
    waiting: list[tuple[str, str, Found]] = []  # a heap, by the last place without its beginning
    for source in _sorted(inputs):
        for side in sides:
            side.pass_all_before(source.key)
        while waiting and waiting[0][0] < source.key:
            yield heapq.heappop(waiting)[-1]
        found = Found(source, is_unclear=layout.hides(source.key))
        heapq.heappush(waiting, (source.key + last_after, source.key, found))
        for side in sides:
            side.claim(found)
    for side in sides:
        side.pass_all_before(None)
    yield from (found for _, _, found in sorted(waiting))


class _Side:
    """One listing, and the inputs that wait for it at one of their places."""

    def __init__(
        self,
        places: Sequence[Place],
        listing: Iterator[Listed],
        add: Callable[[Found, Listed], None],
    ) -> None:
        self._places = places
        self._listing = listing
        self._add = add
        self._next = next(listing, None)
        self._claims: list[tuple[str, str, Found]] = []  # a heap, by the key in the listing

    def claim(self, found: Found) -> None:
        """Let an input wait for each of its places."""
        for place in self._places:
            claim = (place.of(found.source.key), found.source.key, found)
            heapq.heappush(self._claims, claim)

    def pass_all_before(self, key: str | None) -> None:
        """Pass the places that no input from this key on has; None: all of them."""
        end = None if key is None or not self._places else self._places[0].before + key
        while self._claims and (end is None or self._claims[0][0] < end):
            self._pass_one()

    def _pass_one(self) -> None:
        place, _, found = heapq.heappop(self._claims)
        claimants = [found]
        while self._claims and self._claims[0][0] == place:
            claimants.append(heapq.heappop(self._claims)[-1])
        while self._next is not None and self._next.key < place:
            self._next = next(self._listing, None)
        if self._next is None or self._next.key != place:
            return
        for one in claimants:
            self._add(one, self._next)
            one.is_unclear |= len(claimants) > 1


def _add_output(found: Found, output: Listed) -> None:
    if found.output is None or found.output.modified < output.modified:
        found.output = output


def _add_report(found: Found, report: Listed) -> None:
    found.report = report


def _sorted(listing: Iterable[Listed]) -> Iterator[Listed]:
    """Yield a listing; raises AwsError where a key is not behind the one before it."""
    before = ""
    for one in listing:
        if one.key <= before:
            raise AwsError(
                f"a listing is not sorted: {one.key!r} comes behind {before!r}. Only S3's general "
                "purpose buckets are supported"
            )
        before = one.key
        yield one
