"""How predictions are distributed: small summaries that are merged exactly, in any order.

Imports nothing heavy: pool processes make summaries with numpy (worker/scoring/summary.py), and the
event loop's process and the command line merge them.
"""

from worker.distributions.classes import Classes
from worker.distributions.numbers import Numbers
from worker.distributions.summary import Distribution, Distributions, short_name

__all__ = ["Classes", "Distribution", "Distributions", "Numbers", "short_name"]
