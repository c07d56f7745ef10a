"""What sampling leaves of a prompt: the sequence to read, and how to read it.

Shapes: B samples, M tokens of the longest sequence, N visual tokens (padded).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from groundvts.models.pruning import Prune
from groundvts.models.sequence import Sequence
from groundvts.models.vts import Selection


@dataclass(frozen=True)
class Reduced:
    """The sequence for the language model and, where VTS is on, what it kept of each video.

    `decode_mask` (B, M) is what generated tokens see of it after the first, where that is more than
    its own attention mask. With `prune` the language model chooses, and all tokens are in.
    """

    sequence: Sequence
    selection: Selection | None
    decode_mask: torch.Tensor | None = None
    prune: Prune | None = None

    def forward_inputs(self) -> dict:
        """Arguments of a stock forward."""
        given = self.sequence.forward_inputs()
        return given if self.prune is None else given | {"prune": self.prune}

    @property
    def keep_BN(self) -> torch.Tensor:
        """The kept visual tokens (B, N); what the language model chooses, once it has read."""
        if self.prune is None:
            return self.selection.keep_BN
        kept_BN, visual_BM = torch.zeros_like(self.selection.keep_BN), self.sequence.visual_mask
        several = len(self.prune.keep_BL) // len(visual_BM)  # generated from each sample
        chosen = self.prune.keep_BL[::several][visual_BM]
        return kept_BN.masked_scatter(self.selection.keep_BN, chosen)
