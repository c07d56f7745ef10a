"""Training conversations from moments: when it happens, what is important, what is the answer."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from groundvts.answers import check_time_format, format_highlights, format_window, grade_clips
from groundvts.data.files import read_jsonl, write_jsonl
from groundvts.data.moment import Moment
from groundvts.errors import BadInput
from groundvts.prompts import LETTERS, Prompts

KINDS = ("grounding", "highlights", "question")
_LETTERED = re.compile(r"\(?([A-Z])(?:[).:].*)?", re.DOTALL)  # "B", "(B)", "B. red"


@dataclass(frozen=True)
class Conversation:
    """One training sample of a `kind`; `query` is the part of `user` that the scorer reads.

    id is unique in its dataset, over all kinds.
    """

    id: str
    dataset: str
    video: str
    kind: str
    system: str
    user: str
    query: str
    answer: str


def conversations(
    moments: Iterable[Moment],
    prompts: Prompts,
    kinds: Iterable[str] = KINDS,
    time_format: str = "{:.1f}",
    seed: int = 0,
) -> list[Conversation]:
    """The conversations of each moment in order, of those `kinds` that it is annotated for.

    grounding: one for each window; highlights: one where clips are graded; question: one where
    there is an answer; none of an absurd moment. The template is drawn from `seed` and the
    conversation's id alone. Raises BadInput with the moment's id where a query is empty or an
    answer cannot be written.
    """
    asked = set(kinds)
    if unknown := asked - set(KINDS):
        raise BadInput(f"kind {min(unknown)!r}: the kinds are {', '.join(KINDS)}")
    check_time_format(time_format)
    written: dict[tuple[str, str], Conversation] = {}
    for moment in (moment for moment in moments if not moment.absurd):
        for conversation in _of_moment(moment, prompts, asked, time_format, seed):
            key = (conversation.dataset, conversation.id)
            if key in written:
                raise BadInput(f"{moment.id}: {key[1]!r} names two conversations; change an id")
            written[key] = conversation
    return list(written.values())


def _of_moment(
    moment: Moment, prompts: Prompts, kinds: set[str], time_format: str, seed: int
) -> Iterator[Conversation]:
    """The conversations of one moment. Raises BadInput that begins with its id."""
    query = moment.query_normalised
    if not query:
        raise BadInput(f"{moment.id}: the query is empty; drop it when converting (empty_query)")

    def of(kind: str, name: str, turns: tuple[str, str], query: str, answer: str) -> Conversation:
        return Conversation(name, moment.dataset, moment.video, kind, *turns, query, answer)

    try:
        if "grounding" in kinds:
            for number, window in enumerate(moment.windows):
                name = moment.id if len(moment.windows) == 1 else f"{moment.id}#{number}"
                turns = prompts.grounding(query, _drawn(seed, name))
                yield of("grounding", name, turns, query, format_window(*window, time_format))
        if "highlights" in kinds and moment.saliency is not None:
            name = f"{moment.id}#highlights"
            turns = prompts.highlights(query, _drawn(seed, name))
            answer = format_highlights(grade_clips(moment.saliency), time_format)
            yield of("highlights", name, turns, query, answer)
        if "question" in kinds and moment.answer is not None:
            turns, question = question_turns(moment, prompts)
            answer = _letter(moment) if is_lettered(moment) else moment.answer
            yield of("question", f"{moment.id}#question", turns, question, answer)
    except BadInput as error:
        raise BadInput(f"{moment.id}: {error}") from None


def _drawn(seed: int, name: str) -> int:
    """A number that depends on the seed and the conversation's id alone."""
    return zlib.crc32(f"{seed}:{name}".encode())


def is_lettered(moment: Moment) -> bool:
    """Whether options are put to the question as letters: not where they stand in it already."""
    question = moment.query.strip()
    return not all(option in question for option in moment.options)


def question_turns(moment: Moment, prompts: Prompts) -> tuple[tuple[str, str], str]:
    """System and user turn that ask a moment's question, and the question in it.

    Where the options stand in the question already, it is asked as published, line breaks included.
    """
    if is_lettered(moment):
        question = moment.query_normalised
        return prompts.choice(question, moment.options), question
    question = moment.query.strip()
    return prompts.question(question), question


def _letter(moment: Moment) -> str:
    """The letter of the option that is the answer; the first where it stands twice."""
    if moment.answer in moment.options:
        return LETTERS[moment.options.index(moment.answer)]
    named = _LETTERED.fullmatch(moment.answer.strip())
    if named and named[1] in LETTERS[: len(moment.options)]:
        return named[1]
    raise BadInput(
        f"answer {moment.answer!r} is none of the options; drop it when converting (answer_unknown)"
    )


def write_conversations(path: Path, conversations: Iterable[Conversation]) -> None:
    """Writes JSONL, one conversation a line, atomically."""
    write_jsonl(path, map(asdict, conversations))


def read_conversations(path: Path) -> list[Conversation]:
    """Reads JSONL written by `write_conversations`; BadInput names file and line."""
    names = {field.name for field in fields(Conversation)}
    read = []
    for line, row in read_jsonl(path):
        if row.keys() != names or not all(isinstance(value, str) for value in row.values()):
            raise BadInput(f"{path}, line {line}: not a conversation; write the file again")
        read.append(Conversation(**row))
    return read
