# Other ways to reduce tokens: the clips made for what is hard, who is asked, and what is compared.

from groundvts.runs import at_ratio

REDUCERS = config["reducers"]
CHOOSING = ["models/pruning", "models/reduced", "models/vts_config"]
CHOOSING += sorted(
    f"models/samplers/{p.stem}" for p in Path(LIBRARY, "models/samplers").glob("*.py")
)


def reducing(ratio):
    """Runs of the compared variants at a ratio; the base has none."""
    names = []
    for variant in REDUCERS["variants"]:
        own = config["variants"].get(variant, {"sampler": "none"})
        same = own["sampler"] == "none" or own["ratio"] == ratio
        asked = variant if same else at_ratio(variant, ratio)
        found = [run for run in RUNS if RUNS[run].variant == asked]
        names += [variant] if variant == BASE else found[: REDUCERS["seeds"]]
    return names


# (ratio, benchmark): what is asked; cases at the ratio that the first variant is trained with.
OWN_RATIO = [config["variants"][name]["ratio"] for name in REDUCERS["variants"][:1]]
REDUCED = {
    (f"{ratio:g}", name): reducing(ratio)
    for ratios, names in (
        (REDUCERS["ratios"], REDUCERS["benchmarks"]),
        (OWN_RATIO, REDUCERS["cases"]),
    )
    for ratio in ratios
    for name in names
}
REDUCED_RUNS = list(dict.fromkeys(run for runs in REDUCED.values() for run in runs))
REDUCERS_COMPARED = [f"{R}/reducers/{ratio}/{name}.json" for ratio, name in REDUCED]
REDUCERS_TIMED = [f"{R}/benchmarks/reducers-{name}.json" for name in ("qwen", "internvl")]


localrules:
    list_reducers,


rule toy_cases:
    output:
        videos=directory(CASE_VIDEOS),
        annotations=[
            one["annotations"] for one in BENCHMARKS.values() if one["videos"] == CASE_VIDEOS
        ],
    log:
        f"{R}/logs/toy_cases.log",
    conda:
        ENV
    threads: workflow.cores
    params:
        settings=settings("seed", side=config["toy"]["side"], count=config["toy"]["cases"]),
        out=lambda w, output: str(Path(output.videos).parent),
    message:
        "Making clips for what is hard: still scenes, a moving camera, look-alikes, long clips"
    shell:
        "groundvts toy-cases --settings {params.settings:q} --workers {threads} "
        "--out {params.out} 2>&1 | tee {log}"


def reduced_from(name):
    """The variant whose model a run asks, and whether it was trained."""
    run = RUNS.get(name)
    asked = run and RUNS.get(run.model, run)
    return {"asks": asked.variant if run else name, "trained": bool(asked and asked.stages)}


rule list_reducers:
    output:
        runs=f"{R}/reducers/runs.json",
        asked=f"{R}/reducers/asked.json",
    log:
        f"{R}/logs/reducers/list.log",
    conda:
        ENV
    params:
        rows=[listed(name) | reduced_from(name) for name in REDUCED_RUNS],
        asked={
            "variants": REDUCERS["variants"],
            "compared": [f"{ratio}/{name}.json" for ratio, name in REDUCED],
        },
    message:
        "Listing the runs that reduce tokens"
    run:
        for content, file in ((params.rows, output.runs), (params.asked, output.asked)):
            Path(file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


use rule comparisons as compare_reducers with:
    input:
        runs=f"{R}/reducers/runs.json",
        scores=lambda w: expand(
            f"{R}/scores/{{run}}/{w.benchmark}.json", run=REDUCED[w.ratio, w.benchmark]
        ),
        library=metrics("bootstrap", "comparison", "moments"),
    output:
        captioned(f"{R}/reducers/{{ratio}}/{{benchmark}}.json"),
    log:
        f"{R}/logs/reducers/{{ratio}}_{{benchmark}}.log",
    message:
        "Comparing ways to reduce tokens on {wildcards.benchmark}, ratio {wildcards.ratio}"


rule benchmark_reducers:
    input:
        script="benchmarks/reducers.py",
        helpers=expand(
            "benchmarks/{name}.py",
            name=["attention", "memory", "prefill", "random_model", "script", "timing"],
        ),
    output:
        f"{R}/benchmarks/reducers-{{backbone}}.json",
    log:
        f"{R}/logs/benchmarks/reducers-{{backbone}}.log",
    wildcard_constraints:
        backbone="qwen|internvl",
    conda:
        ENV
    threads: workflow.cores
    params:
        options=OPTIONS["reducers"],
        code=code(*READING_PATH, *CHOOSING),
    message:
        "Timing prefill with each way to reduce tokens: {wildcards.backbone}"
    shell:
        "python {input.script} --backbone {wildcards.backbone} {params.options} "
        "--out {output} 2>&1 | tee {log}"
