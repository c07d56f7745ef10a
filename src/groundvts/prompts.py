"""Prompts: the system and the user turn that ask a model for a moment, highlights or an answer."""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from groundvts.errors import BadInput
from groundvts.yaml_files import read_yaml

PLACEHOLDERS = {
    "grounding": ["query"],
    "highlights": ["query"],
    "question": ["question"],
    "choice": ["question", "options"],
}
LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Prompts:
    """One set of templates: `templates[kind]` holds `system` and the list `users`.

    A plain dict, as a merged model's manifest keeps it; `source` is the file it came from. Raises
    BadInput for a template that is wrong; a kind may be absent until it is asked for.
    """

    templates: dict
    source: str | Path = field(default="prompts", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.templates, dict):
            raise BadInput(f"{self.source}: templates are a mapping of {_listed(PLACEHOLDERS)}")
        for kind, template in self.templates.items():
            if why := _fault(kind, template):
                raise BadInput(f"{self.source}: {kind}: {why}")

    @classmethod
    def load(cls, set: str = "fixed", file: str | Path | None = None) -> Prompts:
        """The templates of `set` in `file`, or in the kit's own."""
        path = Path(file) if file else Path(__file__).with_suffix(".yaml")
        sets = read_yaml(path)
        if not isinstance(sets, dict) or set not in sets:
            known = _listed(sets) if isinstance(sets, dict) else "no sets"
            raise BadInput(f"{path}: no template set {set!r}, but {known}: name or add one")
        return cls(sets[set], f"{path}, set {set}")

    def grounding(self, query: str, number: int = 0) -> tuple[str, str]:
        """System and user turn that ask when `query` happens, by template `number`."""
        return self._turns("grounding", number, query=query)

    def highlights(self, query: str, number: int = 0) -> tuple[str, str]:
        """System and user turn that ask how important the video's parts are for `query`."""
        return self._turns("highlights", number, query=query)

    def question(self, question: str) -> tuple[str, str]:
        """System and user turn that ask a question about the video."""
        return self._turns("question", question=question)

    def choice(self, question: str, options: Sequence[str]) -> tuple[str, str]:
        """System and user turn that ask for the letter of the right option, from A on."""
        if len(options) > len(LETTERS):
            raise BadInput(f"{question!r} has {len(options)} options: at most {len(LETTERS)}")
        lettered = zip(LETTERS, options, strict=False)
        lines = "\n".join(f"({letter}) {option}" for letter, option in lettered)
        return self._turns("choice", question=question, options=lines)

    def _turns(self, kind: str, number: int = 0, **values: str) -> tuple[str, str]:
        if kind not in self.templates:
            raise BadInput(f"{self.source}: no templates of kind {kind!r}: add `system`, `users`")
        users = self.templates[kind]["users"]
        return self.templates[kind]["system"], users[number % len(users)].format(**values)


def query_place(query: str, user: str) -> int:
    """Where the query stands in a user's turn: its beginning, else its end, else the first place.

    -1 where it does not occur. Words that a template repeats are not taken for it at either end.
    """
    if user.startswith(query):
        return 0
    return len(user) - len(query) if user.endswith(query) else user.find(query)


def _fault(kind: Any, template: Any) -> str | None:
    """What is wrong with the templates of one kind, and what to do, in one line."""
    if kind not in PLACEHOLDERS:
        return f"unknown kind: the kinds are {_listed(PLACEHOLDERS)}"
    if not isinstance(template, dict) or template.keys() != {"system", "users"}:
        return "give `system` and `users`, nothing else"
    users = template["users"]
    if not isinstance(template["system"], str):
        return "`system` must be a text"
    if not isinstance(users, list) or not users or not all(isinstance(u, str) for u in users):
        return "`users` must be a list of one text or more"
    wanted = PLACEHOLDERS[kind]
    for user in users:
        try:
            fields = [part[1:] for part in string.Formatter().parse(user) if part[1] is not None]
        except ValueError as error:
            return f"{user!r}: {error}: write a brace that is no placeholder twice"
        if sorted(fields, key=str) != sorted(((name, "", None) for name in wanted), key=str):
            names = " and ".join(f"{{{name}}}" for name in wanted)
            return f"{user!r}: must hold {names} exactly once, and no other placeholder"
    return None


def _listed(names: Any) -> str:
    return ", ".join(map(str, names))
