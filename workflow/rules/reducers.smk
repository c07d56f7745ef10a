# Other ways to reduce tokens: the clips made for what is hard, what is compared and timed.


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
