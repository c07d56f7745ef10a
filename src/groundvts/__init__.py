"""GroundVTS, reproduced independently: query-guided visual token sampling for video grounding.

Before the language model of a video LLM reads a video, a small module scores every visual token
against the query and only the best are kept. This package converts the benchmarks, reads videos,
trains in three stages, predicts moments and scores them; the verbs of ``groundvts`` chain it all.

For notebooks and scripts: ``from groundvts import load_records, load_model, ground``. Each is
imported when it is first named, so that importing the package alone loads neither torch nor pandas.
"""

import warnings
from importlib import import_module

__version__ = "0.1.0"

PLACES = {
    "load_records": "groundvts.report.tidy",
    "load_model": "groundvts.models.load",
    "ground": "groundvts.inference.ground",
}
__all__ = ["ground", "load_model", "load_records"]


def __getattr__(name: str):
    if name not in PLACES:
        raise AttributeError(f"module 'groundvts' has no attribute {name!r}")
    warnings.filterwarnings("ignore", "IProgress not found")  # a notebook's bars may be text
    return getattr(import_module(PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
