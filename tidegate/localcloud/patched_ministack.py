"""MiniStack with its differences to AWS corrected: here for S3, in `emulator` for the rest.

GetObject of a version honours the Range header: MiniStack itself sends the whole version, which a
worker that reads a large file in ranges reports as an error. This program runs in the emulator's
virtual environment.
"""

from collections.abc import Mapping
from typing import Any

from ministack.app import main
from ministack.services import s3

from tidegate.localcloud.emulator import access, functions, move_tasks, stacks, tasks

Response = tuple[int, dict[str, str], bytes]
OK, PARTIAL_CONTENT, UNSATISFIABLE = 200, 206, 416

get_object = s3._get_object  # noqa: SLF001 - MiniStack has no public hook


def get_object_range(
    bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None
) -> Response:
    """Answer GetObject as MiniStack does, but cut the body to the range that was asked for."""
    response: Response = get_object(bucket, key, headers, query)
    status, response_headers, body = response
    if status != OK or "range" not in headers:
        return response
    bounds = s3._parse_range(headers["range"], len(body))  # noqa: SLF001 - as above
    if bounds is None:
        error: bytes = s3._xml_body(s3._range_error_xml(bucket, key))  # noqa: SLF001 - as above
        return UNSATISFIABLE, {"Content-Type": "application/xml"}, error
    first, last = bounds
    # A checksum is that of the whole object, which a range does not match.
    sent = {
        name: value for name, value in response_headers.items() if "checksum" not in name.lower()
    }
    part = body[first : last + 1]
    sent["Content-Length"] = str(len(part))
    sent["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
    return PARTIAL_CONTENT, sent, part


if __name__ == "__main__":
    for corrected in (access, functions, move_tasks, stacks, tasks):
        corrected.install()
    s3._get_object = get_object_range  # noqa: SLF001 - as above
    main()
