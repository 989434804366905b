"""Whether a model loads in this Python: `python -m tidegate.offline.loading MODEL ...`.

For another Python than the caller's: that of an image, or of an environment with other libraries.
It prints one JSON object, and needs nothing but the worker's own libraries.
"""

import json
import sys
from pathlib import Path

from tidegate.offline.data_stream import data_stream
from tidegate.offline.model import load_model
from tidegate.offline.worker_settings import read_settings
from worker.errors import TidegateError, error_text

VERSION = 1


def main(model: str, predictor: str, *assignments: str) -> None:
    """Load the model as a worker does; the predictor is empty for the file's own kind."""
    with data_stream() as data:
        try:
            load_model(read_settings(Path(model), predictor or None, assignments))
            error = None
        except TidegateError as refused:
            error = error_text(refused)
        data.write(json.dumps({"version": VERSION, "error": error}).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
