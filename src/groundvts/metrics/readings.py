"""Every answer that protocols `fixed` and `official` read differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from groundvts.answers import format_highlights, parse_highlights, parse_windows
from groundvts.data.moment import Moment
from groundvts.metrics.predictions import Prediction
from groundvts.metrics.qa import read_choice

Read = tuple[Any, str]  # what a protocol reads, and that as text, or why it reads nothing


def reading_differences(
    moments: Sequence[Moment], predictions: Sequence[Prediction]
) -> list[dict[str, str]]:
    """Rows of id, of ("windows", "saliency" or "answer"), answer, fixed, official.

    fixed and official: what each protocol reads, or why it reads nothing.
    """
    found = []
    for moment, prediction in zip(moments, predictions, strict=True):
        for of, answer, read, known in _answers(moment, prediction):
            if answer is None:
                continue
            fixed, official = (read(answer, known, name) for name in ("fixed", "official"))
            if fixed[0] != official[0]:
                row = {"id": moment.id, "of": of, "answer": answer}
                found.append(row | {"fixed": fixed[1], "official": official[1]})
    return found


def _answers(moment: Moment, prediction: Prediction) -> Iterator[tuple]:
    """Each part that may be read: its name, the answer, what reads it, and by what."""
    if prediction.windows is not None:
        yield "windows", prediction.said("grounding"), shown_windows, moment.duration
    yield "saliency", prediction.said("highlights"), _shown_highlights, moment.duration
    if moment.options:
        yield "answer", prediction.said("question"), _shown_choice, moment.options


def shown_windows(answer: str, duration: float | None, protocol: str) -> Read:
    parsed = parse_windows(answer, duration, protocol)
    windows = "; ".join(f"{start:.10g} to {end:.10g} s" for start, end in parsed.windows)
    return parsed.windows, windows or str(parsed.failure)


def _shown_highlights(answer: str, duration: float | None, protocol: str) -> Read:
    parsed = parse_highlights(answer, duration, protocol)
    return parsed.levels, parsed.failure or format_highlights(parsed.levels, "{:g}")


def _shown_choice(response: str, options: Sequence[str], protocol: str) -> Read:
    choice = read_choice(response, options, protocol)
    return choice, "no option" if choice is None else options[choice]
