"""YAML files of a person, read strictly."""

from pathlib import Path
from typing import Any

import yaml

from groundvts.errors import BadInput

LARGEST = 1_000_000  # bytes
MOST_VALUES = 100_000  # of a document, aliases written out
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(path: str | Path) -> Any:
    """The document of a YAML or JSON file. Raises BadInput in one line where it is none.

    Nor is it where a key stands twice in a mapping or aliases stand for too many values.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise ValueError(f"more than {LARGEST} bytes")
        if node := yaml.compose(text.decode(), Loader):
            _written_out(node, {})
        return yaml.load(text.decode(), Loader)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}; name another file") from None
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path}: no YAML: {' '.join(str(error).split())}; correct it") from None


def check_configurations(*paths: str | Path) -> None:
    """BadInput for the first file that is no configuration; one that is absent is no fault here."""
    for path in filter(Path.exists, map(Path, paths)):
        if not isinstance(read_yaml(path), dict):
            raise BadInput(f"{path}: holds no keys; give a mapping as config.yaml is")


def _written_out(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """How many values a node stands for. Raises ValueError where nobody can mean them."""
    if node not in known:
        known[node] = MOST_VALUES  # one that holds itself has no end
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            keys = {str(key.value): key for key, _ in reversed(parts)}
            for key in (key for key, _ in parts if keys[str(key.value)] is not key):
                raise ValueError(f"line {key.start_mark.line + 1}: {key.value!r:.100} stands twice")
            parts = [part for pair in parts for part in pair]
        known[node] = 1 + sum(_written_out(part, known) for part in parts)
        if known[node] > MOST_VALUES:
            line = node.start_mark.line + 1
            raise ValueError(f"line {line}: stands for more than {MOST_VALUES} values")
    return known[node]
