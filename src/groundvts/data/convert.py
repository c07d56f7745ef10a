"""From a benchmark's published annotation to moments.jsonl and validation.json."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from groundvts.data.activitynet_captions import read_activitynet_captions
from groundvts.data.charades_sta import read_charades_sta
from groundvts.data.documents import Published
from groundvts.data.durations import read_durations
from groundvts.data.entry import Entry, Finding
from groundvts.data.folder import VideoFolder
from groundvts.data.llava_video import read_llava_video
from groundvts.data.moment import read_moments, write_moments
from groundvts.data.nextgqa import read_nextgqa
from groundvts.data.own import read_own
from groundvts.data.qvhighlights import in_dialect, read_qvhighlights
from groundvts.data.tacos import read_tacos
from groundvts.data.validate import Validation
from groundvts.errors import BadInput
from groundvts.records import write_json

# One reader per benchmark: a published file -> its entries, and findings on what is none, in order.
READERS: dict[str, Callable[..., Published]] = {
    "activitynet_captions": read_activitynet_captions,
    "charades_sta": read_charades_sta,
    "llava_video": read_llava_video,
    "moments": read_own,
    "nextgqa": read_nextgqa,
    "qvhighlights": read_qvhighlights,
    "tacos": read_tacos,
}
WITH_SPANS = ("nextgqa",)  # their readers take a second file


def convert(
    dataset: str,
    split: str,
    annotations: str | Path | Sequence[str | Path],
    out: str | Path,
    durations: str | Path | None = None,
    spans: str | Path | None = None,
    videos: str | Path | None = None,
    against: Sequence[str | Path] = (),
    policy: Mapping[str, str] | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Write `out`/moments.jsonl and `out`/validation.json; return the latter's content.

    annotations: a file, or several (their ids begin with the file's name). durations: s by video,
    for entries without (the Charades CSV, or a JSON object). spans: the segments of NExT-GQA.
    videos: a folder that should hold every video. against: moments.jsonl of other splits, which
    should share no video. policy: finding kind -> keep | drop | repair. name: the dataset's name in
    the records. Without a policy every readable record is kept, in file order, as annotated.

    Raises BadInput for an unknown benchmark or policy, files that cannot be read or written, and
    where no record remains.
    """
    reader = reader_of(dataset, spans)
    lengths, findings = read_durations(Path(durations)) if durations else ({}, [])
    folder = VideoFolder(videos) if videos else None
    others = dict(map(_videos_of, against))
    checked = Validation(name or dataset, split, lengths, folder, others, policy or {})
    named = [annotations] if isinstance(annotations, str | Path) else [*annotations]
    for entry in chain(findings, _entries(reader, [*map(Path, named)])):
        checked.add(entry)
    check_records(checked, dataset, named)
    files = _paths(annotations=named, durations=durations, spans=spans, videos=videos)
    content = checked.content(files | ({"against": [*map(str, against)]} if against else {}))
    try:
        write_moments(Path(out) / "moments.jsonl", checked.moments)
        write_json(Path(out) / "validation.json", content)
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror}); name a folder") from None
    return content


def reader_of(dataset: str, spans: str | Path | None) -> Callable[[Path], Published]:
    """The reader of a benchmark's annotation file, which may be in the dialect of moment_detr.

    Raises BadInput if there is none.
    """
    if dataset not in READERS:
        raise BadInput(f"{dataset}: no such benchmark; choose one of {', '.join(sorted(READERS))}")
    if spans and dataset not in WITH_SPANS:
        raise BadInput(f"{spans}: {dataset} has no file of spans; leave it out")
    given = {"spans": Path(spans) if spans else None} if dataset in WITH_SPANS else {}

    def read(path: Path) -> Published:
        listed = dataset != "moments" and in_dialect(path)
        return read_qvhighlights(path) if listed else READERS[dataset](path, **given)

    return read


def _paths(annotations: Sequence[str | Path], **given: str | Path | None) -> dict[str, Any]:
    """The paths that were given, as text; several annotation files as a list."""
    named = [*map(str, annotations)]
    others = {key: str(path) for key, path in given.items() if path}
    return {"annotations": named if len(named) > 1 else named[0]} | others


def _entries(
    reader: Callable[[Path], Published], files: Sequence[Path]
) -> Iterator[Entry | Finding]:
    """What the files hold, in their order; of several, ids begin with the name of the file."""
    for file in files:
        for entry in reader(file):
            if len(files) > 1 and isinstance(entry.id, str | int):
                yield replace(entry, id=f"{file.stem}/{entry.id}")
            else:
                yield entry


def _videos_of(path: str | Path) -> tuple[str, set[str]]:
    """The splits and the path of a moments.jsonl, in words, and its videos."""
    moments = read_moments(path)
    splits = ", ".join(sorted({moment.split for moment in moments}))
    return f"{splits} ({path})", {moment.video for moment in moments}


def check_records(checked: Validation, dataset: str, files: Sequence[str | Path]) -> None:
    """Raises BadInput if no record remains."""
    annotations = ", ".join(map(str, files))
    if checked.dropped and not checked.moments:
        raise BadInput(f"{annotations}: the policy drops every record; choose another policy")
    if not checked.moments:
        first = next((f for f in checked.findings if f.file in map(str, files)), None)
        why = ""
        if first:
            place = f"line {first.line}" if first.line else f"{first.key!r:.60}"
            why = f"{place}: {first.detail}; "
        raise BadInput(
            f"{annotations}, {why}no {dataset} record can be read; give the published file"
        )
