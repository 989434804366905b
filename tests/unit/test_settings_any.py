"""Whatever the environment holds, the settings load, or each problem is one line with its name."""

from collections.abc import Iterator, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.strategies import examples
from worker import settings_help
from worker.errors import SettingsError
from worker.settings import PLACEHOLDERS, Settings

VARIABLES = [name for name, _, _ in settings_help.table()]
QUEUE = ("WORKER_QUEUE", "SQS_QUEUE")
ALL_NAMES = [*VARIABLES, "SQS_QUEUE"]
REQUIRED = {"WORKER_QUEUE": "jobs", "WORKER_MODEL": "model.pkl"}

# What a process can be given: no NUL. Bytes that are no UTF-8 are surrogates for Python.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0") | st.just("\udcff"))
NUMBERS = st.one_of(
    st.integers(-2, 130), st.integers(), st.floats(-2, 130), st.floats(), st.floats(0, 1)
).map(str)
TEMPLATES = st.lists(
    st.sampled_from(["{key}", "{output_key}", "{etag}", "{version_id}", "{", "}", "/", "{other}"])
    | st.builds("{{{}{}}}".format, st.sampled_from(["key", "etag"]), st.text("!:rsad<>0.[]{}\n"))
).map("".join)
WORDS = st.sampled_from(
    [
        *("auto", "csv", "jsonl", "json", "debug", "console", "tab", "\\t", ";", '"', "*", "a,b"),
        *('"a', "utf-16", "idna", "base64", "undefined", "a.b:c", "0" * 64, "\n", "a\nb", "-1"),
        "jobs.fifo",
    ]
)


def values(name: str) -> st.SearchStrategy[str]:
    """Values of this variable: often of the kind that it takes, and sometimes any text."""
    default = Settings.model_fields[name.removeprefix("WORKER_").lower()].default
    if name.endswith("TEMPLATE"):
        return TEMPLATES | TEXTS
    is_number = name.endswith("SECONDS") or isinstance(default, int | float)
    return NUMBERS | TEXTS if is_number else WORDS | TEXTS


ENVIRONMENTS = st.fixed_dictionaries(
    {}, optional={name: values(name) for name in VARIABLES} | {"SQS_QUEUE": TEXTS}
)


def problems(environment: Mapping[str, str]) -> list[str]:
    """The lines with which this environment is refused; none if the settings load."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ALL_NAMES:
            patch.delenv(name, raising=False)
        for name, value in {**REQUIRED, **environment}.items():
            patch.setenv(name, value)
        try:
            loaded = settings_help.load()
        except SettingsError as error:
            return str(error).split("\n")
    assert isinstance(loaded, Settings)
    return []


def each_alone(environment: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables of the environment one by one; the queue has two."""
    queue = {name: text for name, text in environment.items() if name in QUEUE}
    yield from [queue] if queue else []
    yield from ({name: text} for name, text in environment.items() if name not in QUEUE)


def is_about_one(line: str) -> bool:
    """Whether a line is about one variable's value, rather than about two that contradict."""
    return line.split(" ", maxsplit=1)[0].endswith(":") or " is required: " in line


@examples(0.5)
@given(ENVIRONMENTS)
@example({"WORKER_KEEP_COLUMNS": "a\nb"})
@example({"WORKER_KEEP_COLUMNS": "a" * 200_000})
@example({"WORKER_OUTPUT_TEMPLATE": "{a\nb}"})
def test_any_environment_loads_or_gives_a_readable_line_for_each_problem(
    environment: dict[str, str],
) -> None:
    lines = problems(environment)
    assert all(line.isprintable() for line in lines)
    assert all(any(name in line for name in VARIABLES) for line in lines)
    alone = [line for one in each_alone(environment) for line in problems(one)]
    of_one = [line for line in alone if is_about_one(line)]
    if of_one:
        assert sorted(lines) == sorted(of_one)
    else:
        assert not any(map(is_about_one, lines))
        assert len(lines) == len(set(lines))


@given(TEMPLATES)
@example("{key:d}")
@example("{key!x}")
@example("{key:{nope}}")
def test_a_template_that_loads_can_be_filled(template: str) -> None:
    if template and not problems({"WORKER_OUTPUT_TEMPLATE": template}):
        assert isinstance(template.format(**dict.fromkeys(PLACEHOLDERS, "text")), str)
