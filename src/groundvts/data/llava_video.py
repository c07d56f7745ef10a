"""LLaVA-Video-178K: conversations on videos, one moment per question and answer."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from groundvts.data.documents import Published, Row, entries, read_rows
from groundvts.data.entry import Entry, Finding, shown

PLACEHOLDER = re.compile(r"\A(?:<(?:image|video)>\n?)+")
OPTION = re.compile(r"(?:\(([A-Z])\)|([A-Z])[.)])\s+(.*)")


def read_llava_video(annotations: Path) -> Published:
    """Every pair of a human's and gpt's turn as an entry; several pairs get ids ID#1, ID#2, ...

    Raises BadInput if the file cannot be read, or is a broken JSON document.
    """
    return entries(read_rows(annotations), _read)


def _read(row: Row) -> Published:
    turns, video = row.fields.get("conversations"), row.fields.get("video")
    if not isinstance(video, str):
        yield row.left_out("unreadable_entry", f"`video` is no text: {shown(video)}")
        return
    if not isinstance(turns, list) or not turns:
        yield row.left_out("unreadable_entry", f"`conversations` is no list: {shown(turns)}")
        return
    name = row.fields.get("id")
    name = f"{video}-{row.line or row.key}" if name is None else name
    pairs = list(_pairs(row, turns))
    several = sum(not isinstance(pair, Finding) for pair in pairs) > 1 and isinstance(
        name, str | int
    )
    number = 0
    for pair in pairs:
        if isinstance(pair, Finding):
            yield pair
            continue
        number += 1
        text, answer = pair
        if answer is None:
            yield row.left_out("unreadable_entry", f"turn {2 * number} of gpt has no text")
            continue
        query = _question(text)
        yield Entry(
            row.file,
            row.line,
            row.key,
            f"{name}#{number}" if several else name,
            video,
            query,
            row.fields.get("duration"),
            options=_options(query),
            answer=answer,
            notes=row.notes,
        )


def _pairs(row: Row, turns: list) -> Iterator[tuple | Finding]:
    """(question, answer) of every human turn that gpt's follows, and what stands alone."""
    speakers = [turn.get("from") if isinstance(turn, dict) else None for turn in turns]
    place = 0
    while place < len(turns):
        if speakers[place : place + 2] == ["human", "gpt"]:
            yield turns[place].get("value"), turns[place + 1].get("value")
            place += 2
        else:
            detail = f"turn {place + 1} of {shown(speakers[place])} has no partner"
            yield row.left_out("unpaired_turn", detail)
            place += 1


def _question(text: Any) -> Any:
    """The human's text without the placeholder of the video at its start or end."""
    if not isinstance(text, str):
        return text
    text = PLACEHOLDER.sub("", text)
    for mark in ("<image>", "<video>"):
        if text.endswith(mark):
            return text.removesuffix(mark).removesuffix("\n")
    return text


def _options(query: Any) -> list[str]:
    """Texts of the last lines `A. ...`, `A) ...` or `(A) ...` that count on from A; two or more."""
    found: list[str] = []
    run: list[str] = []
    for line in query.split("\n") if isinstance(query, str) else ():
        match = OPTION.fullmatch(line.strip())
        letter = match and (match[1] or match[2])
        run = [*run, match[3]] if letter == chr(ord("A") + len(run)) else []
        run = [match[3]] if letter == "A" else run
        found = run if len(run) > 1 else found
    return found
