"""Training conversations: grounding from moments, questions from LLaVA-Video's JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from groundvts.answers import format_window
from groundvts.data.files import read_jsonl, write_jsonl
from groundvts.data.moment import Moment
from groundvts.errors import BadInput

PLACEHOLDERS = ("<image>\n", "<video>\n", "<image>", "<video>")


@dataclass(frozen=True)
class Conversation:
    """One training sample; `query` is the part of `user` that the scorer reads."""

    id: str
    video: str
    kind: str
    system: str
    user: str
    query: str
    answer: str


@dataclass(frozen=True)
class Prompts:
    """Templates of one protocol: `templates[kind]` holds the system and the user turn."""

    templates: dict

    @classmethod
    def load(cls, protocol: str = "fixed", file: str | None = None) -> Prompts:
        """Reads the protocol's templates from `file` or from the kit's own."""
        path = Path(file) if file else Path(__file__).with_name("prompts.yaml")
        try:
            protocols = yaml.safe_load(path.read_text(encoding="utf-8"))
            return cls(protocols[protocol])
        except (OSError, yaml.YAMLError) as error:
            raise BadInput(f"{path}: no prompt templates can be read: {error}") from error
        except (KeyError, TypeError):
            raise BadInput(f"{path}: no templates for protocol {protocol!r}: add them") from None

    def grounding(self, query: str) -> tuple[str, str]:
        """System and user turn that ask when `query` happens."""
        template = self.templates["grounding"]
        return template["system"], template["user"].format(query=query)

    def question(self, question: str) -> tuple[str, str]:
        """System and user turn that ask a question about the video."""
        template = self.templates["question"]
        return template["system"], template["user"].format(question=question)


def grounding_conversations(
    moments: list[Moment], prompts: Prompts, time_format: str
) -> list[Conversation]:
    """One conversation for each window of each moment, answered in the answer grammar."""
    conversations = []
    for moment in moments:
        system, user = prompts.grounding(moment.query)
        for number, (start, end) in enumerate(moment.windows):
            name = moment.id if len(moment.windows) == 1 else f"{moment.id}#{number}"
            answer = format_window(start, end, time_format)
            conversations.append(
                Conversation(name, moment.video, "grounding", system, user, moment.query, answer)
            )
    return conversations


def question_conversations(file: Path, prompts: Prompts) -> list[Conversation]:
    """One conversation for each human/gpt pair of a LLaVA-Video JSON file."""
    try:
        records = json.loads(Path(file).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{file}: not a readable JSON document: {error}") from error
    conversations = []
    for number, record in enumerate(records):
        try:
            turns = [(turn["from"], turn["value"]) for turn in record["conversations"]]
            name, video = str(record["id"]), Path(record["video"]).stem
        except (KeyError, TypeError) as error:
            raise BadInput(f"{file}: record {number}: lacks {error}: see LLaVA-Video") from None
        for pair in range(0, len(turns) - 1, 2):
            (_, text), (_, answer) = turns[pair : pair + 2]
            question = _without_placeholder(text)
            system, user = prompts.question(question)
            label = name if len(turns) == 2 else f"{name}#{pair // 2}"
            conversations.append(Conversation(label, video, "qa", system, user, question, answer))
    return conversations


def _without_placeholder(text: str) -> str:
    for placeholder in PLACEHOLDERS:
        text = text.replace(placeholder, "")
    return text.strip()


def write_conversations(path: Path, conversations: list[Conversation]) -> None:
    """Writes JSONL, one conversation a line, atomically."""
    write_jsonl(path, map(asdict, conversations))


def read_conversations(path: Path) -> list[Conversation]:
    """Reads JSONL written by `write_conversations`; BadInput names file and line."""
    conversations = []
    for number, row in read_jsonl(path):
        try:
            conversations.append(Conversation(**row))
        except TypeError as error:
            raise BadInput(f"{path}, line {number}: not a conversation: {error}") from None
    return conversations
