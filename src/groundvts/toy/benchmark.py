"""The toy benchmark: real H.264 files with annotations in the published formats.

Writes under one folder: `videos/*.mp4`; `charades_sta_<split>.txt` with `Charades_v1_<split>.csv`
(durations); `llava_video_<split>.json` (questions and captions in LLaVA-Video-178K's layout) for
the splits that train; `objects.json`, which says where each queried object's tokens are.
"""

from __future__ import annotations

import csv
import io
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import av
import numpy as np

from groundvts.progress import track
from groundvts.toy.clips import Clip, draw_clip, generator, questions, render

QUERIES_PER_CLIP = 3


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
    everything = [clip for split in drawn.values() for clip in split]
    with ProcessPoolExecutor(workers) as pool:
        encoded = pool.map(partial(encode, folder=videos, side=side), everything, chunksize=16)
        list(track(encoded, "clips", len(everything), "clip"))
    counts = {"clips": len(everything)}
    objects: dict[str, dict] = {}
    for split, members in drawn.items():
        moments = [(clip, shape) for clip in members for shape in queried(clip, seed)]
        for clip in members:
            objects[clip.name] = {
                s.phrase: {"cell": list(s.cell), "window": [s.start, s.end]} for s in clip.shapes
            }
        _write(out / f"charades_sta_{split}.txt", _charades_lines(moments))
        _write(out / f"Charades_v1_{split}.csv", _durations(members))
        _write(out / f"llava_video_{split}.json", _llava_video(members, seed))
        counts[split] = {"clips": len(members), "queries": len(moments)}
    _write(out / "objects.json", json.dumps(objects, indent=0) + "\n")
    return counts


def queried(clip: Clip, seed: int) -> list:
    """The shapes of a clip that are asked for, at most three, in time order."""
    rng = generator(seed, "queries", clip.name)
    count = min(QUERIES_PER_CLIP, len(clip.shapes))
    chosen = sorted(rng.permutation(len(clip.shapes))[:count])
    return [clip.shapes[i] for i in chosen]


def encode(clip: Clip, folder: Path, side: int) -> None:
    """Writes a clip as H.264 in MP4, atomically."""
    path = folder / f"{clip.name}.mp4"
    partial_path = folder / f".{clip.name}.part.mp4"
    with av.open(str(partial_path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=clip.frame_rate)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.options = {"preset": "ultrafast", "crf": "20", "g": "60"}
        pictures = render(clip, side)
        ends = [second for second, _ in pictures[1:]] + [clip.duration]
        number = 0
        for (_, picture), end in zip(pictures, ends, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            while number < end * clip.frame_rate:
                frame.pts = number
                container.mux(stream.encode(frame))
                number += 1
        container.mux(stream.encode())
    os.replace(partial_path, path)


def _charades_lines(moments: list) -> str:
    lines = [f"{c.name} {s.start:.1f} {s.end:.1f}##{s.phrase}\n" for c, s in moments]
    return "".join(lines)


def _durations(clips: list[Clip]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "length"])
    writer.writerows([clip.name, f"{clip.duration:.2f}"] for clip in clips)
    return text.getvalue()


def _llava_video(clips: list[Clip], seed: int) -> str:
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


def _write(path: Path, text: str) -> None:
    partial_path = path.with_name(path.name + ".part")
    partial_path.write_text(text, encoding="utf-8")
    os.replace(partial_path, path)
