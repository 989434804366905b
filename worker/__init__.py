"""The service: carries files from a queue of jobs to predictions beside them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("tidegate")
except PackageNotFoundError:  # run from a checkout or an image, where the package is not installed
    __version__ = "0.1.0"
