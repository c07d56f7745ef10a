"""Times in an answer's text: numbers, units and clocks of many languages, in seconds.

A number takes a decimal point or comma ("3.5", "3,5"); three digits after a comma are thousands
("1,204"). A number of something else ("3 people", "30 %", "frame 30") is no time.
"""

import re
import unicodedata
from dataclasses import dataclass

TIMED, BARE = "\ue000", "\ue001"  # stand in a text for a time with a unit, and for one without
LETTER = r"A-Za-z\u00b2-\u052f"  # of scripts that set words apart by spaces
WORD = "0-9" + LETTER


def words(spaced: str, joined: str = "") -> str:
    """A pattern of whole words, and of those of scripts that set no spaces."""
    whole = rf"(?<![{WORD}])(?:{spaced})(?![{WORD}])"
    return f"(?:{whole}|{joined})" if joined else whole


def _unit(spaced: str, joined: str) -> str:
    return rf"[\s-]?(?:(?:{spaced})(?![{LETTER}])|{joined})"


SECONDS = r"s|secs?|seconds?|secondes?|second[io]|seg|segundos?|sek|sekund(?:en?|er|y)?|seconden"
_HOUR = _unit(
    "h|hrs?|hours?|heures?|horas?|or[ae]|std|stunden?|uur|ч|час(?:а|ов)?", "小时|時間|시간"
)
_MINUTE = _unit("m|mins?|minut(?:es?|os?|i|en?|y|er)?|мин|минут[аыу]?", "分钟?|분")
_MILLI = _unit("ms|msecs?|milliseconds?|millisekunden?|millisecondes?", "毫秒|ミリ秒")
_SECOND = _unit(SECONDS + "|saniye|detik|giây|с|сек|секунд[аыу]?", "秒[钟間]?|초|ثانية|सेकंड")

_NUMBER = r"""(?:
    [1-9][0-9]{0,2}(?:,[0-9]{3}){1,2}(?![0-9])(?:\.[0-9]+)?
  | [1-9][0-9]{0,2}(?:\.[0-9]{3}){1,2},[0-9]+
  | (?:[0-9]{1,9}|(?<![0-9.]))\.[0-9]+
  | [0-9]{1,9}(?:,[0-9]+)?
)"""
_ORDINAL = "(?:st|nd|rd|th)?"
_THEN = r",?\s?(?:(?:and|und|et|y|e|и)\s)?[0-5]?[0-9](?:[.,][0-9]+)?"  # what follows a larger unit
_OTHER = rf"\s?(?:%|(?:per\s?cent|frames?|fps|people)(?![{WORD}]))"
_TIME = re.compile(
    rf"""(?P<sign>(?<![{WORD}\]-])-)?
    (?<![{WORD}])(?<![0-9][.,:])(?<!frame\s)(?<!frames\s)
    (?P<time>(?>
        [0-9]{{1,9}}(?::[0-5]?[0-9]){{1,2}}(?:[.,][0-9]+)?(?![0-9:])
        (?:{_HOUR}|{_MINUTE}|{_SECOND})?
      | {_NUMBER}{_HOUR}(?:{_THEN}{_MINUTE})?(?:{_THEN}{_SECOND})?
      | {_NUMBER}{_MINUTE}(?:{_THEN}{_SECOND})?
      | {_NUMBER}{_ORDINAL}(?:{_MILLI}|{_SECOND})
      | {_NUMBER}{_ORDINAL}(?![{WORD}]|[.,:][0-9]|{_OTHER})
    ))""",
    re.VERBOSE | re.IGNORECASE,
)
_PART = re.compile(
    rf"({_NUMBER}){_ORDINAL}(?:({_HOUR})|({_MINUTE})|({_MILLI})|({_SECOND}))?",
    re.VERBOSE | re.IGNORECASE,
)
_FACTORS = (3600.0, 60.0, 0.001, 1.0)

_PLAIN = {0xFF01 + offset: chr(0x21 + offset) for offset in range(94)} | str.maketrans(
    dict.fromkeys("‐‑‒–—―−﹣－", "-")
    | dict.fromkeys("〜～∼", "~")
    | dict.fromkeys("→⇒➔➜⟶", "->")
    | dict.fromkeys("({<【〈《「（｛＜", "[")
    | dict.fromkeys(")}】〉》」）｝＞", "]")
    | dict.fromkeys('*_`"“”„«»″' + TIMED + BARE, " ")
    | {"，": ", ", "、": ", ", "。": ". ", "…": "...", "’": "'", "′": "'"}
)
_SPELLINGS = (
    (re.compile(r"(?<=[0-9])['\u00a0\u2009\u202f](?=[0-9]{3}(?![0-9]))"), ""),  # "1 204" is 1204
    (re.compile(r"(?<=[0-9])'(?=[0-5][0-9](?![0-9]))"), ":"),  # "1'05" is 1:05
    (re.compile(r"(?<![-=])>"), "]"),
    (re.compile(r"(,\s{0,3}[0-9.:]+s?)\s{0,3},\s{0,3}(?:0?\.[0-9]+|[01](?:\.0+)?)\s?\]"), r"\1]"),
    (re.compile(r"(?<=\[)\s?([0-9.:]+),([0-9.:]+)\s?(?=\])"), r"\1, \2"),  # "[3,7]" is no 3.7
    (re.compile(r"\[/[a-z ]{1,20}\]", re.IGNORECASE), " "),  # "</start>"
    (re.compile(r"(?<=[0-9])(\.[0-9]{1,3}),(?=[0-9]{1,9}\.[0-9])"), r"\1, "),  # "3.0,7.0"
    (re.compile(r"(?<=[a-z])(?=[A-Z])"), " "),  # "startTime"
    (re.compile(r"[\s']+"), " "),
)


@dataclass(frozen=True)
class Time:
    """A time as written, in seconds; `unit` (s) is its largest one, or None: read as seconds."""

    text: str
    seconds: float
    unit: float | None


def clean(answer: str) -> str:
    """`answer` on one line, without quotes and markup, with plain digits, dashes and brackets."""
    text = answer.translate(_PLAIN)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(char, char)) for char in text)
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    return text.strip()


def mark_times(text: str) -> tuple[str, dict[int, Time]]:
    """`text` (cleaned) with TIMED or BARE for each time, and the times by their place in it."""
    marked, times, length, last = [], {}, 0, 0
    for match in _TIME.finditer(text):
        before = text[last : match.start()]
        sign = match["sign"] or ""
        if sign and times and not before.strip():  # "3 -7" is from 3 to 7
            before, sign = before + sign, ""
        time = _time(sign, match["time"])
        times[length + len(before)] = time
        marked += [before, BARE if time.unit is None else TIMED]
        length += len(before) + 1
        last = match.end()
    return "".join([*marked, text[last:]]), times


def _time(sign: str, text: str) -> Time:
    """One matched time: "65.5", "65s", "1:05", "0:01:05,5" or "1 min 5 s"."""
    seconds, unit = 0.0, None
    if ":" in text:
        *whole, last = re.match(r"[0-9:.,]*[0-9]", text).group().split(":")
        for part in (*whole, last.replace(",", ".")):
            seconds, unit = 60 * seconds + float(part), 1.0
    else:
        for number, *units in _PART.findall(text):
            factor = next((f for f, found in zip(_FACTORS, units, strict=True) if found), None)
            seconds += _value(number) * (factor or 1.0)
            unit = unit or factor
    return Time(sign + text, -seconds if sign else seconds, unit)


def _value(number: str) -> float:
    """A number with its decimal comma or thousands read."""
    if re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?", number):
        return float(number.replace(",", ""))
    if "," in number:
        number = number.replace(".", "").replace(",", ".")
    return float(number)
