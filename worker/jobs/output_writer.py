"""Output writer: uploads a file's output and its rejected rows, and publishes both at the end."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from worker.errors import OutputRefused, TidegateError
from worker.interfaces import Format, OutputForm, ScoreResult
from worker.job import S3Uri
from worker.storage.conditional_write import WriteResult, preview, write
from worker.storage.protocol import Storage
from worker.storage.provenance import InputVersion
from worker.storage.streaming import Upload

REJECTS_SUFFIX = ".rejected.csv"
NO_REJECTS = b"line,reason,row\n"


class AlreadyWritten(TidegateError):
    """The output, or a newer version's, exists: there is nothing to predict."""

    def __init__(self, target: S3Uri, result: WriteResult) -> None:
        super().__init__(f"{target} is {result.value}")
        self.target = target
        self.result = result


@dataclass(slots=True)
class OutputWriter:
    """Implements worker.interfaces.AsyncOutputSink for one input version.

    Nothing is visible before `publish`. With `previews` it checks whether the output exists
    before it takes any data, and raises AlreadyWritten: this saves predicting a large file again.
    """

    storage: Storage
    target_for: Callable[[Format | None], S3Uri]  # by the format that the output is converted to
    version: InputVersion
    metadata: Mapping[str, str]
    force: bool
    check_lease: Callable[[], None]
    part_bytes: int
    previews: bool
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
        """The bytes that were taken and not yet sent."""
        return sum(upload.held for upload in self._uploads)

    async def open(self, form: OutputForm) -> None:
        """Start the output; raises AlreadyWritten and OutputRefused."""
        target = self.target_for(form.converted_to)
        if self.previews:
            result = await preview(self.storage, target, version=self.version, force=self.force)
            if result is not None:
                raise AlreadyWritten(target, result)
        self._output = self._upload(target, form.content_type, form.content_encoding)

    async def write(self, data: bytes) -> None:
        """Append to the output."""
        assert self._output is not None
        await self._output.write(data)

    async def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
        if self._rejects is None:
            self._rejects = self._upload(self._rejects_target, "text/csv")
        await self._rejects.write(data)

    async def publish(self, score: ScoreResult) -> WriteResult:
        """Make the rejected rows and the output visible, as the write rule allows."""
        assert self._output is not None
        if self._rejects is not None:
            # Before the output: a reader that sees the output finds its rejected rows too.
            result = await self._commit(self._rejects, {})
            if result is WriteResult.SUPERSEDED:
                return result
        counts = {"rows": str(score.rows), "rejected": str(score.rejected)}
        result = await self._commit(self._output, counts)
        if result is WriteResult.REPLACED and self._rejects is None:
            await self._empty_older_rejects()
        return result

    @property
    def _rejects_target(self) -> S3Uri:
        return replace(self.target, key=self.target.key + REJECTS_SUFFIX)

    async def _empty_older_rejects(self) -> None:
        """Leave no rejected rows of an older version beside an output that has none."""
        if await self.storage.head(self._rejects_target) is None:
            return
        empty = self._upload(self._rejects_target, "text/csv")
        await empty.write(NO_REJECTS)
        with suppress(OutputRefused):  # another program wrote that object: leave it
            await self._commit(empty, {})

    def _upload(
        self, target: S3Uri, content_type: str, content_encoding: str | None = None
    ) -> Upload:
        upload = Upload(
            self.storage,
            target,
            metadata={**self.version.metadata(), **self.metadata},
            content_type=content_type,
            content_encoding=content_encoding,
            part_bytes=self.part_bytes,
        )
        self._uploads.append(upload)
        return upload

    async def _commit(self, upload: Upload, counts: Mapping[str, str]) -> WriteResult:
        await upload.finish()  # before the lease is checked: the last parts may take a while
        return await write(
            self.storage,
            upload.target,
            partial(upload.commit, counts=counts),
            version=self.version,
            force=self.force,
            check_lease=self.check_lease,
        )
