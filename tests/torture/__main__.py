"""python -m tests.torture FOLDER: write the hard files, each with its expected outcome.

There is a folder for each run, with `settings` (WORKER_ variables), `model.joblib`, the input files
in `in/`, and the expected outcomes in `out/`. An outcome is the output and its rejected rows, or a
`.refused.json` with the type of the error and words that the report must contain. A file's name is
its key, quoted as in a URL.
"""

import argparse
import hashlib
import json
import sys
from pathlib import Path
from urllib.parse import quote

import joblib

from tests.torture.case import Case, Predicted
from tests.torture.cases import CASES
from tests.torture.runs import RUNS, Run

_LONGEST_NAME = 200


def main() -> int:
    """Write all runs."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where to write")
    folder = parser.parse_args().folder
    for run in RUNS:
        cases = [case for case in CASES if case.run is run]
        _write_run(folder / run.name, run, cases)
        print(f"{len(cases):4} files in {folder / run.name}")
    return 0


def _write_run(folder: Path, run: Run, cases: list[Case]) -> None:
    for name in ("in", "out"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    settings = [f"{name}={value}\n" for name, value in run.settings.items()]
    (folder / "settings").write_text("".join(settings))
    joblib.dump(run.model(), folder / "model.joblib")
    for case in cases:
        name = _file_name(case.key)
        (folder / "in" / name).write_bytes(case.body)
        for suffix, body in _outcome(case).items():
            (folder / "out" / f"{name}{suffix}").write_bytes(body)


def _outcome(case: Case) -> dict[str, bytes]:
    """Return the files of the expected outcome, by the suffix of their names."""
    outcome = case.outcome
    if isinstance(outcome, Predicted):
        rejects = {} if outcome.rejects is None else {".rejected.csv": outcome.rejects}
        return {outcome.suffix: outcome.output} | rejects
    refusal = {"error_type": outcome.error_type, "words": outcome.words}
    return {".refused.json": json.dumps(refusal, indent=2, ensure_ascii=False).encode()}


def _file_name(key: str) -> str:
    """Return the key as a file name: special characters quoted, and a long name shortened."""
    name = quote(key, safe=" ")
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}~{hashlib.sha256(key.encode()).hexdigest()[:8]}"


if __name__ == "__main__":
    sys.exit(main())
