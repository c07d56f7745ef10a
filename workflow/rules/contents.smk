# What each notebook draws from, and the tables and figures that it makes.

from groundvts.report.benchmarks import known

BASES = list(dict.fromkeys(filter(None, map(made_base, MAIN)))) if TOY else []
REPORT = sorted(str(path) for path in Path(LIBRARY, "report").glob("*.py"))

ABLATED = dict.fromkeys(
    run
    for name in config["ablations"]
    for run in ablation_runs(name)
    if run in RUNS and RUNS[run].model != BASE
)
REDONE = {one["published"]["table"] for one in config["ablations"].values() if one["published"]}
RECORDS = {
    "data": [
        *expand(f"{R}/data/{{place}}/validation.json", place=SPLITS),
        *expand(f"{R}/data/{{place}}/moments.jsonl", place=SPLITS),
        f"{R}/data/overlap.json",
        f"{R}/benchmarks.json",
        *expand(f"{R}/frames/{{place}}", place=READ),
        *expand(f"{R}/data/conversations/{{name}}/train.jsonl", name=TRAINING),
    ],
    "training": [*TRAINED, *TOKENS, *BASES],
    "results": [
        *SCORES,
        *COMPARISONS,
        *TOKENS,
        *BASES,
        *expand("workflow/published/{name}.csv", name=["moment_retrieval", "token_density"]),
    ],
    "benchmarks": [*SCORES, *COMPARISONS, f"{R}/benchmarks.json"],
    "protocols": PROTOCOLS,
    "efficiency": MEASURED,
    "reducers": [
        f"{R}/reducers/asked.json",
        *REDUCERS_COMPARED,
        *expand(
            f"{R}/scores/{{run}}/tokens.json",
            run=[run for run in REDUCED_RUNS if RUNS[run].model != BASE and TOY],
        ),
        *REDUCERS_TIMED,
    ],
    "ablations": [
        *expand(
            f"{R}/ablations/{{name}}/{{part}}.json",
            name=config["ablations"],
            part=["about", "comparisons"],
        ),
        *expand("workflow/published/{name}.csv", name=sorted(REDONE)),
        *expand(f"{R}/scores/{{run}}/tokens.json", run=ABLATED if TOY else []),
    ],
    "tokens": [
        *expand(f"{R}/predictions/{{run}}/charades_sta.jsonl", run=[*SHOWN, *BESIDE]),
        *expand(f"{R}/scores/{{run}}/charades_sta.json", run=SHOWN),
        *(folder for run in SHOWN for folder in trained_stages(run)),
        *(moments(place) for place in (TESTS["charades_sta"], config["probe"])),
        *(f"{R}/frames/{place}" for place in (TESTS["charades_sta"], config["probe"])),
        *([f"{R}/benchmark/objects.json"] if TOY else []),
    ],
}


def parts_of(benchmark):
    """Names of a benchmark's tables."""
    return ["_".join(filter(None, (benchmark, part.name))) for part in known(benchmark).parts]


OTHERS = [part for name in ASKED if name != MAIN_BENCHMARK for part in parts_of(name)]
CONVENTIONS = ["_".join(Path(file).with_suffix("").parts[-2:]) for file in PROTOCOLS]
TABLES = {
    "data": [f"data_{name}" for name in ("splits", "findings", "worst", "medians", "training")],
    "training": ["training"],
    "results": ["main", "differences", "paper"],
    "benchmarks": [f"{part}{end}" for part in OTHERS for end in ("", "_differences")],
    "protocols": [
        *("protocols_sentences", "protocols_differences"),
        *(f"protocols_{name}" for name in CONVENTIONS),
        *(f"protocols_trivial_{name}" for name in CONVENTIONS if name.endswith("qvhighlights")),
    ],
    "efficiency": [
        f"efficiency_{name}" for name in ("prefill", "profile", "stages", "training", "grouped")
    ],
    "reducers": [
        f"reducers{end}" for end in ("", "_overview", "_ratios", "_cases", "_recall", "_prefill")
    ],
    "ablations": ["claims", *(f"ablation_{name}" for name in config["ablations"])],
    "tokens": ["kept_by_stage", "kept"],
}
FIGURES = {
    "data": ["data"],
    "training": ["loss", "token_recall"],
    "results": ["miou"],
    "efficiency": ["prefill", "prefill_stages", "stages"],
    "reducers": ["reducers", "reducers_cases", "reducers_prefill"],
    "ablations": [
        "recall_ratio",
        *(f"ablation_{name}" for name in config["ablations"]),
        *(["density"] if "density" in config["ablations"] else []),
    ],
    "tokens": [
        *("tokens_1", "tokens_2", "tokens_3", "two_queries"),
        *("kept_by_stage", "kept_over_time", "kept_around_windows", "kept_in_the_frame"),
    ],
}
