# Scores with intervals, and which tokens each stage's sampler keeps.

SCORING = [
    *metrics("bootstrap", "detection", "highlights", "joining", "moments"),
    *metrics("predictions", "qa", "score", "tokens", "trivial"),
    f"{LIBRARY}/data/checks.py",
    f"{LIBRARY}/verbs/scoring.py",
]
REREAD = [
    f"{R}/scores_{protocol}/{run}/{name}.json"
    for protocol in config["score"]["protocols"]
    for name, asked in ASKED.items()
    for run in asked
    if run in MADE_RUNS
]


rule score:
    input:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        annotations=lambda w: moments(TESTS[w.benchmark]),
        library=SCORING,
    output:
        captioned(f"{R}/scores/{{run}}/{{benchmark}}.json"),
    log:
        f"{R}/logs/score/{{run}}_{{benchmark}}.log",
    conda:
        ENV
    params:
        resamples=config["score"]["resamples"],
    message:
        "Scoring {wildcards.run} on {wildcards.benchmark}"
    shell:
        "groundvts score {wildcards.benchmark} --run {wildcards.run} --predictions {input.predictions} "
        "--annotations {input.annotations} --resamples {params.resamples} --out {output} "
        "2>&1 | tee {log}"


rule reread:
    input:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        annotations=lambda w: moments(TESTS[w.benchmark]),
        library=SCORING,
    output:
        f"{R}/scores_{{protocol}}/{{run}}/{{benchmark}}.json",
    log:
        f"{R}/logs/score/{{run}}_{{benchmark}}_{{protocol}}.log",
    wildcard_constraints:
        protocol="fixed|official",
    conda:
        ENV
    params:
        resamples=config["score"]["resamples"],
        code=code(*READING),
    message:
        "Reading and scoring {wildcards.run} on {wildcards.benchmark} as protocol {wildcards.protocol}"
    shell:
        "groundvts score {wildcards.benchmark} --run {wildcards.run} --protocol {wildcards.protocol} "
        "--predictions {input.predictions} --annotations {input.annotations} "
        "--resamples {params.resamples} --out {output} 2>&1 | tee {log}"


rule comparisons:
    input:
        runs=f"{R}/runs.json",
        scores=lambda w: [f"{R}/scores/{run}/{w.benchmark}.json" for run in ASKED[w.benchmark]],
        library=metrics("bootstrap", "comparison", "moments"),
    output:
        captioned(f"{R}/comparisons/{{benchmark}}.json"),
    log:
        f"{R}/logs/comparisons/{{benchmark}}.log",
    conda:
        ENV
    params:
        resamples=config["score"]["resamples"],
    message:
        "Joining seeds and comparing variants on {wildcards.benchmark}"
    shell:
        "groundvts comparisons --runs {input.runs} --scores {input.scores} "
        "--resamples {params.resamples} --out {output} 2>&1 | tee {log}"


use rule comparisons as ablation with:
    input:
        runs=f"{R}/ablations/{{ablation}}/runs.json",
        scores=lambda w: expand(
            f"{R}/scores/{{run}}/{config['ablations'][w.ablation]['benchmark']}.json",
            run=ablation_runs(w.ablation),
        ),
        library=metrics("bootstrap", "comparison", "moments"),
    output:
        captioned(f"{R}/ablations/{{ablation}}/comparisons.json"),
    log:
        f"{R}/logs/ablations/{{ablation}}.log",
    message:
        "Comparing the variants of ablation {wildcards.ablation}"


rule protocols:
    input:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        annotations=lambda w: moments(TESTS[w.benchmark]),
        library=[*SCORING, *metrics("conventions", "readings")],
    output:
        f"{R}/protocols/{{run}}/{{benchmark}}.json",
    log:
        f"{R}/logs/protocols/{{run}}_{{benchmark}}.log",
    conda:
        ENV
    params:
        code=code(*READING),
    message:
        "Scoring {wildcards.run} on {wildcards.benchmark} by each convention"
    shell:
        "groundvts protocols {wildcards.benchmark} --predictions {input.predictions} "
        "--annotations {input.annotations} --out {output} 2>&1 | tee {log}"


rule tokens:
    input:
        stages=lambda w: trained_stages(w.run),
        objects=f"{R}/benchmark/objects.json",
        moments=moments(config["probe"]),
        predictions=f"{R}/predictions/{{run}}/charades_sta.jsonl",
        test=moments(TESTS["charades_sta"]),
        library=f"{LIBRARY}/metrics/tokens.py",
    output:
        f"{R}/scores/{{run}}/tokens.json",
    log:
        f"{R}/logs/tokens/{{run}}.log",
    conda:
        ENV
    params:
        selections=lambda w, input: [
            f"{stage}={folder}/selection.jsonl"
            for stage, folder in zip(RUNS[w.run].stages, input.stages)
        ],
        resamples=config["score"]["resamples"],
    message:
        "Counting whose tokens {wildcards.run} keeps"
    shell:
        "groundvts tokens --run {wildcards.run} --selections {params.selections} "
        "--objects {input.objects} --moments {input.moments} --predictions {input.predictions} "
        "--test-moments {input.test} --resamples {params.resamples} "
        "--out {output} 2>&1 | tee {log}"
