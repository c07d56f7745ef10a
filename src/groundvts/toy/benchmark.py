"""The toy benchmark: real H.264 files, and annotations of them in every published format.

Writes under one folder: `videos/*.mp4`; `annotations/<benchmark>/`, named as published; and
`objects.json`, which says where each object's tokens are. All benchmarks share the clips. One test
clip is cut short on purpose: its queries are asked, cannot be answered, and count.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from groundvts.progress import track
from groundvts.toy import annotations
from groundvts.toy.clips import Clip, draw_clip
from groundvts.toy.video import cut_short, encode

BROKEN = "broken0000"


def make_benchmark(out: Path, clips: dict[str, int], seed: int, side: int, workers: int) -> dict:
    """Makes `clips[split]` clips of `side` x `side` pixels for each split; returns counts.

    `pretrain` clips are easy, all others cluttered (see `clips.draw_clip`).
    """
    videos = out / "videos"
    videos.mkdir(parents=True, exist_ok=True)
    drawn = {
        split: [draw_clip(f"{split}{i:04d}", seed, split != "pretrain") for i in range(count)]
        for split, count in clips.items()
    }
    drawn["test"].append(draw_clip(BROKEN, seed, cluttered=True))
    everything = [clip for split in drawn.values() for clip in split]
    with ProcessPoolExecutor(workers) as pool:
        encoded = pool.map(partial(encode, folder=videos, side=side), everything, chunksize=16)
        list(track(encoded, "clips", len(everything), "clip"))
    cut_short(videos / f"{BROKEN}.mp4")
    for name, text in published(drawn, seed, side).items():
        _write(out / "annotations" / name, text)
    objects = {
        clip.name: {
            s.phrase: {"cell": list(s.cell), "window": [s.start, s.end]} for s in clip.shapes
        }
        for clip in everything
    }
    _write(out / "objects.json", json.dumps(objects, indent=0) + "\n")
    return {split: {"clips": len(members)} for split, members in drawn.items()}


def published(drawn: dict[str, list[Clip]], seed: int, side: int) -> dict[str, str]:
    """Every annotation file, by its name below `annotations/`.

    QVHighlights is evaluated on `val`, so that its `val` holds the test clips; its `test` has no
    labels, as published.
    """
    files = {}
    for split, clips in drawn.items():
        faults = split == "train"
        files[f"charades_sta/charades_sta_{split}.txt"] = annotations.charades_sta(
            clips, seed, faults
        )
        files[f"charades_sta/Charades_v1_{split}.csv"] = annotations.charades_durations(clips)
        if split in ("pretrain", "train"):
            files[f"llava_video/{split}.json"] = annotations.llava_video(clips, seed)
        if split in ("train", "test"):
            files[f"activitynet_captions/{split}.json"] = annotations.activitynet_captions(
                clips, seed, faults
            )
    shared = {"pretrain": "pretrain", "train": "train", "val": "test", "test": "val"}
    for split, clips in shared.items():
        labels = split != "test"
        files[f"qvhighlights/highlight_{split}_release.jsonl"] = annotations.qvhighlights(
            drawn[clips], seed, labels
        )
    questions, spans = annotations.nextgqa(drawn["test"], seed, side)
    return files | {"nextgqa/test.csv": questions, "nextgqa/gsub_test.json": spans}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
