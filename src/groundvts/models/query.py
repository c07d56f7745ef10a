"""Which tokens of a prompt are its query: the scopes that paper and released code leave open.

Shapes: B samples, L tokens of the dense sequence.
"""

from __future__ import annotations

import torch

from groundvts.models.sequence import IGNORED


def query_tokens(
    scope: str,
    text_BL: torch.Tensor,
    attention_mask: torch.Tensor,
    user_BL: torch.Tensor,
    words_BL: torch.Tensor | None = None,
    labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """Mask (B, L) of the tokens whose embeddings are averaged to the query (section 3.2).

    `text_BL` are the tokens that are no visual placeholder, `user_BL` the text of the user's turn,
    `words_BL` the words of what is asked, where the caller knows them. Answers are what `labels`
    mark; without labels there are none, and ids with an appended answer would be read as prompt.
    `scope` is one of `VTSConfig.query_scope`.
    """
    if scope == "official":
        return text_BL
    if scope == "all_text_no_answer":
        attended_BL = text_BL & attention_mask.bool()
        return attended_BL if labels is None else attended_BL & (labels == IGNORED)
    if scope == "query" and words_BL is not None:
        return words_BL
    return user_BL
