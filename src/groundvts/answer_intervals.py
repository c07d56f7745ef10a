"""Intervals in an answer's text: which times belong together, in words of many languages.

Patterns are matched to a text in which one character stands for each time (`mark_times`). All
their pieces are bounded, so that reading takes linear time.
"""

import re
from dataclasses import dataclass
from functools import cache

from groundvts.answer_times import BARE, SECONDS, TIMED, Time, mark_times, words

_T = f"[{TIMED}{BARE}]"
_TO = words(
    r"(?:and\s)?(?:it\s)?(?:(?:lasts|continues|goes|runs|extends)\s)?(?:up\s)?"
    r"(?:to|until|till?|through|thru)|bis|à|jusqu\s(?:à|au)|hasta|até|fino\sa(?:lla|l)?|tot|до|по|đến|hingga|sampai",
    "(?:一?直|持续|延续){0,2}[到至]|から|부터|에서|إلى|से",
)
_JOIN = rf"(?:-{{1,3}}>?|=>|~|\.{{2,3}}|{_TO})"
_BEFORE = words(
    "at|about|around|approx\\.?|approximately|roughly|circa|ca\\.?|the|times?|timestamps?|timesteps?"
    f"|is|of|t|mark|sec|point|el|la|le|il|video|clip|{SECONDS}|секунды|bei|à|a|en|em|op|в|на",
    "第|时间|時間|戳|点|約|约|大约|在|于|為|为|是|は",
)
_FILL = rf"(?:\s?(?:[~≈:=\[\]]|{_BEFORE})){{0,4}}\s?"
_TAIL = rf"\.?\s?(?:{words('mark|point', '开始|处|左右|頃')}\s?)?[\],]{{0,2}}\s?"
_STARTS = words(
    "t0|starts?|starting|started|begin|begins|beginning|began|onset|anfang|beginnt?|startet|début"
    "|commence|inicio|início|inizio|inizia|principio|comienza|empieza|começa|begint|начал[оа]"
    "|начинается",
    "开始|起始|开头|開始|始め|最初|처음",
)
_ENDS = words(
    "t1|ends?|ending|ended|finish(?:es|ed|ing)?|stop(?:s|ped|ping)?|conclud(?:es?|ed|ing)"
    "|terminat(?:es?|ed|ing)|complet(?:es?|ed|ing)|offset|endet?|schluss|fin|finit|final|fine|fim"
    "|termin[ae]|closes|leaves|exits|disappears|finisce|einde|eindigt|slut|конца|конец|заканчивается",
    "结束|终止|结尾|最后|終了|最後|末尾|終わり|끝",
)
_FIRST = words(
    "first|initial|opening|ersten?|premi(?:er|ère)s?|primer[oa]s?|prim[ie]|primeir[oa]s|eerste"
    "|första|первые",
    "前|最初の?|처음",
)
_LAST = words(
    "last|final|closing|letzten?|derni(?:er|ère)s?|[úu]ltim[oaie]s?|laatste|sista|последние",
    "最后|最後の?|마지막",
)
_PAST = words("after|before|until|by|nach|vor|après|avant|después\\sde|antes\\sde")
_ARTICLE = r"(?:(?:the|very|zum|la|el|o|het)\s){0,2}"
_ALONE = rf"(?!{_TAIL}{_JOIN}{_FILL}{_T})"  # no time is joined to it


def _either(edge: str) -> str:
    """The first or last seconds: "first 5 seconds", "5 premières secondes"."""
    return rf"(?:{edge}\s?{TIMED}{_ALONE}|{BARE}\s{edge}\s(?:{words(SECONDS)}))"


def _labelled(one: str, other: str) -> str:
    """Named times: "starts at 3 s and ends at 7 s", "start: 3, end: 7", "at 3 s, ends at 7 s"."""
    joint = words("and|then|while|its?|the|this|event|t|und|et|y|e|en|и|se", "并|且|而")
    between = rf"{_TAIL}[;.|/\[]?\s?(?:(?:{_JOIN}|{joint})\s?){{0,3}}"
    return rf"{one}{_T}{between}{other}{_FILL}{_T}"


_BETWEEN = words("between|zwischen|entre|tussen|tra|fra|mellan|между")
_FROM = words("de|da|du|dal|dalle|desde|des|dès|od")
# What an interval is, and how it is written; of two that begin together the upper one counts.
_KINDS = (
    ("pair", _labelled(_STARTS + _FILL, _ENDS)),
    ("swapped", _labelled(_ENDS + _FILL, _STARTS)),
    (
        "pair",
        rf"{_STARTS}[\s|,/]{{0,3}}(?:and\s)?{_ENDS}\s?(?:times?)?[\s|:-]{{0,40}}{_T}[\s|,]+{_T}",
    ),
    ("pair", rf"{words('at|from|between|times?|timestamps?|moment')}{_FILL}{BARE},\s{TIMED}"),
    ("pair", _labelled("", _ENDS)),
    ("pair", rf"\[\s?{_T}\.?(?:\s?[,;|]\s?|\s(?:and\s)?){_T}[.\s]?\]"),
    ("joined", rf"{_T}{_TAIL}{_JOIN}{_FILL}{_T}"),
    ("joined", rf"{_BETWEEN}{_FILL}{_T}{_TAIL}{words('and|und|et|y|e|en|och|и')}{_FILL}{_T}"),
    ("pair", rf"{_FROM}{_FILL}{_T}{_TAIL}{words('al?|au|alle|do')}{_FILL}{_T}"),
    ("pair", rf"{_T}\s?(?:和|与|と|와|과){_FILL}{_T}\s?(?:之间|之間|の間|사이)"),
    ("neither", rf"{_PAST}\s{_ARTICLE}(?:{_FIRST}|{_LAST})\s?{_T}"),
    ("head", _either(_FIRST)),
    ("tail", _either(_LAST)),
    ("head", rf"{_STARTS}{_FILL}{_JOIN}{_FILL}{_T}"),
    ("rest", rf"{_T}{_TAIL}{_JOIN}\s?{_ARTICLE}{_ENDS}(?!{_FILL}{_T})"),
)
# What says that two bare numbers are times, and what that they count something.
_TOLD = re.compile(rf"(?:^|[:=\[|]|{words('from|during|within|von|van|с|od')}|从|{_BEFORE})\s?$")
_COUNTED = re.compile(
    r"\s(?!(?:as|is|was|this|dans|mais)\b)[a-z]+s\b|\s?[个個本张張只隻把人名位次件条條辆杯瓶块]"
)
_NUMBERED = re.compile(words("(?:step|page|item|question|option|level|round|line)s?") + r"\s$")
_NOT = re.compile(  # denies what follows; _WRONG: what stands before
    rf"(?:{words('not|nor|neither|[a-z]+n t|rather than|instead of')}|不[是在]?|[并而]非)"
    rf"{_FILL}(?:{words('be|happen|occur|visible|seen|from|between|during|within|in')}|从)?{_FILL}$"
)
_WRONG = re.compile(r"[\]\s]{0,2}(?:(?:is|was) (?:wrong|false|incorrect|not)\b|不对|错)")


@cache
def _patterns() -> list[tuple[str, re.Pattern]]:
    return [(kind, re.compile(pattern, re.IGNORECASE)) for kind, pattern in _KINDS]


@dataclass(frozen=True)
class Interval:
    """An interval (s), its words, and how `sure` it is that they are of time.

    sure: 2 with a unit or clock, 1 of time, else 0; start: None where a duration is needed.
    """

    start: float | None
    end: float | None
    text: str
    sure: int = 1

    @property
    def failure(self) -> str | None:
        """None, "no_duration" or "reversed"."""
        if self.start is None or self.end is None:
            return "no_duration"
        return "reversed" if self.start > self.end else None


def intervals(text: str, duration: float | None) -> tuple[list[Interval], list[Time]]:
    """Every interval of `text` (cleaned) in order, and every time; `duration` (s) is the video's.

    None that is denied, and none of bare numbers before one with a unit or clock.
    The first N seconds are [0, N], the last N are [duration - N, duration].
    """
    marked, times = mark_times(text)
    matches = [
        (match.start(), rank, kind, match)
        for rank, (kind, pattern) in enumerate(_patterns())
        for match in pattern.finditer(marked)
    ]
    found, end = [], 0
    for start, _, kind, match in sorted(matches, key=lambda row: row[:2]):
        if start < end:
            continue
        end = match.end()
        before = marked[max(0, start - 40) : start].lower()
        if kind != "neither" and not (_NOT.search(before) or _WRONG.match(marked, end)):
            named = [times[place] for place in range(start, end) if place in times]
            said = "".join(times[i].text if i in times else marked[i] for i in range(start, end))
            bare, timed = match[0][0] == BARE, TIMED in match[0]
            counted = _COUNTED.match(marked, end) or _NUMBERED.search(before)
            told = kind != "joined" or timed or "." in said or (bare and _TOLD.search(before))
            if told or not (counted and bare):
                sure = 2 if timed else int(bool(told) or not (counted or bare))
                found.append(Interval(*_window(kind, named, duration), said, sure))
    first = next((place for place, one in enumerate(found) if one.sure == 2), 0)
    return found[first:], list(times.values())


def _window(
    kind: str, times: list[Time], duration: float | None
) -> tuple[float | None, float | None]:
    """Start and end (s) of an interval of a kind, as they stand in the text."""
    first, last = times[0], times[-1]
    if kind == "head":
        return 0.0, first.seconds
    if kind == "tail":
        return (None if duration is None else duration - first.seconds), duration
    if kind == "rest":
        return first.seconds, duration
    start = first.seconds
    if first.unit is None and last.unit is not None:  # "1 to 2 minutes"
        start *= last.unit
    return (last.seconds, start) if kind == "swapped" else (start, last.seconds)
