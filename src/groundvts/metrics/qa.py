"""Grounded questions (NExT-GQA) and multiple choice: which option an answer names, and its worth.

Protocols `fixed` and `paper` read all options and count every question asked; `official` reads
and counts as the released scorer does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from groundvts.answer_parts import concluded, final_part
from groundvts.data.checks import option_of
from groundvts.data.entry import encodable, shown
from groundvts.data.moment import Moment
from groundvts.errors import BadInput

if TYPE_CHECKING:
    from groundvts.metrics.predictions import Prediction

MOST_OPTIONS = 26

_OFFICIAL = re.compile(r"\b[a-d]\b")
# One letter, or several in a row: "B", "(B)", "A or C".
_LETTERS = r"\(?[A-Z]\b\)?(?:\s*(?:,|/|&|\bor\b|\band\b|或|和)\s*\(?[A-Z]\b\)?)*"
_ENDS = (  # what follows them
    r"(?=\s*(?:[.,:;)\n。–—-]|$)|\s+(?:because|since|as|for|因为)\b"
    r"|\s(?:(?:is|was|seems)\s(?:the\s)?(?:right|correct|true|best|answer)\b|是?(?:正确|对的)))"
)
_LEAD = r"(?:(?:the|my|best|correct|right|final|most|likely|answer|option|choice|is)\b[\s:]*)*"
_MARKED = re.compile(
    rf"""^\W*(?P<first>{_LETTERS}){_ENDS}
    | (?:\b(?:answer|option|choice|letter|output|result|prediction|go(?:ing)?\swith|guess|say|think
        |(?:it|that|answer|choice|option)'s|is|(?:would|should|must)\sbe|choose|pick|select|antwort
        |réponse|respuesta|risposta|resposta|ответ)\b|答案|选[择项]?|選[擇項択]?|正解|答え|정?답)
        [\s:=是为為は은]*(?P<after>{_LETTERS}){_ENDS}
    | (?<!\w)\((?P<inside>[A-Z])\)""",
    re.VERBOSE | re.IGNORECASE,
)
_REASONS = re.compile(r"\b(?:because|since|explanation|reason(?:ing)?)\b|因为", re.IGNORECASE)
_SIGNS = str.maketrans("：＝（）【】[]<>ＡＢＣＤＥ，；’", ":=()()()()ABCDE,;'", '*_`"“”{}$')
_JOINED = re.compile(r"(?<=[A-Za-z])(?=[\u3040-\ud7a3])|(?<=[\u3040-\ud7a3])(?=[A-Za-z])")
_NO = r"(?i:\b(?:not|except|neither|nor|rather\sthan|instead\sof)\b|n't\b|而?不[是选選]|[并而]非)"
_DENIED = re.compile(  # letters after "not", or before "is wrong"; "not a dog" is of none
    rf"(?i){_NO}\s*(?:option\s+)?(?!(?-i:a)\s\w)(?P<before>{_LETTERS})[\s,;]*(?:but\b|而?是)?"
    r"|\(?\b(?P<after>[A-Z])\b\)?\s(?:(?:is|was|'s)\s(?:not|wrong|incorrect|false)\b|isn't|不|是?错)"
)


def read_choice(
    response: str | None, options: Sequence[str], protocol: str = "fixed"
) -> int | None:
    """The option (from 0) that a response names, or None if it names none or is ambiguous.

    fixed: its final part is an option's text (but for case, white space, outer signs and a lead
    like "The answer is"); else it names one letter as "B", "B.", "(B)", "Answer: B", "B. text";
    else it holds the text of one option and no negation. Two letters, a letter beyond the options,
    and a letter with another option's text are ambiguous.
    official: the first single letter a-d anywhere in the text, in either case, be it an article;
    a fifth option is never chosen.
    """
    if protocol == "official":
        match = _OFFICIAL.search((response or "").lower())
        place = ord(match[0]) - ord("a") if match else len(options)
        return place if place < len(options) else None
    part, texts = final_part(response or ""), _texts(options)
    if not part:
        return None
    for text in map(_bare, (concluded(part), part)):
        said = _plain(re.sub(rf"^\W*{_LEAD}", "", text, flags=re.IGNORECASE))
        same = {texts.index(one) for one in {said, _plain(text)} & set(filter(None, texts))}
        letters = _letters(_REASONS.split(text, maxsplit=1)[0]) or _letters(text)
        if same and (len(said) > 1 or min(letters, default=MOST_OPTIONS) >= len(options)):
            named = same
        else:  # one letter alone may be an option's text as well
            named = same | letters if len(text.strip()) == 1 else letters
        if named:
            break
    if not named:
        return _held(_plain(text), texts)
    place = min(named)
    if len(named) > 1 or place >= len(options):
        return None
    tail = _plain(re.split(rf"(?i:\b{chr(ord('A') + place)}\b)", text, maxsplit=1)[-1])
    return None if not same and tail in {*texts} - {"", texts[place]} else place


def read_question(fields: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], str | None]:
    """Options and the right one's text of a self-contained record; none if it asks for no answer.

    Raises BadInput, beginning with `where`, unless `ans` names one of 2 to 26 `options` and there
    is a `response`.
    """
    options, answer = fields.get("options"), fields.get("ans")
    if options in (None, []) and answer is None:
        return (), None
    texts = isinstance(options, list) and all(isinstance(text, str) for text in options)
    if not texts or not 2 <= len(options) <= MOST_OPTIONS:
        raise BadInput(f"{where}: options are no list of 2 to {MOST_OPTIONS} texts; correct them")
    place = answer
    if isinstance(answer, str):
        place = option_of(answer.upper() if len(answer) == 1 else answer, options)
    if type(place) is not int or not 0 <= place < len(options):
        raise BadInput(f"{where}: ans is no option: {shown(answer)}; give its index or letter")
    if "response" not in fields:
        raise BadInput(f"{where}: no `response` to the question; add it (null: none was given)")
    options = tuple(map(encodable, options))
    return options, options[place]


def read_choices(
    moments: Sequence[Moment], predictions: Sequence[Prediction], protocol: str = "fixed"
) -> tuple[np.ndarray, np.ndarray]:
    """choice_N, each answer's option (from 0; -1: none), and right_N, bool (N questions).

    A choice is right if its text is the annotated answer's, so either of two equal options is.
    Raises BadInput for a moment whose answer is none of its options.
    """
    choice_N = np.full(len(moments), -1)
    right_N = np.zeros(len(moments), dtype=bool)
    for row, (moment, prediction) in enumerate(zip(moments, predictions, strict=True)):
        options = moment.options
        truth = option_of(moment.answer, options) if moment.answer and options else None
        if truth is None:
            raise BadInput(
                f"{moment.id}: the answer is none of the options; score annotated questions"
            )
        choice = read_choice(prediction.said("question"), options, protocol)
        if choice is not None:
            choice_N[row], right_N[row] = choice, options[choice] == options[truth]
    return choice_N, right_N


def question_scores(
    right_N: np.ndarray | None, iou_N: np.ndarray | None = None, iop_N: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Each metric's score_N per question in percent, from right answers and best overlaps.

    Acc@GQA: the answer is right and IoP >= 0.5. Without overlaps (multiple choice) only Acc@QA;
    without answers only the overlaps.
    """
    scores = {} if right_N is None else {"Acc@QA": right_N}
    if iou_N is not None and iop_N is not None:
        scores |= {} if right_N is None else {"Acc@GQA": right_N & (iop_N >= 0.5)}
        for name, overlap_N in (("IoU", iou_N), ("IoP", iop_N)):
            scores |= {f"{name}@{least}": overlap_N >= least for least in (0.3, 0.5)}
            scores[f"m{name}"] = overlap_N
    return {name: 100.0 * score_N for name, score_N in scores.items()}


def _bare(text: str) -> str:
    """Without markup; plain brackets and full-width signs; a letter apart from other scripts."""
    return _JOINED.sub(" ", text.translate(_SIGNS))


def _plain(text: str) -> str:
    """Lower case, single spaces, no signs at either end."""
    return re.sub(r"^\W+|\W+$", "", " ".join(text.casefold().split()))


def _texts(options: Sequence[str]) -> list[str]:
    """The plain text of each option, which may begin with its own letter: "(B) text", "B. text".

    Empty where different options have the same, as "5" and "-5".
    """
    texts = []
    for place, option in enumerate(options):
        letter = chr(ord("A") + place)
        text = re.sub(rf"^\s*(?:\({letter}\)|{letter}[.):])\s*(?=\S)", "", _bare(option))
        texts.append(_plain(text))
    pairs = set(zip(texts, options, strict=True))
    return [text if sum(text == other for other, _ in pairs) == 1 else "" for text in texts]


def _letters(text: str) -> set[int]:
    """Every letter that `text` names as its choice, from 0, without those that it denies."""
    rest = _DENIED.sub(lambda match: " " if match["before"] else " no ", text)
    named, denied = (
        set(re.findall(r"\b[A-Z]\b", " ".join(one[one.lastgroup] for one in found).upper()))
        for found in (_MARKED.finditer(rest), _DENIED.finditer(text))
    )
    return {ord(letter) - ord("A") for letter in named - denied}


def _held(said: str, texts: Sequence[str]) -> int | None:
    """The one option whose text stands in `said` as whole words, not within a longer option's."""
    rest, found = said, set()
    for option in sorted(set(filter(None, texts)), key=len, reverse=True):
        rest, times = re.subn(rf"(?<!\w){re.escape(option)}(?!\w)", "|", rest)
        found |= {texts.index(option)} if times else set()
    return min(found) if len(found) == 1 and not re.search(_NO, rest) else None
