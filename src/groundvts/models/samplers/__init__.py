"""Token samplers: which visual tokens of a video the language model gets to read.

One file for each idea, registered when this package is imported: put yours beside them
(docs/add-a-sampler.md).
"""

from importlib import import_module
from pkgutil import iter_modules

from groundvts.models.samplers.registry import (
    INSIDE,
    SAMPLERS,
    SCORED,
    Merging,
    Sampler,
    Video,
    keep_highest,
    sampler,
    step_mean,
)

__all__ = [
    "INSIDE",
    "SAMPLERS",
    "SCORED",
    "Merging",
    "Sampler",
    "Video",
    "keep_highest",
    "sampler",
    "step_mean",
]

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")
