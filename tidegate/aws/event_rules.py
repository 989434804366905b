"""EventBridge's rules that may use the events of a bucket."""

import json
from collections.abc import Iterator
from typing import Any

from tidegate.aws.account import Account


def rules_about(account: Account, bucket: str) -> Iterator[str]:
    """Yield the names of the rules that may match an event of the bucket.

    S3 sends its events to the default bus. A pattern that is not understood here may match.
    """
    pages = account.client("events").get_paginator("list_rules").paginate()
    for page in pages:
        for rule in page["Rules"]:
            pattern = rule.get("EventPattern")
            if pattern and may_match(json.loads(pattern), bucket):
                yield rule["Name"]


def may_match(pattern: dict[str, Any], bucket: str) -> bool:
    """Return False only if the pattern certainly matches no event of the bucket."""
    named = pattern.get("detail", {}).get("bucket", {}).get("name")
    return _may_be(pattern.get("source"), "aws.s3") and _may_be(named, bucket)


def _may_be(allowed: Any, value: str) -> bool:  # noqa: ANN401 - a field of a pattern, or None
    if not isinstance(allowed, list):
        return True
    return any(not isinstance(one, str) or one == value for one in allowed)
