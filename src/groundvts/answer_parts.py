"""Which part of a text is its answer: not reasoning, not what repeats the query. Linear time."""

import re

_REASONING = re.compile(
    r"[<◁]\|?(?P<end>/|end_of_)?(?:begin_of_)?(?:\w{1,12}:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?"
    r"|rationale|reflection|analysis|scratchpad|summary|caption|description|query|question)"
    r"\b[^<>▷]{0,40}[>▷]",
    re.IGNORECASE,
)
_NAMED = r"(?i:(?:final_?)?answer|conclusion|begin_of_box|end_of_box)\|?>"
_ANSWER, _ANSWERED = re.compile(rf"<\|?(?!end){_NAMED}"), re.compile(rf"<\|?(?:/|(?=end)){_NAMED}")
_CHAT = re.compile(r"<\|\w{1,30}\|>(?:assistant\b)?|</?s>|<(?:[be]os|pad|end_of_turn)>")
_LATEX = re.compile(r"\\(?:text|math)\w{0,6}|\\[,;:! ()\[\]]|[{}$]")
_STRING = re.compile(  # with the colon that makes it a key
    r""""((?:[^"\\]|\\.|\\\Z)*+)(?:"(\s*+:)?|\Z)|'((?:[^'\\]|\\.|\\\Z)*+)(?:'(\s*+:)?|\Z)""", re.S
)
_ASKED = re.compile(  # keys that name times and answers
    r"(?:(?:event|relevant|final|correct|predicted|pred|the|t) )*+(?:(?:answer|result|response|pred"
    r"|prediction|window|span|segment|interval|moment|range|period|time(?:stamp|step)?|start(?:ing)?"
    r"|begin(?:ning)?|end(?:ing)?|stop|finish|from|to|s|sec(?:ond)?|output|t[01]|onset|offset|choice"
    r"|option|letter|时间|开始|结束|答案|选项)(?:s\b)? ?)++",
    re.IGNORECASE,
)
_TOLD = re.compile(  # keys of reasons, and of what was asked or seen
    r"(?i)\b(?:expla|reason|rationale|think|thought|justif|descri|caption|quer|question)|解释|理由|描述"
)
_CONCLUSION = re.compile(
    r"(?:\b(?:answer|antwort|réponse|respuesta|risposta|resposta|ответ)\b|정?답|答え|正解)"
    r"[\s*_]{0,4}(?:[:：=\n]|is\b|(?:would|should|must)\s+be\b|[はは은])[\s*_]{0,4}|\x1e|答案\s?[是为為]?"
    r"|\b(?:final\s+answer|therefore|thus|(?:in|to)\s+conclu(?:sion|de))\b|因此|所以|综上",
    re.IGNORECASE,
)


def final_part(text: str) -> str | None:
    """What of an answer counts; None where it was cut within its reasoning.

    What stands between tags of reasoning is left out (before a closing tag alone: all), and all but
    the last <answer>, which may be cut. Of JSON what keys that name times or answers hold is left.
    """
    kept: list[str] = []
    open, last = False, 0
    for tag in _REASONING.finditer(text):
        if not open:
            kept.append(text[last : tag.start()])
            del kept[0 if tag["end"] else len(kept) :]
        open, last = not tag["end"], tag.end()
    part = " ".join([*kept, "" if open else text[last:]])
    if last and not part.strip():
        part = _REASONING.sub(" ", text).rstrip()
        if not _ANSWERED.match(part, max(part.rfind("<"), 0)):
            return None if open else ""
    part = _ANSWERED.split(_ANSWER.split(part)[-1])[0]
    part = _CHAT.sub(" ", _asked(part) if re.search(r"\{\s*[\"']", part) else part)
    return _LATEX.sub(" ", part.replace("\\boxed", "\x1e")) if "\\" in part else part


def concluded(part: str) -> str:
    """What follows the last box, "Final answer:", "The answer is" or "Therefore", else all."""
    ends = [match.end() for match in _CONCLUSION.finditer(part)]
    return part[ends[-1] :] if ends else part


def _asked(text: str) -> str:
    """The values in JSON of times or answers; else those that are no texts; else of no reasons."""
    keys = [match for match in _STRING.finditer(text, text.index("{")) if match[2] or match[4]]
    asked, bare, rest = [], [], [text[: keys[0].start() if keys else None]]
    for key, after in zip(keys, [*keys, None][1:], strict=True):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", key[1] or key[3] or "")
        value = text[key.end() : after.start() if after else None].split("```")[0]
        kept = " " if _TOLD.search(name) else r"\1\3"
        rest.append(f"{name}: " * (len(name) > 1) + _STRING.sub(kept, value))
        if re.search(r"[^\s\[{]", value):  # else the keys within tell
            asked += rest[-1:] * bool(_ASKED.fullmatch(name))
            bare += rest[-1:] * (value.lstrip()[:1] not in "\"'")
    return " ".join(asked) or " ".join(bare) or " ".join(rest)
