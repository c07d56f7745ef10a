"""A folder of videos: which file a video id names."""

from __future__ import annotations

import os
from pathlib import Path

from groundvts.data.moment import is_safe_name
from groundvts.errors import BadInput, VideoReadError

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv")


def without_suffix(name: str) -> str:
    """A video's name without its extension; other dots (`x_360.0_510.0`) stay."""
    stem, suffix = os.path.splitext(name)
    return stem if suffix.lower() in SUFFIXES else name


class VideoFolder:
    """The videos below `folder`, at any depth, by their relative name without extension.

    Raises BadInput where there is no such folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise BadInput(f"{folder}: no such folder; name the folder that holds the videos")
        self._by_name: dict[str, list[Path]] = {}
        self._by_last: dict[str, list[Path]] = {}
        for where, folders, files in os.walk(self.folder):
            folders.sort()
            for file in sorted(files):
                if file.lower().endswith(SUFFIXES) and not file.startswith("."):
                    path = Path(where, file)
                    name = without_suffix(path.relative_to(self.folder).as_posix())
                    self._by_name.setdefault(name, []).append(path)
                    self._by_last.setdefault(name.rsplit("/", 1)[-1], []).append(path)

    def __contains__(self, video: str) -> bool:
        try:
            return bool(self.find(video))
        except VideoReadError:
            return False

    def find(self, video: str) -> Path:
        """The file of a video id: of that very path, else the only one that ends alike.

        `x/v_1` is found as `a/x/v_1.mp4` and, where the folder named is `x` itself, as `v_1.mp4`.

        Raises VideoReadError where there is none, or more than one.
        """
        if not is_safe_name(video):
            raise VideoReadError(f"video {video!r}: not a plain file name")
        found = self._by_name.get(video) or self._alike(video)
        if not found:
            raise VideoReadError(f"{self.folder / video}: no such video file")
        if len(found) > 1:
            raise VideoReadError(f"{found[0]}: {found[1]} has the same name; remove one")
        return found[0]

    def _alike(self, video: str) -> list[Path]:
        """Files of whose path below the folder the id is the end, or the other way round."""
        return [
            path
            for path in self._by_last.get(video.rsplit("/", 1)[-1], [])
            if f"/{self._name(path)}".endswith(f"/{video}")
            or f"/{video}".endswith(f"/{self._name(path)}")
        ]

    def _name(self, path: Path) -> str:
        return without_suffix(path.relative_to(self.folder).as_posix())
