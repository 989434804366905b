"""Each function is one file, which imports only what every Lambda function has."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dispatcher.handler
import notifier.handler
import reconciler.handler

IN_LAMBDA = {"boto3", "botocore"}
FOR_TYPES = {"mypy_boto3_ecs", "mypy_boto3_lambda", "mypy_boto3_s3", "mypy_boto3_sqs"}


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import needs a second file"
            assert node.module
            yield node.module.partition(".")[0]


def run_time(tree: ast.Module) -> ast.Module:
    """Leave out the `if TYPE_CHECKING:` blocks, which no interpreter runs."""

    def is_for_types(node: ast.stmt) -> bool:
        return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"

    return ast.Module([node for node in tree.body if not is_for_types(node)], [])


@pytest.mark.parametrize(
    "handler", [one.handler.__file__ for one in (dispatcher, notifier, reconciler)]
)
def test_a_function_imports_boto3_and_the_standard_library_alone(handler: str) -> None:
    tree = ast.parse(Path(handler).read_text(encoding="utf-8"))

    assert set(imported(run_time(tree))) - sys.stdlib_module_names == IN_LAMBDA
    assert set(imported(tree)) - sys.stdlib_module_names <= IN_LAMBDA | FOR_TYPES
