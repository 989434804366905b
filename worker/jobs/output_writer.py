"""Output writer: uploads a file's output and its rejected rows, and publishes both at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Self

from worker.errors import TidegateError
from worker.interfaces import Format, OutputForm, ScoreResult
from worker.job import S3Uri
from worker.jobs.rejected_rows import empty_older_rejects, empty_superseded_rejects, rejects_of
from worker.lifecycle.supervision import wait_then_cancel
from worker.storage.conditional_write import Replaces, WriteResult, none, preview, write
from worker.storage.protocol import Head, Storage
from worker.storage.provenance import InputVersion
from worker.storage.streaming import ABORT_SECONDS, Upload

MADE_BY = ("model-sha256", "settings-sha256")  # metadata: of one version, these make the bytes


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
    `rejects_allowed`: an attempt that ended before its output may have left rejected rows.
    """

    storage: Storage
    target_for: Callable[[Format | None], S3Uri]  # by the format that the output is converted to
    version: InputVersion
    metadata: Mapping[str, str]
    force: bool
    check_lease: Callable[[], None]
    part_bytes: int
    previews: bool
    rejects_allowed: bool
    written: int = 0
    """The bytes of the output, so far."""
    _takes_over: bool = False  # an output of other settings, whose rejected rows are this job's
    _output: Upload | None = None
    _rejects: Upload | None = None
    _uploads: list[Upload] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        left = [upload.abandon() for upload in self._uploads if upload.begun]
        if not left:
            return
        # A cancellation meanwhile, of a job that takes too long, must not leave any of them.
        abandoned = asyncio.gather(*left)
        try:
            await asyncio.shield(abandoned)
        except asyncio.CancelledError:
            await wait_then_cancel(abandoned, ABORT_SECONDS)
            raise

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
            result = await self._preview(target)
            if result is not None:
                raise AlreadyWritten(target, result)
        self._output = self._upload(target, form.content_type, form.content_encoding)

    async def write(self, data: bytes) -> None:
        """Append to the output."""
        assert self._output is not None
        self.written += len(data)
        await self._output.write(data)

    async def reject(self, data: bytes) -> None:
        """Append to the file of rejected rows."""
        if self._rejects is None:
            self._rejects = self._upload(rejects_of(self.target), "text/csv")
        await self._rejects.write(data)

    async def publish(self, score: ScoreResult) -> WriteResult:
        """Make the rejected rows and the output visible, as the write rule allows."""
        assert self._output is not None
        if self._rejects is not None:
            result = await self._publish_rejects(self._rejects)
            if result is not None:
                return result
        await self._output.finish()  # before the lease is checked: the last parts may take a while
        counts = {"rows": str(score.rows), "rejected": str(score.rejected)}
        commit = partial(self._commit_output, counts)
        result = await self._write(self._output, commit, self._replaces)
        if result is WriteResult.ALREADY_DONE and await self._has_only_the_rejects(self.target):
            self._takes_over = True
            result = await self._write(self._output, commit, self._replaces)
        await self._leave_no_older_rejects(self.target, result)
        return result

    async def _preview(self, target: S3Uri) -> WriteResult | None:
        """Return the result if nothing is to be written; None if the output is."""
        result = await preview(self.storage, target, version=self.version, replaces=self._replaces)
        if result is WriteResult.ALREADY_DONE and await self._has_only_the_rejects(target):
            self._takes_over = True
            return None
        await self._leave_no_older_rejects(target, result)
        return result

    async def _has_only_the_rejects(self, target: S3Uri) -> bool:
        """Return whether an output of other settings or another model has this job's rejected rows.

        Two jobs of one version were under way at once. The one whose rejected rows are there writes
        the output too, if need be over the other one's, so that both files are of one job.
        """
        if not self.rejects_allowed:
            return False
        output = await self.storage.head(target)
        rejects = await self.storage.head(rejects_of(target))
        return (
            output is not None
            and rejects is not None
            and self.version.is_recorded_in(rejects.metadata)
            and self._is_alike(rejects)
            and not self._is_alike(output)
        )

    async def _has_no_output(self) -> bool:
        return await self.storage.head(self.target) is None

    def _replaces(self, output: Head) -> bool:
        """Return whether an output of this version gives way: always, or to those of this job."""
        return self.force or (self._takes_over and not self._is_alike(output))

    def _replaces_rejects(self, rejects: Head) -> bool:
        """Return whether rejected rows of this version give way, when this job writes the output.

        Those of other settings or another model do. Whose output is there in the end is decided by
        whose rejected rows are.
        """
        return self.force or not self._is_alike(rejects)

    def _is_alike(self, head: Head) -> bool:
        """Return whether this model and these settings have made an object."""
        return all(head.metadata.get(name) == self.metadata.get(name) for name in MADE_BY)

    async def _publish_rejects(self, rejects: Upload) -> WriteResult | None:
        """Write the rejected rows; returns the result if the output is not to be written.

        Before the output: a reader that sees the output finds its rejected rows too. And not beside
        a newer output.
        """
        result = await self._preview(self.target)
        if result is not None:
            return result
        await rejects.finish()
        commit = partial(rejects.commit, counts={})
        result = await self._write(rejects, commit, self._replaces_rejects)
        return result if result is WriteResult.SUPERSEDED else None

    async def _commit_output(self, counts: Mapping[str, str], replacing: str | None) -> None:
        assert self._output is not None
        if self._rejects is None and (replacing is not None or self.rejects_allowed):
            writes = replacing is not None or self.force or await self._has_no_output()
            await self._empty_older_rejects(self.target, self._replaces_rejects if writes else none)
            self.check_lease()
        await self._output.commit(replacing, counts)

    async def _leave_no_older_rejects(self, target: S3Uri, result: WriteResult | None) -> None:
        """Empty older rejected rows beside an output that was there already.

        An attempt may have written them while that output was written, and ended.
        """
        if result is WriteResult.SUPERSEDED:
            await empty_superseded_rejects(
                self.storage,
                target,
                self.version.uri,
                metadata=self.metadata,
                check_lease=self.check_lease,
            )
        elif result is WriteResult.ALREADY_DONE and self.rejects_allowed:
            await self._empty_older_rejects(target, none)

    async def _empty_older_rejects(self, target: S3Uri, replaces: Replaces) -> None:
        await empty_older_rejects(
            self.storage,
            target,
            self.version,
            metadata=self.metadata,
            replaces=replaces,
            check_lease=self.check_lease,
        )

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

    async def _write(
        self, upload: Upload, commit: Callable[[str | None], Awaitable[None]], replaces: Replaces
    ) -> WriteResult:
        return await write(
            self.storage,
            upload.target,
            commit,
            version=self.version,
            replaces=replaces,
            check_lease=self.check_lease,
        )
