"""Reads the dead letters of a folder without disturbing relays that write or replays that run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sls_hec_forwarder.replay.selection import Selection
from sls_hec_forwarder.spool.dead_letter import DeadLetter
from sls_hec_forwarder.spool.files import Unusable, files, read_regular, strangers
from sls_hec_forwarder.spool.locked_file import records


def chosen_files(folder: Path, selection: Selection) -> list[Path]:
    """The files that may hold selected letters, oldest first by their names."""
    return [path for path in files(folder) if selection.takes_file(path.name)]


def left_alone(folder: Path, selection: Selection) -> list[str]:
    """A line for each thing that is named like a selected file but is not a regular file."""
    return [_line(each) for each in strangers(folder) if selection.takes_file(Path(each.filename).name)]


def _line(problem: Unusable) -> str:
    return f"{problem.filename}: {problem.strerror}"


class Reading:
    """The selected letters, file by file. The other attributes are complete once all have been read."""

    def __init__(self, folder: Path, selection: Selection) -> None:
        self._folder = folder
        self._selection = selection
        #: Number of bytes that are no dead letters, by file.
        self.unreadable: dict[Path, int] = {}
        #: One line for each thing that was not read.
        self.left_alone = left_alone(folder, selection)
        #: Total size of the files.
        self.bytes = 0

    def letters(self) -> Iterator[tuple[str, DeadLetter]]:
        """Each letter with the name of its file. Raises OSError."""
        for path in chosen_files(self._folder, self._selection):
            try:
                data = read_regular(path)
            except FileNotFoundError:
                continue  # replayed in the meantime
            except Unusable as problem:
                self.left_alone.append(_line(problem))
                continue
            self.bytes += len(data)
            for raw, letter in records(data):
                if letter is None:
                    self.unreadable[path] = self.unreadable.get(path, 0) + len(raw)
                elif self._selection.takes(letter):
                    yield path.name, letter
