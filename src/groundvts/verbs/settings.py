"""Settings as a verb takes them."""

from __future__ import annotations

import json

from groundvts.errors import BadInput
from groundvts.yaml_files import read_yaml


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
        settings = json.loads(text) if inline else read_yaml(text)
    except (BadInput, ValueError, RecursionError) as error:
        what = f"the inline JSON cannot be read: {error}; correct it" if inline else error
        raise BadInput(f"{option}: {what}") from None
    if not isinstance(settings, dict):
        raise BadInput(f'{option}: not a mapping; give JSON such as {{"key": "value"}}')
    return Settings(settings)
