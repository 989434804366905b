import subprocess
import sys

import pytest

from tidegate.localcloud.cloud import CHECKOUT

HELP = """
import sys
from tidegate.cli.main import main
main(["--help"])
print(*sys.modules)
"""


def test_help_is_printed_without_importing_anything_slow() -> None:
    printed = run(HELP)

    assert "Usage: tidegate" in printed
    imported = printed.splitlines()[-1].split()
    assert "tidegate.cli.main" in imported
    assert {"boto3", "botocore", "jinja2", "numpy", "pandas", "rich", "sklearn"}.isdisjoint(
        imported
    )


@pytest.mark.parametrize("module", ["system", "stack_client"])
def test_the_local_cloud_does_not_import_the_command_line(module: str) -> None:
    imported = run(f"import tidegate.localcloud.{module}, sys; print(*sys.modules)").split()

    assert f"tidegate.localcloud.{module}" in imported
    assert "tidegate.cli" not in imported


def run(code: str) -> str:
    return subprocess.run(  # noqa: S603 - the code above
        [sys.executable, "-c", code], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
