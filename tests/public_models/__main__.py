"""python -m tests.public_models: print for each model and format whether predictions are equal."""

import sys
import warnings

from tests.public_models.comparison import assert_predicted_as_in_pandas
from tests.public_models.files import WRITERS
from tests.public_models.models import MODELS, PublicModel
from worker.interfaces import Format


def main() -> int:
    """Print the table; exit status 1 if a prediction differs."""
    warnings.simplefilter("error")
    print("| model |", " | ".join(WRITERS), "|\n|---|" + "---|" * len(WRITERS))
    failed = 0
    for public in MODELS:
        results = [_result(public, file_format) for file_format in WRITERS]
        failed += sum(result != "equal" for result in results)
        print(f"| {public.name} |", " | ".join(results), "|")
    print(f"\n{len(MODELS)} models, {len(MODELS) * len(WRITERS)} files, {failed} differ")
    return int(failed > 0)


def _result(public: PublicModel, file_format: Format) -> str:
    try:
        assert_predicted_as_in_pandas(public, file_format)
    except Exception as error:  # noqa: BLE001 - the table shows what went wrong
        return f"{type(error).__name__}: {' '.join(str(error).split())[:100]}".replace("|", "/")
    return "equal"


if __name__ == "__main__":
    sys.exit(main())
