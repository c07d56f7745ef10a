"""Settings as a verb takes them."""

from __future__ import annotations

from pathlib import Path

import yaml

from groundvts.errors import BadInput


def read_settings(text: str, option: str = "--settings") -> dict:
    """Settings given as inline JSON or as the name of a YAML or JSON file."""
    try:
        if not text.lstrip().startswith("{"):
            text = Path(text).read_text(encoding="utf-8")
        settings = yaml.safe_load(text)
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{option}: {error}") from None
    if not isinstance(settings, dict):
        raise BadInput(f"{option}: neither inline JSON nor a file that holds a mapping")
    return settings
