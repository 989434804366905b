from collections.abc import Callable
from functools import partial

import pytest

from tests.support.fakes.storage import FakeStorage
from tests.support.simulation.bucket import Versioning
from worker.errors import LeaseLost, OutputRefused, TransientError
from worker.job import Job, S3Uri
from worker.storage.conditional_write import Source, Written, report_key, target_key, write
from worker.storage.protocol import UploadLost, WriteConflict
from worker.storage.upload import Upload

INPUT = S3Uri("in", "iris.csv")
OUTPUT = S3Uri("out", "p/iris.csv")


WRITES = {"put", "complete"}  # the two ways in which an output becomes visible


class Outputs(FakeStorage):
    """A storage, and the size of the parts in which outputs go up to it."""

    part_bytes = 1000


@pytest.fixture(params=[1000, 1], ids=["in one request", "in parts"])
def storage(request: pytest.FixtureRequest) -> Outputs:
    storage = Outputs()
    storage.part_bytes = request.param
    return storage


def job(**changes: object) -> Job:
    fields = {"bucket": "in", "key": "iris.csv", "output_bucket": "out", "output_key": "p"}
    return Job.model_validate(fields | changes)


def added(storage: Outputs, body: bytes, sequencer: str | None = None) -> Source:
    head = storage.add(INPUT, body)
    return Source(INPUT, head.etag, head.version_id, sequencer)


async def put(
    storage: Outputs,
    source: Source,
    body: bytes,
    *,
    again: bool = False,
    check_lease: Callable[[], None] = lambda: None,
) -> Written:
    upload = Upload(
        storage,
        OUTPUT,
        metadata=source.metadata(),
        content_type="text/csv",
        part_bytes=storage.part_bytes,
    )
    try:
        await upload.write(body)
        await upload.finish()
        return await write(
            storage,
            OUTPUT,
            partial(upload.commit, counts={}),
            source=source,
            again=again,
            check_lease=check_lease,
        )
    finally:
        await upload.abandon()
        assert storage.uploads == 0


async def test_the_common_path_asks_nothing_but_writes(storage: Outputs) -> None:
    source = added(storage, b"1")
    assert await put(storage, source, b"one") is Written.NEW
    in_parts = ["begin", "put_part", "put_part", "put_part", "complete"]
    expected = ["put"] if storage.part_bytes > len(b"one") else in_parts
    assert [name for name, _ in storage.calls] == expected
    assert storage.metadata(OUTPUT)["source-id"] == source.id


async def test_the_same_version_twice_is_already_done(storage: Outputs) -> None:
    source = added(storage, b"1")
    await put(storage, source, b"one")
    assert await put(storage, source, b"one") is Written.ALREADY_DONE
    assert len(storage.versions[OUTPUT]) == 1


async def test_the_same_version_is_written_again_when_asked(storage: Outputs) -> None:
    source = added(storage, b"1")
    await put(storage, source, b"one")
    assert await put(storage, source, b"another model", again=True) is Written.REPLACED
    assert storage.body(OUTPUT) == b"another model"


async def test_another_inputs_output_is_never_touched(storage: Outputs) -> None:
    storage.add(OUTPUT, b"theirs", {"source-id": "somebody else"})
    with pytest.raises(OutputRefused, match="taken"):
        await put(storage, added(storage, b"1"), b"ours")
    assert storage.body(OUTPUT) == b"theirs"


async def test_an_object_of_unknown_origin_is_never_touched(storage: Outputs) -> None:
    storage.add(OUTPUT, b"theirs")
    with pytest.raises(OutputRefused):
        await put(storage, added(storage, b"1"), b"ours")


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended", None])
@pytest.mark.parametrize("sequencers", [("0055AA", "0055AB"), ("0055aa", "0055AB"), (None, None)])
@pytest.mark.parametrize("in_order", [True, False])
async def test_the_newest_version_stays_whatever_the_order(
    storage: Outputs,
    sequencers: tuple[str | None, str | None],
    *,
    versioning: Versioning | None,
    in_order: bool,
) -> None:
    storage.versioning = versioning
    older = added(storage, b"1", sequencers[0])
    newer = added(storage, b"2", sequencers[1])
    order = [(older, b"one"), (newer, b"two")] if in_order else [(newer, b"two"), (older, b"one")]
    for source, body in order:
        await put(storage, source, body)
    assert storage.body(OUTPUT) == b"two"


async def test_an_older_version_is_superseded(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, newer, b"two")
    assert await put(storage, older, b"one") is Written.SUPERSEDED


async def test_sequencers_of_unequal_length_leave_it_to_the_input(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "9"), added(storage, b"2", "10")
    await put(storage, older, b"one")
    assert await put(storage, newer, b"two") is Written.REPLACED
    assert ("head", INPUT) in storage.calls


async def test_content_that_returns_is_known_by_its_sequencer(storage: Outputs) -> None:
    storage.versioning = None
    x, y, x_again = (
        added(storage, b"x", "01"),
        added(storage, b"y", "02"),
        added(storage, b"x", "03"),
    )
    await put(storage, x, b"XX")
    assert await put(storage, x_again, b"XX") is Written.REPLACED
    assert await put(storage, y, b"YY") is Written.SUPERSEDED
    assert storage.body(OUTPUT) == b"XX"


async def test_two_that_write_at_once_leave_the_newest(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, older, b"one")

    def overtake(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.add(OUTPUT, b"three", {"source-id": newer.id, "source-sequencer": "03"})

    storage.before = overtake
    assert await put(storage, newer, b"two") is Written.SUPERSEDED
    assert storage.body(OUTPUT) == b"three"


async def test_an_output_deleted_on_the_way_is_written_anew(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, older, b"one")

    def vanish(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.remove(OUTPUT)

    storage.before = vanish
    assert await put(storage, newer, b"two") is Written.NEW


async def test_an_output_that_never_rests_is_a_passing_fault(storage: Outputs) -> None:
    source = added(storage, b"1", "02")
    storage.add(OUTPUT, b"x", {"source-id": source.id, "source-sequencer": "01"})

    def restless(name: str, uri: S3Uri) -> None:
        if name in WRITES and uri == OUTPUT:
            storage.add(OUTPUT, b"x%d" % len(storage.calls), storage.metadata(OUTPUT))

    storage.before = restless
    with pytest.raises(TransientError, match="kept changing"):
        await put(storage, source, b"ours")


async def test_a_reply_lost_after_the_write_is_found_done(storage: Outputs) -> None:
    source = added(storage, b"1")

    def lost(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"one", source.metadata())
            raise UploadLost("the SDK asked again") if name == "complete" else WriteConflict("412")

    storage.before = lost
    assert await put(storage, source, b"one") is Written.ALREADY_DONE


@pytest.mark.parametrize("there", [None, "01"])
async def test_parts_that_were_lost_go_up_anew_unless_a_newer_output_is_there(
    storage: Outputs, there: str | None
) -> None:
    older, source = added(storage, b"1", "01"), added(storage, b"2", "02")

    def conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            if there is not None:
                storage.add(uri, b"one", older.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = conflict
    with pytest.raises(TransientError, match="anew"):
        await put(storage, source, b"two")


async def test_a_newer_output_that_came_first_supersedes_parts_that_were_lost(
    storage: Outputs,
) -> None:
    source, newer = added(storage, b"1", "01"), added(storage, b"2", "02")

    def conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"two", newer.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = conflict
    assert await put(storage, source, b"one") is Written.SUPERSEDED


async def test_nothing_is_written_once_the_lease_is_lost(storage: Outputs) -> None:
    def lost() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        await put(storage, added(storage, b"1"), b"one", check_lease=lost)
    assert not WRITES & {name for name, _ in storage.calls}


def test_the_output_key_follows_from_the_input() -> None:
    assert target_key("{output_key}/{key}", job(key="dir/iris.csv")) == "p/dir/iris.csv"


def test_an_empty_prefix_leaves_no_slash() -> None:
    assert target_key("{output_key}/{key}", job(output_key="")) == "iris.csv"


def test_braces_in_a_key_are_letters() -> None:
    assert target_key("{output_key}/{key}", job(key="{key}.csv")) == "p/{key}.csv"


def test_a_key_may_name_the_version() -> None:
    source = Source(INPUT, "abc", "v7", None)
    key = target_key("{output_key}/{version_id}/{etag}/{key}", job(), source)
    assert key == "p/v7/abc/iris.csv"


def test_a_key_longer_than_s3_allows_is_refused() -> None:
    with pytest.raises(OutputRefused, match="1024 bytes"):
        target_key("{output_key}/{key}", job(key="ü" * 512))


def test_the_report_of_a_key_too_long_goes_under_its_hash() -> None:
    key = report_key("{output_key}/_failed/{key}.json", job(key="ü" * 512))
    assert len(key) == len("p/_failed/.json") + 64


def test_metadata_is_ascii_whatever_the_key() -> None:
    source = Source(S3Uri("in", "dossier/été 100%.csv"), "abc", "v1", "01")
    assert all((name + value).isascii() for name, value in source.metadata().items())
