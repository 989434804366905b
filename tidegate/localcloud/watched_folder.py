"""A folder whose files land in the input bucket, as somebody's upload would let them."""

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tidegate.offline.inputs import NoInput, find_files


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is new or has changed."""

    name: str
    path: Path
    form: tuple[int, int]  # time and size


@dataclass(slots=True)
class WatchedFolder:
    """Finds files that are new or have changed; a file that is being written is left for later."""

    folder: Path
    _seen: dict[str, Change] = field(default_factory=dict)
    _sent: dict[str, Change] = field(default_factory=dict)

    def changes(self) -> list[Change]:
        """Return each file that is as the last call saw it, and not as it was sent."""
        present = self._look()
        found = [
            change
            for name, change in present.items()
            if change == self._seen.get(name) and change != self._sent.get(name)
        ]
        self._seen = present
        return found

    def sent(self, change: Change) -> None:
        """Note that the file has been sent; until then each call returns it."""
        self._sent[change.name] = change

    def _look(self) -> dict[str, Change]:
        present = {}
        with suppress(NoInput):
            for file in find_files([str(self.folder)]):
                with suppress(FileNotFoundError):  # removed while we look
                    known = file.path.stat()
                    form = (known.st_mtime_ns, known.st_size)
                    present[file.name] = Change(file.name, file.path, form)
        return present
