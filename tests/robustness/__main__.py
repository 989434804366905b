"""python -m tests.robustness: read thousands of damaged files, and print what became of them.

Prints the share of files that were right, refused, read with rows rejected, and silently wrong,
for the product and for pandas' defaults. Then each file that the product read wrongly, with the
first wrong row. Exit status 1 if a suite has more of those than its bar allows.
"""

import sys
from collections.abc import Sequence

from tests.robustness.suites import SUITES, Suite
from tests.robustness.verdict import Judged, Verdict, share


def main() -> int:
    """Run all suites, or those whose names are given."""
    wanted = sys.argv[1:]
    suites = [suite for suite in SUITES if not wanted or suite.name in wanted]
    return max(_run(suite) for suite in suites)


def _run(suite: Suite) -> int:
    judged = suite.judged()
    print(f"{suite.name}: {suite.what}")
    print(f"  product {share(judged)}")
    print(f"  {suite.reference[0]:7} {share(suite.judged_by_reference())}")
    wrong = [one for one in judged if one.verdict in {Verdict.WRONG, Verdict.CRASHED}]
    _print_all(wrong)
    return int(len(wrong) > suite.bar)


def _print_all(wrong: Sequence[Judged]) -> None:
    for one in wrong:
        note = f" (ambiguous: {one.file.ambiguous})" if one.file.ambiguous else ""
        print(f"    {one.verdict}: {one.file.name}: {one.reason}{note}")


if __name__ == "__main__":
    sys.exit(main())
