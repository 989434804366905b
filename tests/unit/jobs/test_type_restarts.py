"""A file whose later rows change the types of its first ones is started again, with those types."""

from dataclasses import dataclass, field

import pytest

from tests.support.fakes.pool import FakePool
from tests.support.fakes.queue import FakeQueue
from tests.support.fakes.worker import INPUT, Cloud
from tests.unit.jobs.test_exclusive_jobs import receive_and_release
from worker.errors import NeedsMemory, NeedsTypes
from worker.interfaces import AsyncInputReader, AsyncOutputSink, OutputForm, ScoreOptions
from worker.job import S3Uri


@dataclass
class TypedPool(FakePool):
    """Raises NeedsTypes, after it has written something, unless the right types are given."""

    attempts: list[tuple[bytes, str | None, bool]] = field(default_factory=list)

    async def prepare(
        self,
        reader: AsyncInputReader,
        options: ScoreOptions,
        output: AsyncOutputSink,
        *,
        fresh: bool,
    ) -> None:
        self.attempts.append((reader.first, options.found_types, fresh))
        types = f"types of {reader.first!r}"
        if options.found_types != types:
            await output.open(OutputForm("text/csv", None))
            await output.write(b"with the wrong types")
            raise NeedsTypes(types)


async def test_a_file_is_started_again_once_with_its_types_and_nothing_else_is_visible() -> None:
    pool = TypedPool()
    cloud = Cloud(pool=pool)
    cloud.submit("a.csv", b"abc")
    await cloud.run_worker()
    assert pool.attempts == [(b"abc", None, False), (b"abc", "types of b'abc'", False)]
    assert cloud.outputs() == {"p/a.csv": b"ABC"}
    assert len(cloud.storage.versions[S3Uri("out", "p/a.csv")]) == 1


@pytest.mark.parametrize("memory_first", [True, False])
async def test_a_file_that_needs_more_memory_and_other_types_gets_both(
    *, memory_first: bool
) -> None:
    needed = 2**21
    attempts: list[tuple[str | None, bool]] = []

    class NeedyPool(TypedPool):
        async def prepare(
            self,
            reader: AsyncInputReader,
            options: ScoreOptions,
            output: AsyncOutputSink,
            *,
            fresh: bool,
        ) -> None:
            has_memory = options.reserved_bytes == needed
            attempts.append((options.found_types, has_memory))
            if not has_memory and (memory_first or options.found_types is not None):
                raise NeedsMemory(needed)
            await super().prepare(reader, options, output, fresh=fresh)

    cloud = Cloud(pool=NeedyPool())
    cloud.submit("a.csv", b"abc")
    await cloud.run_worker()

    between = (None, True) if memory_first else ("types of b'abc'", False)
    assert attempts == [(None, False), between, ("types of b'abc'", True)]
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_an_exclusive_job_is_started_again_with_its_types() -> None:
    pool = TypedPool()
    cloud = Cloud(queue=FakeQueue(max_receive_count=5), pool=pool)
    cloud.submit("a.csv", b"abc")
    await receive_and_release(cloud.queue, 3)
    await cloud.run_worker()
    assert pool.attempts == [(b"abc", None, True), (b"abc", "types of b'abc'", True)]
    assert cloud.outputs() == {"p/a.csv": b"ABC"}


async def test_the_types_of_one_version_of_a_file_are_not_those_of_another() -> None:
    pool = TypedPool()
    cloud = Cloud(pool=pool)
    cloud.submit("a.csv", b"abc")

    def overwrite(name: str, _: S3Uri) -> None:
        if name == "get" and len(pool.attempts) == 1:
            cloud.storage.before = None
            cloud.storage.add(S3Uri(INPUT, "a.csv"), b"def")

    cloud.storage.before = overwrite
    await cloud.run_worker()
    assert pool.attempts == [
        (b"abc", None, False),
        (b"def", None, False),
        (b"def", "types of b'def'", False),
    ]
    assert cloud.outputs() == {"p/a.csv": b"DEF"}
