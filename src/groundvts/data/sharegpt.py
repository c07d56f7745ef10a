"""Conversations as ShareGPT JSON, the way LLaMA-Factory reads them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from groundvts.data.conversations import Conversation
from groundvts.data.files import read_bytes
from groundvts.data.folder import VideoFolder
from groundvts.data.moment import is_safe_name
from groundvts.errors import BadInput, VideoReadError
from groundvts.records import write_json

VIDEO = "<video>"
PLACEHOLDERS = (VIDEO, "<image>", "<audio>")
DESCRIPTION = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages", "videos": "videos"},
    "tags": {
        "role_tag": "role",
        "content_tag": "content",
        "user_tag": "user",
        "assistant_tag": "assistant",
        "system_tag": "system",
    },
}
INFO = "dataset_info"
LEFT_OUT = "left_out"


def export(
    conversations: Mapping[str, Sequence[Conversation]],
    videos: Mapping[str, str | Path],
    out: str | Path,
) -> list[dict[str, str]]:
    """Writes `out`/NAME.json for every part NAME, and `out`/dataset_info.json that describes them.

    `videos` names each part's folder. Where it exists a video's path is that of its file, else
    FOLDER/VIDEO.mp4; paths are relative to `out`, which is LLaMA-Factory's default media folder. A
    conversation whose video the folder lacks is left out: part, id and reason are returned and
    written to `out`/left_out.json. Raises BadInput for a text that holds a placeholder, with the
    conversation's id, and where nothing is left of a part. Everything is checked before anything
    is written.
    """
    out = Path(out)
    _check_place(out, set(conversations))
    left_out: list[dict[str, str]] = []
    parts = {name: _part(name, part, videos, out, left_out) for name, part in conversations.items()}
    for name, samples in parts.items():
        write_json(out / f"{name}.json", samples)
    described = {name: {"file_name": f"{name}.json", **DESCRIPTION} for name in parts}
    write_json(out / f"{INFO}.json", described)
    write_json(out / f"{LEFT_OUT}.json", left_out)
    return left_out


def _check_place(out: Path, names: set[str]) -> None:
    """Raises BadInput for a name that is no file's, and where `out` describes other data."""
    for name in names:
        if not is_safe_name(name) or "/" in name or name in (INFO, LEFT_OUT):
            raise BadInput(f"part {name!r}: becomes a file name; give a plain one")
    info = out / f"{INFO}.json"
    try:
        others = set(json.loads(read_bytes(info))) - names if info.exists() else set()
    except (ValueError, TypeError, RecursionError):
        others = {"no readable JSON"}
    if others:
        raise BadInput(f"{info}: holds {min(others)}, which would be lost; name another folder")


def _part(
    name: str,
    conversations: Sequence[Conversation],
    videos: Mapping[str, str | Path],
    out: Path,
    left_out: list[dict[str, str]],
) -> list[dict]:
    """The samples of one part, each with one video; what lacks its video is put in `left_out`."""
    if name not in videos:
        raise BadInput(f"part {name!r}: no folder of videos is named; name one")
    folder = Path(videos[name])
    found = VideoFolder(folder) if folder.is_dir() else None
    samples = []
    for c in conversations:
        texts = {"system": c.system, "user": c.user, "assistant": c.answer}
        for role, text in texts.items():
            if held := [mark for mark in PLACEHOLDERS if mark in text]:
                raise BadInput(f"{name}: {c.id}: the {role} turn holds {held[0]}; remove it")
        try:
            path = found.find(c.video) if found else folder / f"{c.video}.mp4"
        except VideoReadError as error:
            left_out.append({"part": name, "id": c.id, "reason": str(error)})
            continue
        texts["user"] = VIDEO + c.user
        messages = [{"role": role, "content": text} for role, text in texts.items()]
        samples.append({"messages": messages, "videos": [os.path.relpath(path, out)]})
    if not samples:
        reason = left_out[-1]["reason"] if left_out else "it is empty"
        raise BadInput(f"part {name!r}: no conversation is left: {reason}; name the right folder")
    return samples
