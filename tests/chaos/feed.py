"""Puts files and sends their messages in the drawn order, as S3 and the dispatcher would."""

import json
from itertools import count

from tests.chaos.inputs import UNREADABLE, Inputs
from tests.support.scenario import Endpoint


class Feed:
    """Feeds a run step by step. The unreadable messages come first."""

    def __init__(self, endpoint: Endpoint, inputs: Inputs) -> None:
        self._endpoint = endpoint
        self._inputs = inputs
        self._left = list(reversed(inputs.steps))
        self._sequence = count(1)
        self._events: dict[tuple[str, int], dict[str, object]] = {}
        endpoint.s3.put_bucket_versioning(
            Bucket=endpoint.input, VersioningConfiguration={"Status": "Enabled"}
        )
        for body in UNREADABLE:
            endpoint.send(body)

    def advance(self, now: float) -> None:
        """Carry out the steps that are due at `now`, which runs from 0 to 1."""
        while self._left and self._left[-1].at <= now:
            step = self._left.pop()
            if step.put:
                self._put(step.key, step.version)
            else:
                self._endpoint.send(self._message(step.key, step.version))

    def poison(self) -> dict[str, str]:
        """Return the messages that must become dead letters, and the error type of each."""
        unreadable = dict.fromkeys(UNREADABLE, "UnreadableBody")
        return unreadable | {
            self._message(key): error for key, error in self._inputs.poison().items()
        }

    def _put(self, key: str, version: int) -> None:
        body = self._inputs.versions[key][version]
        put = self._endpoint.s3.put_object(Bucket=self._endpoint.input, Key=key, Body=body)
        self._events[key, version] = {
            "version_id": put["VersionId"],
            "etag": put["ETag"],
            "size": len(body),
            "sequencer": f"{next(self._sequence):016X}",
        }

    def _message(self, key: str, version: int = 0) -> str:
        """Make a message with all fields of a version, or with the origin post's four fields."""
        about = self._events[key, version] if key in self._inputs.detailed else {}
        return json.dumps(self._endpoint.job(key) | about)
