"""A file's output and its rejected rows on their way up, neither visible before it is settled."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from worker.errors import OutputRefused, TidegateError
from worker.interfaces import OutputForm, ScoreResult
from worker.job import S3Uri
from worker.storage.conditional_write import Source, Written, preview, write
from worker.storage.protocol import Storage
from worker.storage.upload import Upload

REJECTS_SUFFIX = ".rejected.csv"
NO_REJECTS = b"line,reason,row\n"
HELD_PARTS = 2  # of each file: one that fills and one under way


class AlreadyWritten(TidegateError):
    """The output is there, or a newer one: what is under way would be in vain."""

    def __init__(self, target: S3Uri, written: Written) -> None:
        super().__init__(f"{target} is {written.value}")
        self.target = target
        self.written = written


@dataclass(slots=True)
class OutputWriter:
    """Implements worker.interfaces.AsyncOutlet: takes a file's predictions in, and settles them.

    With `looks_first` it asks whether the output is there already before it takes anything in, and
    then raises AlreadyWritten: a large file is worth the question.
    """

    storage: Storage
    target_of: Callable[[OutputForm | None], S3Uri]
    source: Source
    metadata: Mapping[str, str]
    again: bool
    check_lease: Callable[[], None]
    part_bytes: int
    looks_first: bool
    _output: Upload | None = None
    _rejects: Upload | None = None
    _uploads: list[Upload] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        for upload in self._uploads:
            await upload.abandon()

    @property
    def target(self) -> S3Uri:
        """Where the output goes."""
        assert self._output is not None
        return self._output.target

    @property
    def held(self) -> int:
        """Bytes taken in and not yet sent."""
        return sum(upload.held for upload in self._uploads)

    async def open(self, form: OutputForm) -> None:
        """Learn what the output will be; raises AlreadyWritten and OutputRefused."""
        target = self.target_of(form)
        if self.looks_first:
            verdict = await preview(self.storage, target, source=self.source, again=self.again)
            if verdict is not None:
                raise AlreadyWritten(target, verdict)
        self._output = self._upload(target, form.content_type)

    async def write(self, data: bytes) -> None:
        """Add to the output."""
        assert self._output is not None
        await self._output.write(data)

    async def reject(self, data: bytes) -> None:
        """Add to the file of rejected rows."""
        if self._rejects is None:
            self._rejects = self._upload(self._beside, "text/csv")
        await self._rejects.write(data)

    async def settle(self, scored: ScoreResult) -> Written:
        """Make all of it visible, unless its place is rightly taken."""
        assert self._output is not None
        if self._rejects is not None:
            # Before the output: whoever sees the output finds its rejected rows there already.
            written = await self._commit(self._rejects, {})
            if written is Written.SUPERSEDED:
                return written
        counts = {"rows": str(scored.rows), "rejected": str(scored.rejected)}
        written = await self._commit(self._output, counts)
        if written is Written.REPLACED and self._rejects is None:
            await self._outdate_rejects()
        return written

    @property
    def _beside(self) -> S3Uri:
        return replace(self.target, key=self.target.key + REJECTS_SUFFIX)

    async def _outdate_rejects(self) -> None:
        """Leave no rejected rows of an older version beside an output that has none."""
        if await self.storage.head(self._beside) is None:
            return
        none = self._upload(self._beside, "text/csv")
        await none.write(NO_REJECTS)
        with suppress(OutputRefused):  # that file is none of ours
            await self._commit(none, {})

    def _upload(self, target: S3Uri, content_type: str) -> Upload:
        upload = Upload(
            self.storage,
            target,
            metadata={**self.source.metadata(), **self.metadata},
            content_type=content_type,
            part_bytes=self.part_bytes,
        )
        self._uploads.append(upload)
        return upload

    async def _commit(self, upload: Upload, counts: Mapping[str, str]) -> Written:
        await upload.finish()  # before the lease is looked at: the last parts may take a while
        return await write(
            self.storage,
            upload.target,
            partial(upload.commit, counts=counts),
            source=self.source,
            again=self.again,
            check_lease=self.check_lease,
        )
