"""Any template and any key: the key of an output fits or is refused, that of a report fits."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import examples
from worker.errors import OutputRefused
from worker.job import Job, S3Uri
from worker.jobs.output_keys import MAX_KEY_BYTES, output_key, report_key
from worker.storage.provenance import InputVersion

LITERALS = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=20)
PLACEHOLDERS = st.sampled_from(["{output_key}/", "{output_key}", "{key}", "{etag}", "{version_id}"])
TEMPLATES = st.lists(LITERALS | st.sampled_from(["{{", "}}", "/"]) | PLACEHOLDERS, min_size=1).map(
    "".join
)


def keys(smallest: int) -> st.SearchStrategy[str]:
    """S3 keys, many of them with a number of bytes about the limit."""
    texts = st.text(st.characters(codec="utf-8"), min_size=smallest, max_size=40)
    long = st.builds("{}{}{}".format, texts, st.integers(0, 1024).map("x".__mul__), texts)
    return (texts | long).filter(lambda key: len(key.encode()) <= MAX_KEY_BYTES)


def bodies(prefixes: st.SearchStrategy[str]) -> st.SearchStrategy[Job]:
    tags = st.none() | st.text("0123456789abcdef", max_size=32)
    return st.builds(
        Job,
        bucket=st.just("in"),
        key=keys(1),
        output_bucket=st.just("out"),
        output_key=prefixes,
        etag=tags,
        version_id=tags,
    )


VERSIONS = st.none() | st.builds(
    InputVersion,
    st.just(S3Uri("in", "k")),
    st.text("0123456789abcdef", min_size=1),
    st.none() | st.just("v1"),
    st.none(),
)


@examples(2)
@given(TEMPLATES, bodies(keys(0)), VERSIONS)
def test_any_output_key_fits_or_is_refused(
    template: str, job: Job, version: InputVersion | None
) -> None:
    try:
        key = output_key(template, job, version)
    except OutputRefused as refused:
        key = str(refused).removeprefix(f"the output key has more than {MAX_KEY_BYTES} bytes: ")
        fits = False
    else:
        fits = True
    assert fits == (len(key.encode()) <= MAX_KEY_BYTES)


@examples(2)
@given(TEMPLATES, bodies(keys(0)))
def test_any_report_key_fits_where_template_and_prefix_leave_room_for_a_hash(
    template: str, job: Job
) -> None:
    hashed = job.model_copy(update={"key": "x" * 64})
    has_room = len(report_key(template, hashed).encode()) <= MAX_KEY_BYTES
    assert len(report_key(template, job).encode()) <= MAX_KEY_BYTES or not has_room


@examples(2)
@given(TEMPLATES, bodies(st.sampled_from(["", "/"])), VERSIONS)
def test_an_empty_prefix_leaves_no_leading_slash(
    template: str, job: Job, version: InputVersion | None
) -> None:
    try:
        key = output_key("{output_key}/a" + template, job, version)
    except OutputRefused:
        return
    assert key.startswith("a")
