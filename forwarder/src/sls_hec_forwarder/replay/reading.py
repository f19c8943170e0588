"""The dead letters of a folder, read without disturbing whoever writes or replays them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sls_hec_forwarder.hec.deadletter import DeadLetter, files
from sls_hec_forwarder.replay.selection import Selection
from sls_hec_forwarder.replay.spoolfile import records


def chosen_files(folder: Path, selection: Selection) -> list[Path]:
    """The files that may hold what is meant, oldest first as far as their names tell."""
    return [path for path in files(folder) if selection.takes_file(path.name)]


class Reading:
    """The letters that are meant, file by file; what else was found is known when all have been read."""

    def __init__(self, folder: Path, selection: Selection) -> None:
        self._folder = folder
        self._selection = selection
        #: Bytes that are no dead letters, by file.
        self.unreadable: dict[Path, int] = {}
        #: Size of the files.
        self.bytes = 0

    def letters(self) -> Iterator[tuple[str, DeadLetter]]:
        """Each with its file's name. Raises OSError."""
        for path in chosen_files(self._folder, self._selection):
            try:
                data = path.read_bytes()
            except FileNotFoundError:
                continue  # replayed meanwhile
            self.bytes += len(data)
            for raw, letter in records(data):
                if letter is None:
                    self.unreadable[path] = self.unreadable.get(path, 0) + len(raw)
                elif self._selection.takes(letter):
                    yield path.name, letter
