"""What a model is asked of a moment, and how its answer is read: one pass for each kind.

grounding: when it happens (windows); highlights: how important each clip is (saliency); question:
the answer, read as an option when it is scored. The kinds are those of the training conversations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from groundvts.answers import clip_scores, parse_highlights, parse_windows
from groundvts.data.conversations import question_turns
from groundvts.data.moment import Moment
from groundvts.prompts import Prompts

Turns = tuple[tuple[str, str], str]  # system and user turn, and the part of it that is the query


@dataclass(frozen=True)
class Pass:
    """One kind of pass.

    turns(prompts, moment) asks; read(answer, moment, protocol) gives the prediction's keys, among
    them `failure` (None, or why nothing can be read) and `detail`.
    """

    turns: Callable[[Prompts, Moment], Turns]
    read: Callable[[str, Moment, str], dict[str, Any]]
    annotated: Callable[[Moment], bool]


def _grounding_turns(prompts: Prompts, moment: Moment) -> Turns:
    return prompts.grounding(moment.query_normalised), moment.query_normalised


def _highlight_turns(prompts: Prompts, moment: Moment) -> Turns:
    return prompts.highlights(moment.query_normalised), moment.query_normalised


def _question_turns(prompts: Prompts, moment: Moment) -> Turns:
    return question_turns(moment, prompts)


def _windows(answer: str, moment: Moment, protocol: str) -> dict[str, Any]:
    parsed = parse_windows(answer, moment.duration, protocol)
    windows = [list(window) for window in parsed.windows]
    return {"windows": windows, "failure": parsed.failure, "detail": parsed.detail}


def _saliency(answer: str, moment: Moment, protocol: str) -> dict[str, Any]:
    parsed = parse_highlights(answer, moment.duration, protocol)
    saliency = clip_scores(parsed, moment.duration)
    return {"saliency": saliency, "failure": parsed.failure, "detail": parsed.detail}


def _spoken(answer: str, moment: Moment, protocol: str) -> dict[str, Any]:
    return {"failure": None if answer.strip() else "no_answer", "detail": None}


PASSES = {
    "grounding": Pass(_grounding_turns, _windows, lambda moment: bool(moment.windows)),
    "highlights": Pass(_highlight_turns, _saliency, lambda moment: moment.saliency is not None),
    "question": Pass(_question_turns, _spoken, lambda moment: moment.answer is not None),
}


def annotated_kinds(moments: Sequence[Moment]) -> list[str]:
    """The kinds that any of the moments is annotated for; `grounding` where there is none."""
    found = [kind for kind, one in PASSES.items() if any(map(one.annotated, moments))]
    return found or ["grounding"]
