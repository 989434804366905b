"""A folder whose files land in the input bucket, as somebody's upload would let them."""

from dataclasses import dataclass, field
from pathlib import Path

from tidegate.offline.inputs import NoInput, find_files


@dataclass(slots=True)
class WatchedFolder:
    """Finds files that are new or have changed; a file that is being written is left for later."""

    folder: Path
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)  # by name: time and size
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def changes(self) -> list[tuple[str, bytes]]:
        """Return name and content of each file that has changed, and is as the last call saw it."""
        found = []
        present = self._look()
        for name, form in present.items():
            if form == self._seen.get(name) and form != self._sent.get(name):
                found.append((name, (self.folder / name).read_bytes()))
                self._sent[name] = form
        self._seen = present
        return found

    def _look(self) -> dict[str, tuple[int, int]]:
        try:
            files = find_files([str(self.folder)])
        except NoInput:
            return {}
        status = {file.name: file.path.stat() for file in files}
        return {name: (found.st_mtime_ns, found.st_size) for name, found in status.items()}
