"""Checks for every benchmark alike: entries become moments, faults become findings, policy acts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain, combinations
from typing import Any

from groundvts.data.checks import check_content, check_window, read_entry
from groundvts.data.entry import CHANGED, DROPPED, KEPT, LEFT_OUT, Entry, Finding
from groundvts.data.folder import VideoFolder
from groundvts.data.moment import Moment
from groundvts.errors import BadInput, VideoReadError

REPAIRABLE = ("inverted", "negative_start", "overlong")
DROPPABLE = (
    *("empty", "empty_query", "empty_answer", "duplicate", "duplicate_id", "duplicate_key"),
    *("missing_duration", "unreadable_duration", "not_utf8", "no_windows", "answer_unknown"),
    *("answer_twice", "option_twice", "empty_option", "length_mismatch", "bad_saliency"),
    *("duration_mismatch", "absurd", "unknown_key", "unknown_video", "overlap"),
)


def check_policy(policy: Mapping[str, str]) -> None:
    """Raises BadInput for a kind that no policy rules, or what cannot be done about one."""
    for kind, choice in policy.items():
        if kind not in REPAIRABLE + DROPPABLE:
            kinds = ", ".join(sorted(REPAIRABLE + DROPPABLE))
            raise BadInput(f"policy: {kind!r} cannot be chosen; choose among {kinds}")
        choices = ("keep", "drop", *(["repair"] if kind in REPAIRABLE else []))
        if choice not in choices:
            raise BadInput(f"policy: {kind}: {choice!r}; choose one of {', '.join(choices)}")


class Validation:
    """Gathers moments and findings of one split, in the order of the file.

    durations: s by video, where an entry has none. against: {other split and file: its videos}.
    """

    def __init__(
        self,
        dataset: str,
        split: str,
        durations: Mapping[str, float],
        videos: VideoFolder | None,
        against: Mapping[str, set[str]],
        policy: Mapping[str, str],
    ) -> None:
        check_policy(policy)
        self.moments: list[Moment] = []
        self.findings: list[Finding] = []
        self.dropped = 0
        self._labels = {"dataset": dataset, "split": split}
        self._durations, self._folder, self._against = durations, videos, against
        self._policy = dict(policy)
        self._ids: Counter[str] = Counter()
        self._contents: dict[tuple, str] = {}
        self._videos: dict[str, bool] = {}

    def add(self, entry: Entry | Finding) -> None:
        """Take the next entry of the file: a record, or the finding that says why there is none."""
        read = entry if isinstance(entry, Finding) else read_entry(entry, self._durations)
        if isinstance(read, Finding):
            self.findings.append(read)
            return
        fields, notes = read
        notes += check_content(fields)
        notes += self._repetitions(entry, fields)
        known = self._video_is_kept(entry, fields["video"])
        windows, of_windows = self._windows(fields["windows"], fields["duration"])
        emptied = len(fields["windows"]) > 0 and not windows
        kinds = {kind for kind, _ in notes}
        found = [(kind, detail, None, CHANGED.get(kind, KEPT)) for kind, detail in notes]
        found += of_windows
        if emptied or not known or any(self._policy.get(kind) == "drop" for kind in kinds):
            self.dropped += 1
            undone = (KEPT, *CHANGED.values())
            found = [(*rest, DROPPED if action in undone else action) for *rest, action in found]
        else:
            moment = fields | self._labels | {"windows": windows}
            self.moments.append(Moment(**moment, source_line=entry.line, source_key=entry.key))
            self._contents.setdefault(_content(fields), entry.place)
        where = (entry.file, entry.line, entry.key, fields["id"])
        self.findings += [Finding(kind, *where, *rest) for kind, *rest in found]

    def _repetitions(self, entry: Entry, fields: dict[str, Any]) -> list[tuple[str, str]]:
        """Notes on an id that stood before, which is made unique, or a content that was kept."""
        notes = []
        name = published = fields["id"]
        while name in self._ids:
            self._ids[published] += 1
            name = f"{published}~{self._ids[published]}"
        self._ids[name] += 1
        if name != published:
            fields["id"] = name
            notes.append(("duplicate_id", f"id {published!r:.60} stands before; now {name!r:.60}"))
        if earlier := self._contents.get(_content(fields)):
            notes.append(("duplicate", f"the same as {earlier}"))
        return notes

    def _video_is_kept(self, entry: Entry, video: str) -> bool:
        """Whether the policy keeps records of this video; its findings are listed once."""
        if video not in self._videos:
            found = [
                ("overlap", f"video is also in {other}")
                for other, videos in self._against.items()
                if video in videos
            ]
            try:
                if self._folder:
                    self._folder.find(video)
            except VideoReadError as error:
                found.insert(0, ("unknown_video", str(error)))
            dropped = [self._policy.get(kind) == "drop" for kind, _ in found]
            self._videos[video] = not any(dropped)
            where = (entry.file, entry.line, entry.key, video)
            self.findings += [
                Finding(kind, *where, detail, action=DROPPED if drop else KEPT)
                for (kind, detail), drop in zip(found, dropped, strict=True)
            ]
        return self._videos[video]

    def _windows(self, windows: Sequence, duration: float | None) -> tuple[tuple, list[tuple]]:
        """The windows that remain, repaired where the policy says so, and what was found."""
        checked = [check_window(window, duration, self._policy) for window in windows]
        remaining = tuple(window for window, _ in checked if window is not None)
        return remaining, [one for _, found in checked for one in found]

    def content(self, files: dict[str, Any]) -> dict[str, Any]:
        """Content of validation.json: counts, and every finding in the order of the file."""
        largest: dict[str, float] = {}
        for finding in self.findings:
            if finding.by is not None:
                largest[finding.kind] = max(finding.by, largest.get(finding.kind, 0.0))
        kinds = Counter(finding.kind for finding in self.findings)
        numbers = [len(moment.windows) for moment in self.moments]
        counts = {
            "records": len(self.moments),
            "videos": len({moment.video for moment in self.moments}),
            "windows": sum(numbers),
            "several_windows": sum(number > 1 for number in numbers),
            "left_out": sum(finding.action == LEFT_OUT for finding in self.findings),
            "dropped": self.dropped,
            "findings": dict(sorted(kinds.items())),
            "largest": dict(sorted(largest.items())),
        }
        findings = [asdict(finding) for finding in self.findings]
        head = {**self._labels, "files": files, "policy": self._policy}
        return {**head, "counts": counts, "findings": findings}


def _content(fields: Mapping[str, Any]) -> tuple:
    """What two records that repeat one another share."""
    return tuple(fields[key] for key in ("video", "query", "windows", "options", "answer"))


def shared_videos(splits: Iterable[Sequence[Moment]]) -> dict[str, dict[str, list[str]]]:
    """{dataset: {"train and test": sorted videos of both}}; pairs that share none are absent."""
    videos: dict[str, dict[str, set[str]]] = {}
    for moment in chain.from_iterable(splits):
        named = videos.setdefault(moment.dataset, {})
        named.setdefault(moment.split, set()).add(moment.video)
    shared: dict[str, dict[str, list[str]]] = {}
    for dataset, named in videos.items():
        for one, other in combinations(named, 2):
            if both := named[one] & named[other]:
                shared.setdefault(dataset, {})[f"{one} and {other}"] = sorted(both)
    return shared
