"""Settings as a verb takes them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from groundvts.errors import BadInput


class Settings(dict):
    """Settings of a verb; one that is absent is asked for in one line."""

    def __missing__(self, key: str):
        raise BadInput(f"--settings: lacks {key!r}; add it (the config schema explains every key)")


def read_settings(text: str, option: str = "--settings") -> Settings:
    """Settings given as inline JSON or as the name of a YAML or JSON file.

    Raises BadInput with one line where it is neither.
    """
    inline = text.lstrip().startswith(("{", "["))
    try:
        if inline:
            settings = json.loads(text)
        else:
            settings = yaml.safe_load(Path(text).read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"{error.strerror or error}; give inline JSON or the name of a file"
        raise BadInput(f"{option}: {text}: {reason}") from None
    except (ValueError, yaml.YAMLError) as error:
        what = "the inline JSON" if inline else text
        raise BadInput(f"{option}: {what} cannot be read: {error}; correct it") from None
    if not isinstance(settings, dict):
        raise BadInput(f'{option}: not a mapping; give JSON such as {{"key": "value"}}')
    return Settings(settings)
