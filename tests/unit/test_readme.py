from pathlib import Path

from worker import settings_help

README = Path(__file__).parents[2] / "README.md"


def test_the_settings_table_is_the_one_in_the_code() -> None:
    rows = [
        f"| `{name}` | {default} | {meaning} |" for name, default, meaning in settings_help.table()
    ]
    table = "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])
    assert table in README.read_text(), f"the table in README.md should be\n{table}"
