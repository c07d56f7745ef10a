"""What the notebooks are called and what each figure shows, for the page and Snakemake's report."""

CAPTIONS = {  # in the page's order
    "miou": "mIoU of every variant with 95 % intervals; dots are single seeds, the dashed line is "
    "the constant span, which never looks at a video.",
    "density": "mIoU against density (frames per second times share of tokens kept): here, and in "
    "the paper, whose level is not comparable.",
    "token_recall": "Share of tokens that the learned choice keeps after each training stage.",
    "recall_ratio": "Tokens of the true window and of the queried object that are kept, against "
    "the ratio; the line is chance.",
    "loss": "Training loss by stage and variant.",
    "kept_by_stage": "Kept tokens of one query before training and after each stage.",
    "two_queries": "Two queries on one video, one above the other: the kept tokens of each.",
    "kept_around_windows": "Kept tokens per step around the true and the answered window, over all "
    "queries; 1 is the mean of the clip.",
    "kept_over_time": "Kept tokens over time, the true window and the answer, for queries chosen "
    "by their rank in IoU.",
    "kept_in_the_frame": "Where in the frame tokens are kept, and how far from the queried object.",
    "tokens_1": "A clip answered well: kept tokens are framed, dropped ones faded.",
    "tokens_2": "A clip of middling score.",
    "tokens_3": "A clip answered badly.",
    "prefill": "Prefill time against the share of tokens kept; the line is the ratio of operations "
    "with a band of 10 %.",
    "prefill_stages": "Prefill time by part, beside what its operations say.",
    "stages": "A query's time by stage with all, hidden and dropped tokens.",
    "reducers": "Accuracy against the share of tokens kept for each way to reduce them, trained "
    "above and untrained below; the line is the base with all tokens.",
    "reducers_cases": "mIoU on clips made for one difficulty each; filled: trained, hollow: "
    "untrained; the dashed line is GroundVTS.",
    "reducers_prefill": "Prefill time of each way to reduce tokens, beside what its operations "
    "say.",
    "data": "How long videos and true windows are, and where windows start, by benchmark.",
}
NOTEBOOKS = {
    "data": "Data audit",
    "training": "Training curves",
    "results": "Main results",
    "tokens": "Kept tokens",
    "benchmarks": "The other benchmarks",
    "protocols": "Protocols explained",
    "ablations": "Ablations",
    "reducers": "Other ways to reduce tokens",
    "efficiency": "Efficiency",
}


def titled(stem: str) -> str:
    """A notebook's, table's or figure's name in words."""
    return NOTEBOOKS.get(stem) or stem.replace("_", " ").capitalize().replace("Miou", "mIoU")
