"""The local cloud, with one thing mended: a range of a version is that range, as on AWS.

MiniStack sends the whole version, which a worker that reads a large file in parts takes for damage.
This program runs in the cloud's own virtual environment, which has nothing of ours.
"""

from collections.abc import Mapping
from typing import Any

from ministack.app import main  # type: ignore[import-not-found]  # as it is not in this environment
from ministack.services import s3  # type: ignore[import-not-found]  # as above

Answer = tuple[int, dict[str, str], bytes]
OK, PARTIAL_CONTENT, UNSATISFIABLE = 200, 206, 416

read = s3._get_object  # noqa: SLF001 - there is no other way in


def read_range(
    bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
) -> Answer:
    """Answer GetObject as MiniStack does, but for the range of a version."""
    answer: Answer = read(bucket, key, headers, query)
    status, said, body = answer
    if status != OK or "range" not in headers:
        return answer
    bounds = s3._parse_range(headers["range"], len(body))  # noqa: SLF001 - as above
    if bounds is None:
        refusal: bytes = s3._xml_body(s3._range_error_xml(bucket, key))  # noqa: SLF001 - as above
        return UNSATISFIABLE, {"Content-Type": "application/xml"}, refusal
    first, last = bounds
    # Of the whole, which a part of it does not match.
    said = {name: value for name, value in said.items() if "checksum" not in name.lower()}
    part = body[first : last + 1]
    said["Content-Length"] = str(len(part))
    said["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return PARTIAL_CONTENT, said, part


if __name__ == "__main__":
    s3._get_object = read_range  # noqa: SLF001 - as above
    main()
