import pytest
from pydantic import ValidationError

from worker import settings_help
from worker.errors import SettingsError
from worker.settings import Settings

REQUIRED = {"WORKER_QUEUE": "jobs", "WORKER_MODEL": "model.pkl"}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, _, _ in settings_help.table():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("SQS_QUEUE", raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)


def refusal(monkeypatch: pytest.MonkeyPatch, **changes: str) -> list[str]:
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        settings_help.load()
    return str(error.value).splitlines()


def test_two_variables_are_enough() -> None:
    settings = settings_help.load()
    assert (settings.queue, settings.model) == ("jobs", "model.pkl")
    assert (settings.consumers, settings.concurrency, settings.memory_mb) == (2, 16, 512)
    assert (settings.wait_seconds, settings.idle_seconds, settings.drain_seconds) == (20, None, 90)
    assert (settings.job_seconds, settings.retry_seconds) == (3600, 30)


def test_the_idle_time_may_be_left_to_the_worker_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_IDLE_SECONDS", "auto")
    assert settings_help.load().idle_seconds is None


def test_the_origins_name_of_the_queue_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKER_QUEUE")
    monkeypatch.setenv("SQS_QUEUE", "old")
    assert settings_help.load().queue == "old"


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_MODEL_SHA256", "")
    assert settings_help.load().model_sha256 is None


def test_every_missing_variable_is_named_on_a_line_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in REQUIRED:
        monkeypatch.delenv(name)
    lines = refusal(monkeypatch)
    assert [line.split()[0] for line in lines] == ["WORKER_QUEUE", "WORKER_MODEL"]


@pytest.mark.parametrize(
    ("required", "misspelt"),
    [
        ("WORKER_MODEL", "WORKER_MODLE"),
        ("WORKER_MODEL", "WOKER_MODEL"),
        ("WORKER_MODEL", "worker_modell"),
        ("WORKER_QUEUE", "WORKER_QUEUE_URL"),
        ("WORKER_QUEUE", "SQS_QUEUE_URL"),
    ],
)
def test_a_missing_variable_is_asked_for_by_the_name_under_which_it_was_set(
    monkeypatch: pytest.MonkeyPatch, required: str, misspelt: str
) -> None:
    monkeypatch.delenv(required)
    (line,) = refusal(monkeypatch, **{misspelt: "x"})
    assert line.startswith(f"{required} is required: ")
    assert f"{misspelt} is set, which is no setting: did you mean " in line


def test_a_required_variable_that_is_empty_is_said_to_be_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = refusal(monkeypatch, WORKER_MODEL="")
    assert line.endswith("; it is set, but empty")


@pytest.mark.parametrize(
    "name", ["WORKER_QUEUE", "WORKER_MODEL", "WORKER_OUTPUT_TEMPLATE", "WORKER_FAILURE_TEMPLATE"]
)
def test_a_line_end_in_an_address_or_a_key_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (line,) = refusal(monkeypatch, **{name: "{key}\n"})
    assert line.startswith(f"{name}: ")
    assert "holds a line end" in line
    assert "Next step: remove it" in line
    assert line.endswith(r"(it is '{key}\n')")


@pytest.mark.parametrize("factory", ["a.b", "a:", ":b", "a..b:c", ".a:b", "a.:b", "a:b.", "a:b:c"])
def test_a_factory_of_another_shape_is_refused(
    monkeypatch: pytest.MonkeyPatch, factory: str
) -> None:
    (line,) = refusal(monkeypatch, WORKER_PREDICTOR=factory)
    assert "must be package.module:factory" in line


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKER_CONCURRENCY", "many"),
        ("WORKER_CONCURRENCY", "0"),
        ("WORKER_CONSUMERS", "-1"),
        ("WORKER_WAIT_SECONDS", "21"),
        ("WORKER_VISIBILITY_SECONDS", "43201"),
        ("WORKER_IDLE_SECONDS", "-2"),
        ("WORKER_DRAIN_SECONDS", "120"),
        ("WORKER_RETRY_SECONDS", "901"),
        ("WORKER_MAX_REJECTED", "1.5"),
        ("WORKER_MODEL_SHA256", "abc"),
        ("WORKER_PREDICT", "guess"),
        ("WORKER_PREDICTOR", "no colon"),
        ("WORKER_DELIMITER", ";;"),
        ("WORKER_ENCODING", "klingon"),
        ("WORKER_OUTPUT_FORMAT", "xls"),
        ("WORKER_OUTPUT_TEMPLATE", "{bucket}/{key}"),
        ("WORKER_REPORT_VALUES", "hide"),
        ("WORKER_S3_CLIENT", "boto3"),
        ("WORKER_LOG_LEVEL", "loud"),
        ("WORKER_QUEUE", "jobs.fifo"),
    ],
)
def test_a_bad_value_is_refused_naming_variable_and_value(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    (line,) = refusal(monkeypatch, **{name: value})
    assert line.startswith(f"{name}: ")
    assert f"(it is {value!r})" in line or "placeholder" in line


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("WORKER_QUOTE", "ab", "must be one character of ASCII that is no letter, digit or space"),
        ("WORKER_QUOTE", "é", "or none"),
        ("WORKER_ESCAPE", "n", "must be one character of ASCII that is no letter, digit or space"),
        ("WORKER_DELIMITER", "||", "must be one character of ASCII, or tab"),
        ("WORKER_MODEL_SHA256", "abc", "must be 64 hexadecimal digits"),
        ("WORKER_PREDICTOR", "no colon", "must be package.module:factory"),
    ],
)
def test_a_bad_value_is_refused_in_words_and_not_by_a_pattern(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, wanted: str
) -> None:
    (line,) = refusal(monkeypatch, **{name: value})
    assert wanted in line
    assert "pattern" not in line


def test_a_heartbeat_that_is_too_slow_is_refused_naming_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = refusal(monkeypatch, WORKER_HEARTBEAT_SECONDS="40", WORKER_VISIBILITY_SECONDS="60")
    assert "WORKER_HEARTBEAT_SECONDS (40)" in line
    assert "WORKER_VISIBILITY_SECONDS (60)" in line


def test_a_poll_that_outlasts_the_drain_is_refused_naming_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (line,) = refusal(monkeypatch, WORKER_WAIT_SECONDS="20", WORKER_DRAIN_SECONDS="15")
    assert "WORKER_WAIT_SECONDS (20)" in line
    assert "WORKER_DRAIN_SECONDS (15)" in line


def test_two_contradictions_are_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = refusal(
        monkeypatch,
        WORKER_WAIT_SECONDS="20",
        WORKER_DRAIN_SECONDS="15",
        WORKER_HEARTBEAT_SECONDS="40",
        WORKER_VISIBILITY_SECONDS="60",
    )
    assert len(lines) == 2


def test_a_heartbeat_that_contradicts_the_queue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_HEARTBEAT_SECONDS", "20")
    with pytest.raises(SettingsError, match=r"WORKER_HEARTBEAT_SECONDS \(20\).*queue's.*\(30\)"):
        settings_help.load().lease_times(30)


def test_visibility_and_heartbeat_follow_the_queue() -> None:
    assert settings_help.load().lease_times(30) == (30, 10)


@pytest.mark.parametrize(
    "queue",
    ["jobs", "https://sqs.eu-west-1.amazonaws.com/1/jobs", "arn:aws:sqs:eu-west-1:1:jobs"],
)
def test_a_worker_without_a_stack_has_the_name_of_its_queue(queue: str) -> None:
    assert Settings(WORKER_QUEUE=queue, model="m").stack_name == "jobs"
    assert Settings(WORKER_QUEUE=queue, model="m", stack="tide").stack_name == "tide"


def test_columns_to_keep_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_KEEP_COLUMNS", 'id,"a, b"')
    assert settings_help.load().keep_columns == ("id", "a, b")


def test_types_of_columns_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_DTYPES", 'zip=text,"a, b=int",c=d=bool')
    assert settings_help.load().dtypes == (("zip", "text"), ("a, b", "int"), ("c=d", "bool"))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("zip", "must be column=type, by commas"),
        ("=text", "must be column=type, by commas"),
        ("zip=str", "no type 'str' (of 'zip'): float, int, bool, text"),
        ("zip=text,zip=int", "the column 'zip' has two types"),
    ],
)
def test_a_type_that_is_none_is_one_line(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    assert refusal(monkeypatch, WORKER_DTYPES=value) == [
        f"WORKER_DTYPES: {problem} (it is {value!r})"
    ]


def test_a_tab_can_be_written_as_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_DELIMITER", "tab")
    assert settings_help.load().delimiter == "\t"


@pytest.mark.parametrize("delimiter", ['"', "'", "\r", "\n"])
def test_a_delimiter_that_is_a_quote_or_a_line_end_is_refused(
    monkeypatch: pytest.MonkeyPatch, delimiter: str
) -> None:
    (line,) = refusal(monkeypatch, WORKER_DELIMITER=delimiter, WORKER_QUOTE="none")
    assert "WORKER_DELIMITER: " in line
    assert "cannot separate cells" in line


def test_nul_as_the_delimiter_is_refused() -> None:
    with pytest.raises(ValidationError, match="cannot separate cells"):  # no variable holds it
        Settings(delimiter="\0")


def test_the_dialect_of_csv_is_set_by_character_or_by_none(monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings_help.load()
    assert (default.quote, default.escape, default.header) == ('"', None, "present")
    monkeypatch.setenv("WORKER_QUOTE", "'")
    monkeypatch.setenv("WORKER_ESCAPE", "\\")
    monkeypatch.setenv("WORKER_HEADER", "absent")
    loaded = settings_help.load()
    assert (loaded.quote, loaded.escape, loaded.header) == ("'", "\\", "absent")
    monkeypatch.setenv("WORKER_QUOTE", "none")
    monkeypatch.setenv("WORKER_ESCAPE", "none")
    assert (settings_help.load().quote, settings_help.load().escape) == (None, None)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"WORKER_QUOTE": ";", "WORKER_DELIMITER": ";"}, ["WORKER_DELIMITER and WORKER_QUOTE"]),
        ({"WORKER_ESCAPE": ";", "WORKER_DELIMITER": ";"}, ["WORKER_DELIMITER and WORKER_ESCAPE"]),
        ({"WORKER_ESCAPE": '"'}, ["WORKER_QUOTE and WORKER_ESCAPE", "leave WORKER_ESCAPE out"]),
        (
            {"WORKER_ESCAPE": "\\", "WORKER_QUOTE": "none"},
            ["WORKER_ESCAPE", "WORKER_QUOTE is none"],
        ),
        ({"WORKER_QUOTE": "ab"}, ["WORKER_QUOTE"]),
        ({"WORKER_HEADER": "maybe"}, ["WORKER_HEADER"]),
    ],
)
def test_a_dialect_that_contradicts_itself_is_refused_naming_the_variables(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], words: list[str]
) -> None:
    (line,) = refusal(monkeypatch, **settings)
    assert all(word in line for word in words)


def test_a_misspelt_variable_is_noticed() -> None:
    unknown = settings_help.unknown({"WORKER_CONCURENCY": "4", "WORKER_QUEUE": "q"})
    assert list(unknown) == [("WORKER_CONCURENCY", "WORKER_CONCURRENCY")]


def test_a_variable_in_small_letters_is_a_setting_and_a_misspelt_one_is_noticed() -> None:
    unknown = settings_help.unknown({"worker_concurrency": "4", "worker_queeu": "q"})
    assert list(unknown) == [("worker_queeu", "WORKER_QUEUE")]


def test_a_variable_of_a_later_version_is_noticed_and_is_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKER_BRAND_NEW", "1")
    assert settings_help.load().queue == "jobs"
    assert list(settings_help.unknown({"WORKER_BRAND_NEW": "1"})) == [("WORKER_BRAND_NEW", None)]


def test_settings_can_come_together_in_one_variable() -> None:
    environment = {
        "WORKER_SETTINGS": "MAX_REJECTED=0.05 worker_keep_columns=id DELIMITER=';' DTYPES=a=text"
    }

    settings_help.spread(environment)

    assert environment.pop("WORKER_SETTINGS")
    assert environment == {
        "WORKER_MAX_REJECTED": "0.05",
        "WORKER_KEEP_COLUMNS": "id",
        "WORKER_DELIMITER": ";",
        "WORKER_DTYPES": "a=text",
    }


def test_the_settings_of_one_variable_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKER_QUEUE", "jobs")
    monkeypatch.setenv("WORKER_MODEL", "m.pkl")
    monkeypatch.setenv("WORKER_MAX_REJECTED", "")  # empty, and restored after the test
    monkeypatch.setenv("WORKER_SETTINGS", "MAX_REJECTED=0.05")

    assert settings_help.load().max_rejected == 0.05
    assert not list(settings_help.unknown({"WORKER_SETTINGS": "MAX_REJECTED=0.05"}))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("MAX_REJECTED", "WORKER_SETTINGS: must be NAME=VALUE, .* 'MAX_REJECTED'"),
        ("MAX_REJECTD=1", "no setting WORKER_MAX_REJECTD: did you mean WORKER_MAX_REJECTED?"),
        ("QUOTE='", "WORKER_SETTINGS: No closing quotation"),
        ("IDLE_SECONDS=5", "WORKER_SETTINGS and WORKER_IDLE_SECONDS contradict each other"),
        ("ENCODING=utf-8 ENCODING=latin-1", "WORKER_SETTINGS and WORKER_ENCODING contradict"),
    ],
)
def test_a_wrong_setting_among_several_is_refused(text: str, line: str) -> None:
    with pytest.raises(SettingsError, match=line):
        settings_help.spread({"WORKER_SETTINGS": text, "WORKER_IDLE_SECONDS": "60"})


def test_each_wrong_setting_among_several_has_a_line() -> None:
    with pytest.raises(SettingsError) as error:
        settings_help.spread({"WORKER_SETTINGS": "A=1 B=2"})
    assert len(str(error.value).splitlines()) == 2


def test_a_message_changes_settings_in_the_words_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORKER_KEEP_COLUMNS", "id")
    monkeypatch.setenv("WORKER_DTYPES", "zip=text")
    own = settings_help.load()
    monkeypatch.setenv("WORKER_ENCODING", "latin-1")  # read by nobody any more
    changes = {
        "MAX_REJECTED": "0.05",
        "KEEP_COLUMNS": "id,zip",
        "DELIMITER": "tab",
        "QUOTE": "none",
    }
    changed = settings_help.of_a_job(own, changes)
    expected = own.model_dump() | {
        "max_rejected": 0.05,
        "keep_columns": ("id", "zip"),
        "delimiter": "\t",
        "quote": None,
    }
    assert changed.model_dump() == expected


def test_a_message_changes_settings_wherever_the_queues_name_was_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("WORKER_QUEUE")
    monkeypatch.setenv("SQS_QUEUE", "old")
    changed = settings_help.of_a_job(settings_help.load(), {"ENCODING": "latin-1"})
    assert (changed.queue, changed.encoding) == ("old", "latin-1")


ALLOWED_IN_MESSAGES = (
    "DELIMITER, DTYPES, ENCODING, ESCAPE, HEADER, KEEP_COLUMNS, MAX_REJECTED, OUTPUT_FORMAT, QUOTE"
)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"MODEL": "s3://other/model.pkl"}, f"may not set 'MODEL', only {ALLOWED_IN_MESSAGES}"),
        ({"REPORT_VALUES": "show"}, "may not set 'REPORT_VALUES'"),
        ({"OUTPUT_TEMPLATE": "{key}"}, "may not set 'OUTPUT_TEMPLATE'"),
        ({"max_rejected": "0.1"}, "may not set 'max_rejected'"),
        ({"WORKER_MAX_REJECTED": "0.1"}, "may not set 'WORKER_MAX_REJECTED'"),
        ({"MAX_REJECTED": "2"}, "WORKER_MAX_REJECTED: should be less than or equal to 1"),
        ({"MAX_REJECTED": 0.1}, "WORKER_MAX_REJECTED: must be a text, as in the environment"),
        ({"KEEP_COLUMNS": ["id"]}, "WORKER_KEEP_COLUMNS: must be a text"),
        ({"ENCODING": ""}, "WORKER_ENCODING: must be a text"),
        ({"ENCODING": "klingon"}, "WORKER_ENCODING: no such encoding"),
        ({"QUOTE": "\\", "ESCAPE": "\\"}, "WORKER_QUOTE and WORKER_ESCAPE must differ"),
    ],
)
def test_a_message_that_sets_what_it_may_not_is_refused(
    changes: dict[str, object], line: str
) -> None:
    with pytest.raises(SettingsError) as error:
        settings_help.of_a_job(settings_help.load(), changes)
    (only,) = str(error.value).splitlines()
    assert line in only


def test_each_problem_of_a_message_has_a_line() -> None:
    with pytest.raises(SettingsError) as error:
        settings_help.of_a_job(settings_help.load(), {"MAX_REJECTED": "x", "OUTPUT_FORMAT": "xls"})
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "WORKER_OUTPUT_FORMAT",
        "WORKER_MAX_REJECTED",
    ]
