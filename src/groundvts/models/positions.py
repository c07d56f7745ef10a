"""M-RoPE position ids of Qwen2.5-VL by the published definition (transformers 4.51.2).

Notable: later ranges of transformers give other ids for the same video (whole seconds only, or
text that overlaps the video), and the released weights were trained with these; so the kit
computes them itself and passes them explicitly.
"""

from __future__ import annotations

import numpy as np
import torch


def mrope_positions(
    input_ids: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    image_token_id: int,
    video_token_id: int,
    image_grid_thw: torch.Tensor | None = None,
    video_grid_thw: torch.Tensor | None = None,
    second_per_grid: torch.Tensor | None = None,
    tokens_per_second: float = 2,
    merge_size: int = 2,
) -> torch.Tensor:
    """Dense position ids (3, B, L) over time, height and width for ids (B, L); padding gets 0.

    `*_grid_thw` (V, 3) count patches before the merge; `second_per_grid` (V,) is the time in
    seconds that one grid step of each video spans. A step's temporal index is
    floor(step * second_per_grid * tokens_per_second); the segment after a video starts at the
    largest index so far + 1.
    """
    images = iter([] if image_grid_thw is None else image_grid_thw.tolist())
    videos = iter([] if video_grid_thw is None else video_grid_thw.tolist())
    seconds = iter([] if second_per_grid is None else second_per_grid.float().cpu().numpy())
    ids_BL, mask_BL = input_ids.cpu().numpy(), attention_mask.bool().cpu().numpy()
    positions_3BL = np.zeros((3, *ids_BL.shape), dtype=np.int64)
    for row, mask in enumerate(mask_BL):
        ids = ids_BL[row, mask]
        visual = np.flatnonzero((ids == image_token_id) | (ids == video_token_id))
        segments, at, start = [], 0, 0
        while at < len(ids):
            following = visual[np.searchsorted(visual, at) :]
            if len(following) and following[0] == at:
                if ids[at] == video_token_id:
                    rate = next(seconds) * np.float32(tokens_per_second)
                    segment = _grid(next(videos), rate, merge_size)
                else:
                    segment = _grid(next(images), np.float32(0), merge_size)
            else:
                end = following[0] if len(following) else len(ids)
                segment = np.tile(np.arange(end - at), (3, 1))
            segments.append(segment + start)
            start = int(segments[-1].max()) + 1
            at += segment.shape[1]
        positions_3BL[:, row, mask] = np.concatenate(segments, axis=1)
    return torch.from_numpy(positions_3BL).to(input_ids.device)


def _grid(grid_thw: list[int], index_per_step: np.float32, merge_size: int) -> np.ndarray:
    """Indices (3, t * h * w) of one video's or image's merged tokens, time-major."""
    t, h, w = grid_thw[0], grid_thw[1] // merge_size, grid_thw[2] // merge_size
    indices = np.indices((t, h, w)).reshape(3, -1)
    indices[0] = (indices[0].astype(np.float32) * index_per_step).astype(np.int64)
    return indices
