"""ActivityNet-Captions: {video: {duration, timestamps, sentences}}, or a list of such objects."""

from collections import Counter
from pathlib import Path

from groundvts.data.documents import Published, Row, captions, entries, read_rows
from groundvts.data.folder import without_suffix


def read_activitynet_captions(annotations: Path) -> Published:
    """Every sentence as an entry: id VIDEO-N, N counting from 0 per video over the whole file.

    In a list the video stands as `video` (a file name), `vid` or `video_id`.
    Raises BadInput if the file cannot be read.
    """
    numbers: Counter[str] = Counter()

    def read(row: Row) -> Published:
        names = (row.name, *map(row.fields.get, ("video", "vid", "video_id")))
        video = next((name for name in names if name is not None), None)
        if isinstance(video, str):
            video = without_suffix(video)
        yield from captions(row, video, row.fields.get("duration"), numbers)

    return entries(read_rows(annotations), read)
