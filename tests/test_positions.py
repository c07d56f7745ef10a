"""Position ids equal the published definition's, as transformers 4.51.2 computes them."""

import json
from pathlib import Path

import pytest
import torch

from groundvts.models.positions import mrope_positions

GOLDEN = json.loads((Path(__file__).parent / "golden" / "mrope.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_equals_the_golden_file(case):
    def tensor(key):
        return None if case[key] is None else torch.tensor(case[key])

    mask = tensor("attention_mask")
    found = mrope_positions(
        tensor("input_ids"),
        mask,
        image_token_id=GOLDEN["image_token_id"],
        video_token_id=GOLDEN["video_token_id"],
        image_grid_thw=tensor("image_grid_thw"),
        video_grid_thw=tensor("video_grid_thw"),
        second_per_grid=tensor("second_per_grid_ts"),
        tokens_per_second=GOLDEN["tokens_per_second"],
        merge_size=GOLDEN["spatial_merge_size"],
    )
    expected = tensor("position_ids")
    assert torch.equal(found[:, mask.bool()], expected[:, mask.bool()])
