"""Errors of a deployment that are nobody's fault."""

from worker.errors import TidegateError


class Declined(TidegateError):
    """The user said no, or could not be asked: exit status 1."""
