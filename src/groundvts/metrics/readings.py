"""Every answer that protocols `fixed` and `official` read differently, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from groundvts.answer_differences import (
    highlight_causes,
    shown_highlights,
    shown_windows,
    window_cause,
)
from groundvts.data.moment import Moment
from groundvts.metrics.predictions import Prediction
from groundvts.metrics.qa import DENIAL, read_choice

FIFTH = "a fifth option cannot be chosen"
ARTICLE = "an article read as option A"
TEXT = "an option named by its text is not found"
SEVERAL = "the first of several letters is taken"
DENIED = "a letter is taken though it is denied"
LETTER = "the first single letter is taken, whatever it stands for"
CHOICE_CAUSES = (FIFTH, ARTICLE, TEXT, SEVERAL, DENIED, LETTER)

_READ = re.compile(r"\b[a-d]\b", re.IGNORECASE)
_ARTICLE = re.compile(r"a\s+(?!or\b|and\b|because\b)\w\w", re.IGNORECASE)


def reading_differences(
    moments: Sequence[Moment], predictions: Sequence[Prediction]
) -> list[dict[str, str]]:
    """Rows of id, of ("windows", "saliency" or "answer"), answer, fixed, official, why.

    fixed and official: what each protocol reads, or why it reads nothing. why: one of
    `answer_differences.CAUSES` or of CHOICE_CAUSES; of highlights, all that apply, joined by "; ".
    """
    found = []
    for moment, prediction in zip(moments, predictions, strict=True):
        for of, answer, cause, shown, of_video in _answers(moment, prediction):
            if answer is not None and (why := cause(answer, of_video)):
                read = {name: shown(answer, of_video, name) for name in ("fixed", "official")}
                row = {"id": moment.id, "of": of, "answer": answer, **read, "why": why}
                found.append(row)
    return found


def _answers(moment: Moment, prediction: Prediction) -> Iterator[tuple]:
    """Each part that may be read: its name, the answer, why and what is read, and by what."""
    if prediction.windows is not None:
        answer = prediction.said("grounding")
        yield "windows", answer, window_cause, shown_windows, moment.duration
    answer = prediction.said("highlights")
    yield "saliency", answer, _highlight_cause, shown_highlights, moment.duration
    if moment.options:
        answer = prediction.said("question")
        yield "answer", answer, choice_cause, _shown_choice, moment.options


def _highlight_cause(answer: str, duration: float | None) -> str:
    return "; ".join(highlight_causes(answer, duration))


def _shown_choice(response: str, options: Sequence[str], protocol: str) -> str:
    choice = read_choice(response, options, protocol)
    return "no option" if choice is None else options[choice]


def choice_cause(response: str, options: Sequence[str]) -> str | None:
    """Why another option is read from a response; None where it is the same."""
    fixed, official = (read_choice(response, options, name) for name in ("fixed", "official"))
    if fixed == official:
        return None
    if official is None:
        return FIFTH if fixed is not None and fixed > 3 else TEXT
    if _ARTICLE.match(response, _READ.search(response).start()):
        return ARTICLE
    if fixed is None:
        if DENIAL.search(response):
            return DENIED
        if len(set(re.findall(r"\b[A-Z]\b", response))) > 1:
            return SEVERAL
    return LETTER
