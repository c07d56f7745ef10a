"""What is annotated of the toy clips, written as each benchmark publishes it.

Charades-STA asks for a coloured shape; ActivityNet-Captions tells all of them in order, with white
space around most sentences; QVHighlights asks for a colour or a shape alone, which may be shown by
several objects and so in several windows, graded by three raters; NExT-GQA asks for a colour or a
shape and grounds the answer; LLaVA-Video asks without grounding. The training files hold a few of
the faults that the published ones hold.
"""

from __future__ import annotations

import csv
import io
import json

from groundvts.answers import CLIP_SECONDS
from groundvts.toy.clips import COLOURS, SHAPES, Clip, Shape, generator, questions

QUERIES_PER_CLIP = 3
RATERS = 3
LETTERS = 5  # options of a question
FILLER = "line"  # the fifth option where shapes are asked for


def queried(clip: Clip, seed: int) -> list[Shape]:
    """The shapes of a clip that Charades-STA asks for, at most three, in time order."""
    rng = generator(seed, "queries", clip.name)
    count = min(QUERIES_PER_CLIP, len(clip.shapes))
    chosen = sorted(rng.permutation(len(clip.shapes))[:count])
    return [clip.shapes[i] for i in chosen]


def charades_sta(clips: list[Clip], seed: int, faults: bool) -> str:
    """Lines `VIDEO START END##query`; with `faults` an inverted, a late and a repeated one more."""
    rows = [(clip, shape) for clip in clips for shape in queried(clip, seed)]
    lines = [f"{c.name} {s.start:.1f} {s.end:.1f}##{s.phrase}\n" for c, s in rows]
    if faults:
        clip, shape = rows[0]
        late = clip.duration + 0.5
        lines += [
            f"{clip.name} {shape.end:.1f} {shape.start:.1f}##{shape.phrase} again\n",
            f"{clip.name} {shape.start:.1f} {late:.1f}##{shape.phrase} until the end\n",
            lines[0],
        ]
    return "".join(lines)


def charades_durations(clips: list[Clip]) -> str:
    """The Charades CSV with its columns `id` and `length` (s)."""
    return _csv([["id", "length"], *([clip.name, f"{clip.duration:.2f}"] for clip in clips)])


def activitynet_captions(clips: list[Clip], seed: int, faults: bool) -> str:
    """The public layout, a dict by video; with `faults` the first video has an empty window."""
    videos = {}
    for clip in clips:
        rng = generator(seed, "sentences", clip.name)
        spaces = [" " if rng.random() < 2 / 3 else "" for _ in clip.shapes]
        videos[clip.name] = {
            "duration": clip.duration,
            "timestamps": [[shape.start, shape.end] for shape in clip.shapes],
            "sentences": [s + shape.phrase for s, shape in zip(spaces, clip.shapes, strict=True)],
        }
    if faults:
        first = videos[clips[0].name]
        first["timestamps"].append([1.0, 1.0])
        first["sentences"].append(f"{clips[0].shapes[0].phrase} blinks")
    return json.dumps(videos) + "\n"


def qvhighlights(clips: list[Clip], seed: int, labels: bool) -> str:
    """JSONL with windows on a grid of two seconds and the grades of three raters.

    A clip is graded by how much of it shows what is asked for, and how long that is shown already.
    """
    lines = []
    for number, clip in enumerate(clips):
        rng = generator(seed, "highlights", clip.name)
        words = sorted({word for shape in clip.shapes for word in shape.phrase.split()})
        several = [word for word in words if len(_runs(list(_grades(clip, word)))) > 1]
        word = str(rng.choice(several or words))
        record = {"qid": number, "query": word, "duration": clip.duration, "vid": clip.name}
        if labels:
            grades = _grades(clip, word)
            record["relevant_clip_ids"] = list(grades)
            record["saliency_scores"] = [_rated(grade, rng) for grade in grades.values()]
            record["relevant_windows"] = [
                [start, min(end, clip.duration)] for start, end in _runs(list(grades))
            ]
        lines.append(json.dumps(record) + "\n")
    return "".join(lines)


def _grades(clip: Clip, word: str) -> dict[int, int]:
    """Grade of each two-second clip that shows a shape named by `word`.

    4: newly shown; 3: shown for longer; 2: shown during a part of the clip only.
    """
    grades: dict[int, int] = {}
    length = int(CLIP_SECONDS)
    for shape in (shape for shape in clip.shapes if word in shape.phrase.split()):
        for place in range(shape.start // length, -(-shape.end // length)):
            begin, end = place * length, (place + 1) * length
            whole = shape.start <= begin and end <= shape.end
            grade = 2 if not whole else 4 if begin < shape.start + 2 * length else 3
            grades[place] = max(grade, grades.get(place, 0))
    return dict(sorted(grades.items()))


def _rated(grade: int, rng) -> list[int]:
    """Three raters' grades; one of them may differ by one."""
    grades = [grade] * RATERS
    grades[rng.integers(RATERS)] += int(rng.choice((-1, 0, 1) if grade < 4 else (-1, 0)))
    return grades


def _runs(places: list[int]) -> list[list[float]]:
    """Windows (s) of neighbouring clips."""
    windows: list[list[float]] = []
    for place in places:
        start, end = place * CLIP_SECONDS, (place + 1) * CLIP_SECONDS
        if windows and windows[-1][1] == start:
            windows[-1][1] = end
        else:
            windows.append([start, end])
    return windows


def nextgqa(clips: list[Clip], seed: int, side: int) -> tuple[str, str]:
    """The csv of questions with five options, and the JSON of their segments."""
    header = ["video_id", "frame_count", "width", "height", "question", "answer", "qid", "type"]
    rows = [header + [f"a{n}" for n in range(LETTERS)]]
    spans = {}
    for clip in clips:
        rng = generator(seed, "options", clip.name)
        frames = int(clip.duration * clip.frame_rate)
        location = {}
        for qid, (question, answer) in enumerate(questions(clip, seed)):
            named, asked = question.split()[0], question.split()[-1]
            if asked not in ("colour", "shape"):
                continue
            words = COLOURS if asked == "colour" else (*SHAPES, FILLER)
            others = [other for other in words if other != answer]
            options = [answer, *rng.permutation(others)[: LETTERS - 1].tolist()]
            shown = next(shape for shape in clip.shapes if named in shape.phrase.split())
            location[str(qid)] = [[shown.start, shown.end]]
            rows.append([clip.name, frames, side, side, question, answer, qid, "DO",
                         *rng.permutation(options).tolist()])  # fmt: skip
        if location:
            rate = float(clip.frame_rate)
            spans[clip.name] = {"duration": clip.duration, "location": location, "fps": rate}
    return _csv(rows), json.dumps(spans) + "\n"


def llava_video(clips: list[Clip], seed: int) -> str:
    """One record a question, in the layout of LLaVA-Video-178K's JSON."""
    records = [
        {
            "id": f"{clip.name}_{number}",
            "conversations": [
                {"from": "human", "value": f"<image>\n{question}"},
                {"from": "gpt", "value": answer},
            ],
            "data_source": "toy",
            "video": f"{clip.name}.mp4",
        }
        for clip in clips
        for number, (question, answer) in enumerate(questions(clip, seed))
    ]
    return json.dumps(records, indent=1) + "\n"


def _csv(rows: list) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
