from collections.abc import Callable
from functools import partial
from itertools import pairwise

import pytest

from tests.support.fakes.storage import FakeStorage
from tests.support.simulation.bucket import Versioning
from worker.clock import now
from worker.errors import LeaseLost, OutputRefused, TransientError
from worker.job import S3Uri
from worker.storage.conditional_write import WRITE_ATTEMPTS, WriteResult, write
from worker.storage.protocol import UploadLost, WriteConflict
from worker.storage.provenance import InputVersion
from worker.storage.streaming import Upload

INPUT = S3Uri("in", "iris.csv")
OUTPUT = S3Uri("out", "p/iris.csv")

WRITES = {"put", "complete"}  # the two ways in which an output becomes visible


class OutputStorage(FakeStorage):
    """A storage, and the size of the parts in which outputs are uploaded."""

    part_bytes = 1000


@pytest.fixture(params=[1000, 1], ids=["in one request", "in parts"])
def storage(request: pytest.FixtureRequest) -> OutputStorage:
    storage = OutputStorage()
    storage.part_bytes = request.param
    return storage


def add_input(storage: OutputStorage, body: bytes, sequencer: str | None = None) -> InputVersion:
    head = storage.add(INPUT, body)
    return InputVersion(INPUT, head.etag, head.version_id, sequencer)


async def put(
    storage: OutputStorage,
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
            replaces=lambda _: force,
            check_lease=check_lease,
        )
    finally:
        await upload.abandon()
        assert storage.uploads == 0


async def test_a_first_write_makes_no_other_calls(storage: OutputStorage) -> None:
    version = add_input(storage, b"1")
    assert await put(storage, version, b"one") is WriteResult.NEW
    in_parts = ["begin", "put_part", "put_part", "put_part", "complete"]
    expected = ["put"] if storage.part_bytes > len(b"one") else in_parts
    assert [name for name, _ in storage.calls] == expected
    assert storage.metadata(OUTPUT)["source-id"] == version.source_id


async def test_the_same_version_twice_is_already_done(storage: OutputStorage) -> None:
    version = add_input(storage, b"1")
    await put(storage, version, b"one")
    assert await put(storage, version, b"one") is WriteResult.ALREADY_DONE
    assert len(storage.versions[OUTPUT]) == 1


async def test_the_same_version_is_written_again_with_force(storage: OutputStorage) -> None:
    version = add_input(storage, b"1")
    await put(storage, version, b"one")
    assert await put(storage, version, b"another model", force=True) is WriteResult.REPLACED
    assert storage.body(OUTPUT) == b"another model"


async def test_the_output_of_another_input_is_never_replaced(storage: OutputStorage) -> None:
    storage.add(OUTPUT, b"theirs", {"source-id": "another input"})
    with pytest.raises(OutputRefused, match="taken"):
        await put(storage, add_input(storage, b"1"), b"ours")
    assert storage.body(OUTPUT) == b"theirs"


async def test_an_object_without_a_source_is_never_replaced(storage: OutputStorage) -> None:
    storage.add(OUTPUT, b"theirs")
    with pytest.raises(OutputRefused):
        await put(storage, add_input(storage, b"1"), b"ours")


@pytest.mark.parametrize("versioning", ["Enabled", "Suspended", None])
@pytest.mark.parametrize("sequencers", [("0055AA", "0055AB"), ("0055aa", "0055AB"), (None, None)])
@pytest.mark.parametrize("in_order", [True, False])
async def test_the_newest_version_stays_in_either_order_of_writes(
    storage: OutputStorage,
    sequencers: tuple[str | None, str | None],
    *,
    versioning: Versioning | None,
    in_order: bool,
) -> None:
    storage.versioning = versioning
    older = add_input(storage, b"1", sequencers[0])
    newer = add_input(storage, b"2", sequencers[1])
    order = [(older, b"one"), (newer, b"two")] if in_order else [(newer, b"two"), (older, b"one")]
    for version, body in order:
        await put(storage, version, body)
    assert storage.body(OUTPUT) == b"two"


async def test_an_older_version_is_superseded(storage: OutputStorage) -> None:
    older, newer = add_input(storage, b"1", "01"), add_input(storage, b"2", "02")
    await put(storage, newer, b"two")
    assert await put(storage, older, b"one") is WriteResult.SUPERSEDED


async def test_with_sequencers_of_unequal_length_the_current_input_decides(
    storage: OutputStorage,
) -> None:
    older, newer = add_input(storage, b"1", "9"), add_input(storage, b"2", "10")
    await put(storage, older, b"one")
    assert await put(storage, newer, b"two") is WriteResult.REPLACED
    assert ("head", INPUT) in storage.calls


async def test_a_later_version_with_earlier_content_is_recognised_by_its_sequencer(
    storage: OutputStorage,
) -> None:
    storage.versioning = None
    x, y, x_again = (
        add_input(storage, b"x", "01"),
        add_input(storage, b"y", "02"),
        add_input(storage, b"x", "03"),
    )
    await put(storage, x, b"XX")
    assert await put(storage, x_again, b"XX") is WriteResult.REPLACED
    assert await put(storage, y, b"YY") is WriteResult.SUPERSEDED
    assert storage.body(OUTPUT) == b"XX"


async def test_of_two_concurrent_writes_the_newest_version_stays(storage: OutputStorage) -> None:
    older, newer = add_input(storage, b"1", "01"), add_input(storage, b"2", "02")
    await put(storage, older, b"one")

    def write_newer_output(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.add(OUTPUT, b"three", {"source-id": newer.source_id, "source-sequencer": "03"})

    storage.before = write_newer_output
    assert await put(storage, newer, b"two") is WriteResult.SUPERSEDED
    assert storage.body(OUTPUT) == b"three"


async def test_an_output_deleted_during_the_write_is_written_as_new(storage: OutputStorage) -> None:
    older, newer = add_input(storage, b"1", "01"), add_input(storage, b"2", "02")
    await put(storage, older, b"one")

    def remove_output(name: str, uri: S3Uri) -> None:
        if (name, uri) == ("head", OUTPUT):
            storage.before = None
            storage.remove(OUTPUT)

    storage.before = remove_output
    assert await put(storage, newer, b"two") is WriteResult.NEW


async def test_an_output_that_keeps_changing_is_a_transient_error(storage: OutputStorage) -> None:
    version = add_input(storage, b"1", "02")
    storage.add(OUTPUT, b"x", {"source-id": version.source_id, "source-sequencer": "01"})

    def change_output(name: str, uri: S3Uri) -> None:
        if name in WRITES and uri == OUTPUT:
            storage.add(OUTPUT, b"x%d" % len(storage.calls), storage.metadata(OUTPUT))

    storage.before = change_output
    with pytest.raises(TransientError, match="kept changing"):
        await put(storage, version, b"ours")


async def test_a_write_that_goes_on_conflicting_waits_between_its_attempts(
    storage: OutputStorage,
) -> None:
    version = add_input(storage, b"1", "02")
    storage.add(OUTPUT, b"x", {"source-id": version.source_id, "source-sequencer": "01"})
    times = []

    def change_output(name: str, uri: S3Uri) -> None:
        if name in WRITES and uri == OUTPUT:
            times.append(now())
            storage.add(OUTPUT, b"x%d" % len(times), storage.metadata(OUTPUT))

    storage.before = change_output
    with pytest.raises(TransientError, match="kept changing"):
        await put(storage, version, b"ours")
    first, *later = [after - before for before, after in pairwise(times)]
    assert first == 0  # the normal way to replace an older output
    assert len(later) == WRITE_ATTEMPTS - 2
    assert all(pause > 0 for pause in later)
    assert sum(later) < 20


async def test_a_conflict_that_is_over_costs_no_wait(storage: OutputStorage) -> None:
    await put(storage, add_input(storage, b"1", "01"), b"one")
    assert await put(storage, add_input(storage, b"2", "02"), b"two") is WriteResult.REPLACED
    assert now() == 0


async def test_after_a_lost_reply_the_output_is_already_done(storage: OutputStorage) -> None:
    version = add_input(storage, b"1")

    def lose_reply(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"one", version.metadata())
            raise (
                UploadLost("the SDK sent the request again")
                if name == "complete"
                else WriteConflict("412")
            )

    storage.before = lose_reply
    assert await put(storage, version, b"one") is WriteResult.ALREADY_DONE


@pytest.mark.parametrize("existing_version", [None, "01"])
async def test_a_lost_upload_without_a_newer_output_is_a_transient_error(
    storage: OutputStorage, existing_version: str | None
) -> None:
    older, version = add_input(storage, b"1", "01"), add_input(storage, b"2", "02")

    def raise_conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            if existing_version is not None:
                storage.add(uri, b"one", older.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = raise_conflict
    with pytest.raises(TransientError, match="again"):
        await put(storage, version, b"two")


async def test_a_newer_output_supersedes_a_lost_upload(
    storage: OutputStorage,
) -> None:
    version, newer = add_input(storage, b"1", "01"), add_input(storage, b"2", "02")

    def raise_conflict(name: str, uri: S3Uri) -> None:
        if name in WRITES:
            storage.before = None
            storage.add(uri, b"two", newer.metadata())
            raise UploadLost("409: another write was under way")

    storage.before = raise_conflict
    assert await put(storage, version, b"one") is WriteResult.SUPERSEDED


async def test_nothing_is_written_after_the_lease_is_lost(storage: OutputStorage) -> None:
    def raise_lease_lost() -> None:
        raise LeaseLost("lost")

    with pytest.raises(LeaseLost):
        await put(storage, add_input(storage, b"1"), b"one", check_lease=raise_lease_lost)
    assert not WRITES & {name for name, _ in storage.calls}


def test_metadata_is_ascii_for_every_key() -> None:
    version = InputVersion(S3Uri("in", "dossier/été 100%.csv"), "abc", "v1", "01")
    assert all((name + value).isascii() for name, value in version.metadata().items())
