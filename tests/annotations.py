"""Small annotation files in every published format, and what holds of every conversion."""

import json
from collections.abc import Callable
from pathlib import Path

from groundvts.data.convert import convert
from groundvts.data.entry import Finding
from groundvts.data.moment import read_moments
from groundvts.errors import BadInput

KINDS = set(Finding.__doc__.replace(".", " ").split())
CAPTIONS = {"duration": 20, "timestamps": [[0, 2.5], [4, 9]], "sentences": ["a", "b"]}
HIGHLIGHT = {
    "qid": 1,
    "query": "q",
    "duration": 150,
    "vid": "a_0.0_150.0",
    "relevant_windows": [[72, 82]],
    "relevant_clip_ids": [36, 37],
    "saliency_scores": [[4, 3, 2], [0, 1, 0]],
}
TURNS = [{"from": "human", "value": "q\nA. x\nB. y"}, {"from": "gpt", "value": "A"}]
FRAMES = {"timestamps": [[20, 48]], "sentences": ["a"], "fps": 29.4, "num_frames": 1180}
TACOS = {"qid": "s_0", "query": "q", "duration": 40, "vid": "s", "relevant_windows": [[1, 2]]}
OWN = {"id": "m", "video": "v", "query": "q", "duration": 9, "windows": [[1, 2]]}
CSV = (
    "video_id,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
    '12,90,640,480,"why, then",red,1,CW,blue,red,green,grey,black\n'
)
GSUB = json.dumps({"12": {"duration": 34, "location": {"1": [[1.2, 5.8]]}, "fps": 25}}).encode()


def lines(*rows: dict) -> bytes:
    """The rows as JSONL."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def document(value) -> bytes:
    return json.dumps(value).encode()


VALID = {
    "charades_sta": ("t.txt", b"AAAAA 0.5 7##person opens.\nBBBBB 1 2.25##q\n"),
    "activitynet_captions": ("t.json", document({"v_x": CAPTIONS, "v_y": CAPTIONS})),
    "qvhighlights": ("t.jsonl", lines(HIGHLIGHT, HIGHLIGHT | {"qid": 2, "query": "r"})),
    "nextgqa": ("t.csv", CSV.encode()),
    "tacos": ("t.jsonl", lines(TACOS, TACOS | {"qid": "s_1", "query": "r"})),
    "tacos in frames": ("t.json", document({"s.avi": FRAMES, "t.avi": FRAMES})),
    "llava_video": ("t.json", document([{"id": "r", "video": "a/v.mp4", "conversations": TURNS}])),
    "moments": ("t.jsonl", lines(OWN, OWN | {"id": "n"})),
}


def outcome(root: Path, dataset: str, name: str, data: bytes, **others: bytes) -> set[str] | str:
    """The kinds of findings, or the line of bad input; asserts what holds of every conversion."""
    (root / "in").mkdir(exist_ok=True)
    path = root / "in" / name
    path.write_bytes(data)
    for option, content in others.items():
        (root / "in" / option).write_bytes(content)
    given_files = {option: root / "in" / option for option in others}
    before = {file for file in root.rglob("*") if file.is_file()}
    out = root / "out"
    try:
        written = convert(dataset.split()[0], "train", path, out, **given_files)
    except BadInput as error:
        message = str(error)
        assert "\n" not in message
        assert any(message.startswith(str(file)) for file in (path, *given_files.values()))
        assert {file for file in root.rglob("*") if file.is_file()} == before
        return message
    added = {file for file in root.rglob("*") if file.is_file()} - before
    assert added == {out / "moments.jsonl", out / "validation.json"}
    assert len(read_moments(out / "moments.jsonl")) == written["counts"]["records"] > 0
    stored = json.loads((out / "validation.json").read_text(encoding="utf-8"))
    assert stored == written
    kinds = set(written["counts"]["findings"])
    assert kinds <= KINDS
    assert all(len(finding["detail"].splitlines()) == 1 for finding in written["findings"])
    return kinds


def conversion(folder: Path) -> Callable:
    """A function that converts one file written below `folder`.

    It returns moments, findings as (kind, key or line, action), and all of validation.json.
    """

    def run(dataset: str, file: str, content, **options):
        text = content if isinstance(content, bytes | str) else json.dumps(content)
        (folder / file).write_bytes(text.encode() if isinstance(text, str) else text)
        if "spans" in options:
            (folder / "spans.json").write_text(json.dumps(options["spans"]))
            options["spans"] = folder / "spans.json"
        written = convert(dataset, "val", folder / file, folder / "out", **options)
        assert json.loads((folder / "out" / "validation.json").read_text()) == written
        moments = read_moments(folder / "out" / "moments.jsonl")
        assert written["counts"]["records"] == len(moments)
        listed = [(f["kind"], f["key"] or f["line"], f["action"]) for f in written["findings"]]
        return moments, listed, written

    return run


GOOD = {"id": "good", "video": "g", "query": "good", "duration": 10, "windows": [[1, 2]]}


def row(**changes) -> dict:
    """A record of an own benchmark without a fault, but for `changes`."""
    return {"id": "m", "video": "v", "query": "q", "duration": 10, "windows": [[1, 2]]} | changes


def own_conversion(folder: Path) -> Callable:
    """A function that converts rows of an own benchmark after a good one.

    It returns moments by id and the content of validation.json.
    """
    convert_file = conversion(folder)

    def run(*rows: dict, **options):
        content = lines(GOOD, *rows)
        moments, _, written = convert_file("moments", "mine.jsonl", content, **options)
        return {moment.id: moment for moment in moments}, written

    return run
