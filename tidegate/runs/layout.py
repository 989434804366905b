"""Where outputs and failure reports of inputs lie, by the worker's key templates."""

import string
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from worker.errors import OutputRefused
from worker.interfaces import Format
from worker.job import Job
from worker.jobs.output_keys import COMMANDS_PREFIX, MAX_KEY_BYTES, output_key, report_key
from worker.settings import Settings

SMOKE_PREFIX = "_smoke/"  # below the output key: outputs of the files by which a stack is tried


@dataclass(frozen=True, slots=True)
class Place:
    """Keys that hold an input's key, with the same text before and after it each time."""

    before: str
    after: str

    @classmethod
    def of_template(cls, template: str, prefix: str) -> Self | None:
        """Return the place of a key template; None if the input's key alone does not say where."""
        if not prefix:  # as the worker fills it
            template = template.replace("{output_key}/", "")
        texts = [""]
        for literal, name, form, conversion in string.Formatter().parse(template):
            texts[-1] += literal
            if name is None:
                continue
            if form or conversion or name not in ("key", "output_key"):
                return None
            if name == "key":
                texts.append("")
            else:
                texts[-1] += prefix
        return cls(*texts) if len(texts) == len(("before", "after")) else None

    def of(self, key: str) -> str:
        """Return the key for an input's key."""
        return f"{self.before}{key}{self.after}"


@dataclass(frozen=True)
class Layout:
    """Where the worker puts what it makes of inputs, by its settings and its messages' fields."""

    output_bucket: str
    output_key: str
    output_format: Format | None = None
    output_template: str = Settings.model_fields["output_template"].default
    failure_template: str = Settings.model_fields["failure_template"].default

    @property
    def _suffixes(self) -> tuple[str, ...]:
        return ("", f".{self.output_format}") if self.output_format else ("",)

    @cached_property
    def prefix(self) -> str:
        """What all keys of the outputs begin with, unless a template says something else."""
        output_key = self.output_key.removesuffix("/")
        return f"{output_key}/" if output_key else ""

    @cached_property
    def outputs(self) -> tuple[Place, ...]:
        """Where an output may be, converted or not; nowhere if a listing cannot say."""
        place = Place.of_template(self.output_template, self.prefix.removesuffix("/"))
        suffixes = self._suffixes if place else ()
        return tuple(Place(place.before, place.after + one) for one in suffixes if place)

    @cached_property
    def reports(self) -> Place | None:
        """Where a failure report is; None if a listing cannot say."""
        return Place.of_template(self.failure_template, self.prefix.removesuffix("/"))

    @cached_property
    def _room(self) -> int:
        """The bytes of the longest input's key with which all other keys are short enough."""
        places = [*self.outputs, *([self.reports] if self.reports else [])]
        return MAX_KEY_BYTES - max(len(place.of("").encode()) for place in places)

    @cached_property
    def skipped(self) -> tuple[str, ...]:
        """The prefixes of the output bucket below which no output is looked for."""
        prefixes = [self.prefix + COMMANDS_PREFIX, self.prefix + SMOKE_PREFIX]
        outputs = self.outputs[0].before if self.outputs else ""
        if self.reports and self.reports.before != outputs:
            prefixes.append(self.reports.before)
        return tuple(prefix for prefix in prefixes if prefix.startswith(outputs))

    def hides(self, key: str) -> bool:
        """Return whether a listing does not show what became of an input of that key."""
        if not self.outputs or self.reports is None:
            return True
        if any(place.of(key).startswith(self.skipped) for place in self.outputs):
            return True
        # A key that is too long is not used: the report is then under a hash.
        return len(key.encode()) > self._room

    def output_keys(self, job: Job) -> Iterator[str]:
        """Yield each key that an output of a job may have; none if all are too long."""
        for suffix in self._suffixes:
            try:
                yield output_key(self.output_template + suffix, job)
            except OutputRefused:
                continue

    def report_key(self, job: Job) -> str:
        """Return the key of a job's failure report."""
        return report_key(self.failure_template, job)
