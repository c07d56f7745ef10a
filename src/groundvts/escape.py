"""How text from outside is shown: a function for each medium, so that text is only read there."""

import os
import re
import sys
from html import escape
from typing import Any

# Controls, marks that turn the direction of text, and halves of characters.
HIDDEN = r"[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
# What Markdown reads as more than a character; brackets alone do not count.
MARKUP = re.compile(r"[&<>|`*\\~$]|(?<!\w)_|_(?!\w)|(?<=\])[(\[]|:(?=//)|(?<=www)\.", re.I)
LATEX = {mark: f"\\{mark}" for mark in "&%$#_{}"} | {
    **{"\\": "\\textbackslash{}", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}"},
    **{"<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}"},
    **{"–": "--", "†": "\\dag{}", "\N{NO-BREAK SPACE}": "~"},
}


def plain(text: Any) -> str:
    """One line in which every character is seen: spaces stay, others that hide are named."""
    spaced = re.sub(r"[\t-\r\x1c-\x1f\x85\u2028\u2029]", " ", str(text))
    return re.sub(HIDDEN, lambda found: found[0].encode("unicode_escape").decode(), spaced)


def html(text: Any) -> str:
    """Text of an element or of a quoted attribute."""
    return escape(plain(text))


def markdown(text: Any) -> str:
    """Text within a line of Markdown, or a table's cell; `html.unescape` gives it back."""
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", plain(text))


def latex(text: Any) -> str:
    """Text of a table's cell or of a caption; a first [ or * would belong to the row's end."""
    return re.sub(r"^(?=[\[*])", "{}", plain(text).translate(str.maketrans(LATEX)))


def csv(value: Any) -> Any:
    """A cell of CSV: text that a spreadsheet would run gets an apostrophe; numbers stay."""
    if not isinstance(value, str):
        return value
    number = re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", value, re.I)
    return plain(value) if number else re.sub(r"^(?=\s*[=+@＝＋－＠-])", "'", plain(value))


def log(*texts: Any) -> None:
    """Prints one line on stderr."""
    say(*texts, stream=sys.stderr)


def say(*texts: Any, stream: Any = None) -> None:
    """Prints one line on stdout, or `stream`; where nobody reads any more, nothing.

    Raises OSError where stdout cannot be written, as on a full disk.
    """
    stream = stream or sys.stdout
    try:
        print(*map(plain, texts), file=stream, flush=True)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # so that nothing fails later
        if stream is sys.stdout and not isinstance(error, BrokenPipeError):
            error.filename = "standard output"
            raise
