"""What the notebooks are called and what each figure shows, for the page and Snakemake's report."""

CAPTIONS = {
    "miou": "mIoU of every variant with 95 % intervals; dots are single seeds, the dashed line is "
    "the constant span, which never looks at a video.",
    "token_recall": "Share of tokens that the learned choice keeps after each training stage.",
    "loss": "Training loss by stage and run; dashed lines keep half of the tokens.",
    "two_queries": "Two queries on one video, one above the other: the kept tokens of each.",
    "tokens_1": "A clip answered well: kept tokens are framed, dropped ones faded.",
    "tokens_2": "A clip of middling score.",
    "tokens_3": "A clip answered badly.",
    "prefill": "Prefill time against the share of tokens kept; the line is the ratio of operations "
    "with a band of 10 %.",
    "stages": "A query's time by stage with all, hidden and dropped tokens.",
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
    "efficiency": "Efficiency",
}


def titled(stem: str) -> str:
    """A notebook's, table's or figure's name in words."""
    return NOTEBOOKS.get(stem) or stem.replace("_", " ").capitalize().replace("Miou", "mIoU")
