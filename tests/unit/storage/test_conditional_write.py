from collections.abc import Callable
from functools import partial

import pytest

from tests.support.fakes.storage import FakeStorage
from tests.support.simulation.bucket import Versioning
from worker.errors import LeaseLost, OutputRefused, TransientError
from worker.job import Job, S3Uri
from worker.storage.conditional_write import WriteResult, write
from worker.storage.protocol import UploadLost, WriteConflict
from worker.storage.provenance import InputVersion
from worker.storage.streaming import Upload

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


def added(storage: Outputs, body: bytes, sequencer: str | None = None) -> InputVersion:
    head = storage.add(INPUT, body)
    return InputVersion(INPUT, head.etag, head.version_id, sequencer)


async def put(
    storage: Outputs,
    version: InputVersion,
    body: bytes,
    *,
    force: bool = False,
    check_lease: Callable[[], None] = lambda: None,
) -> WriteResult:
    upload = Upload(
        storage,
        OUTPUT,
        metadata=version.metadata(),
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
            version=version,
            force=force,
            check_lease=check_lease,
        )
    finally:
        await upload.abandon()
        assert storage.uploads == 0


async def test_the_common_path_asks_nothing_but_writes(storage: Outputs) -> None:
    version = added(storage, b"1")
    assert await put(storage, version, b"one") is WriteResult.NEW
    in_parts = ["begin", "put_part", "put_part", "put_part", "complete"]
    expected = ["put"] if storage.part_bytes > len(b"one") else in_parts
    assert [name for name, _ in storage.calls] == expected
    assert storage.metadata(OUTPUT)["source-id"] == version.source_id


async def test_the_same_version_twice_is_already_done(storage: Outputs) -> None:
    version = added(storage, b"1")
    await put(storage, version, b"one")
    assert await put(storage, version, b"one") is WriteResult.ALREADY_DONE
    assert len(storage.versions[OUTPUT]) == 1


async def test_the_same_version_is_written_again_when_asked(storage: Outputs) -> None:
    version = added(storage, b"1")
    await put(storage, version, b"one")
    assert await put(storage, version, b"another model", force=True) is WriteResult.REPLACED
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
    for version, body in order:
        await put(storage, version, body)
    assert storage.body(OUTPUT) == b"two"


async def test_an_older_version_is_superseded(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, newer, b"two")
    assert await put(storage, older, b"one") is WriteResult.SUPERSEDED


async def test_sequencers_of_unequal_length_leave_it_to_the_input(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "9"), added(storage, b"2", "10")
    await put(storage, older, b"one")
    assert await put(storage, newer, b"two") is WriteResult.REPLACED
    assert ("head", INPUT) in storage.calls


async def test_content_that_returns_is_known_by_its_sequencer(storage: Outputs) -> None:
    storage.versioning = None
    x, y, x_again = (
        added(storage, b"x", "01"),
        added(storage, b"y", "02"),
        added(storage, b"x", "03"),
    )
    await put(storage, x, b"XX")
    assert await put(storage, x_again, b"XX") is WriteResult.REPLACED
    assert await put(storage, y, b"YY") is WriteResult.SUPERSEDED
    assert storage.body(OUTPUT) == b"XX"


async def test_two_that_write_at_once_leave_the_newest(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, older, b"one")

    def overtake(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.add(OUTPUT, b"three", {"source-id": newer.source_id, "source-sequencer": "03"})

    storage.before = overtake
    assert await put(storage, newer, b"two") is WriteResult.SUPERSEDED
    assert storage.body(OUTPUT) == b"three"


async def test_an_output_deleted_on_the_way_is_written_anew(storage: Outputs) -> None:
    older, newer = added(storage, b"1", "01"), added(storage, b"2", "02")
    await put(storage, older, b"one")

    def vanish(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.remove(OUTPUT)

    storage.before = vanish
    assert await put(storage, newer, b"two") is WriteResult.NEW


async def test_an_output_that_never_rests_is_a_passing_fault(storage: Outputs) -> None:
    version = added(storage, b"1", "02")
    storage.add(OUTPUT, b"x", {"source-id": version.source_id, "source-sequencer": "01"})

    def restless(name: str, uri: S3Uri) -> None:
        if name in WRITES and uri == OUTPUT:
            storage.add(OUTPUT, b"x%d" % len(storage.calls), storage.metadata(OUTPUT))

    storage.before = restless
    with pytest.raises(TransientError, match="kept changing"):
        await put(storage, version, b"ours")


async def test_a_reply_lost_after_the_write_is_found_done(storage: Outputs) -> None:
    version = added(storage, b"1")

    def lost(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"one", version.metadata())
            raise UploadLost("the SDK asked again") if name == "complete" else WriteConflict("412")

    storage.before = lost
    assert await put(storage, version, b"one") is WriteResult.ALREADY_DONE


@pytest.mark.parametrize("there", [None, "01"])
async def test_parts_that_were_lost_go_up_anew_unless_a_newer_output_is_there(
    storage: Outputs, there: str | None
) -> None:
    older, version = added(storage, b"1", "01"), added(storage, b"2", "02")

    def conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            if there is not None:
                storage.add(uri, b"one", older.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = conflict
    with pytest.raises(TransientError, match="again"):
        await put(storage, version, b"two")


async def test_a_newer_output_that_came_first_supersedes_parts_that_were_lost(
    storage: Outputs,
) -> None:
    version, newer = added(storage, b"1", "01"), added(storage, b"2", "02")

    def conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"two", newer.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = conflict
    assert await put(storage, version, b"one") is WriteResult.SUPERSEDED


async def test_nothing_is_written_once_the_lease_is_lost(storage: Outputs) -> None:
    def lost() -> None:
        raise LeaseLost("gone")

    with pytest.raises(LeaseLost):
        await put(storage, added(storage, b"1"), b"one", check_lease=lost)
    assert not WRITES & {name for name, _ in storage.calls}


def test_metadata_is_ascii_whatever_the_key() -> None:
    version = InputVersion(S3Uri("in", "dossier/été 100%.csv"), "abc", "v1", "01")
    assert all((name + value).isascii() for name, value in version.metadata().items())
