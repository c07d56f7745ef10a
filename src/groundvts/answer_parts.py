"""Which part of a text is its answer: not the reasoning, not what repeats the query.

Every pattern is bounded or cannot fail once it has begun, so that reading takes linear time.
"""

import re

_REASONING = re.compile(
    r"[<◁]\|?(?P<end>/|end_of_)?(?:begin_of_)?(?:\w{1,12}:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?"
    r"|rationale|reflection|analysis|scratchpad|summary|caption|description|query|question)"
    r"\b[^<>▷]{0,40}[>▷]",
    re.IGNORECASE,
)
_NAMED = r"(?:(?:final_?)?answer|conclusion|begin_of_box|end_of_box)\|?>"
_ANSWER = re.compile(rf"<\|?(?!/|end){_NAMED}", re.IGNORECASE)
_ANSWERED = re.compile(rf"<\|?(?:/|(?=end)){_NAMED}", re.IGNORECASE)
_BOX = re.compile(r"\\f?boxed\s?\{((?:[^{}]|\{[^{}]{0,200}\}){0,300}+)\}?")
_ONE_TIME = re.compile(r"[\s0-9.:]*(?:s|sec|seconds)?\s*", re.IGNORECASE)
_LATEX = re.compile(r"\\(?:text|math)\w{0,6}|\\[,;:! ]|[{}$]")
_STRING = re.compile(
    r""""((?:[^"\\]|\\.|\\\Z)*+)(?:"(\s*+:)?|\Z)|'((?:[^'\\]|\\.|\\\Z)*+)(?:'(\s*+:)?|\Z)""",
    re.DOTALL,
)
_ASKED_KEY = re.compile(
    r"\b(?:answer|results?|response|pred(?:iction|icted)?|windows?|spans?|segments?|intervals?"
    r"|moments?|ranges?|periods?|time(?:s|stamps?|steps?)?|start(?:s|ing)?|begin(?:s|ning)?"
    r"|end(?:s|ing)?|stop|finish|from|to|sec(?:onds)?|choice|option|letter)\b|时间|开始|结束|答案|选项",
    re.IGNORECASE,
)
_OTHER_KEY = re.compile(
    r"\b(?:query|question|frames?|fps|duration|length|total|reason(?:ing|s)?|explanation|analysis"
    r"|scores?|confidence|description|text|id)\b",
    re.IGNORECASE,
)
_CONCLUSION = re.compile(
    r"(?:\b(?:answer|antwort|réponse|respuesta|risposta|resposta|ответ)\b|정?답|答え|正解)"
    r"[\s*_]{0,4}(?:[:：=\n]|is\b|(?:would|should|must)\s+be\b|[はは은])[\s*_]{0,4}"
    r"|\b(?:final\s+answer|therefore|thus|(?:in|to)\s+conclu(?:sion|de))\b"
    r"|答案\s?[是为為]?|因此|所以|综上",
    re.IGNORECASE,
)


def final_part(text: str) -> str | None:
    """What of an answer counts; None where it was cut within its reasoning.

    Reasoning between tags is left out (before a closing tag alone all is reasoning). Of several
    <answer>, and of several boxes, the last one counts, though it may be cut. Of JSON only what
    stands under keys that name times or answers is left, if there are such keys.
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
        part = _REASONING.sub(" ", text)
        if not re.search(rf"{_ANSWERED.pattern}\s*\Z", part, re.IGNORECASE):
            return None if open else ""
    part = _ANSWERED.split(_ANSWER.split(part)[-1])[0]
    boxes = _BOX.findall(part)
    if boxes:
        whole = " ".join(_BOX.split(part)) if _ONE_TIME.fullmatch(boxes[-1]) else boxes[-1]
        part = _LATEX.sub(" ", whole)
    return _asked(part) if re.search(r"\{\s*[\"']", part) else part


def concluded(part: str) -> str:
    """What follows the last "Final answer:", "The answer is" or "Therefore", else all."""
    ends = [match.end() for match in _CONCLUSION.finditer(part)]
    return part[ends[-1] :] if ends else part


def _asked(text: str) -> str:
    """The values in JSON that are times or answers; else those that are no texts; else the text."""
    keys = [match for match in _STRING.finditer(text, text.index("{")) if match[2] or match[4]]
    asked, bare = [], []
    for key, after in zip(keys, [*keys, None][1:], strict=True):
        name = re.sub(r"(?<=[a-z])(?=[A-Z])|[\W_]+", " ", key[1] or key[3] or "")
        value = text[key.end() : after.start() if after else None].split("```")[0]
        said = f"{name}: " * (len(name) > 1) + _STRING.sub(r"\1\3", value)
        if not _OTHER_KEY.search(name):
            asked += [said] * bool(_ASKED_KEY.search(name))
            bare += [said] * (value.lstrip()[:1] not in "\"'")
    return " ".join(asked) or " ".join(bare) or text
