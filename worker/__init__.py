"""The service: carries files from a queue of jobs to predictions beside them."""

__version__ = "0.1.0"
