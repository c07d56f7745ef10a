# Scores with intervals, and which tokens each stage's sampler keeps.

METRICS = [
    f"{LIBRARY}/metrics/{name}.py"
    for name in (
        *("bootstrap", "detection", "highlights", "joining", "moments"),
        *("predictions", "qa", "score", "trivial"),
    )
]


rule score:
    input:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        annotations=lambda w: moments(TESTS[w.benchmark]),
        library=METRICS,
    output:
        f"{R}/scores/{{run}}/{{benchmark}}.json",
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


rule tokens:
    input:
        stages=expand(f"{R}/stages/{{{{run}}}}/{{stage}}", stage=STAGES),
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
            f"{stage}={folder}/selection.jsonl" for stage, folder in zip(STAGES, input.stages)
        ],
        resamples=config["score"]["resamples"],
    message:
        "Counting whose tokens {wildcards.run} keeps"
    shell:
        "groundvts tokens --run {wildcards.run} --selections {params.selections} "
        "--objects {input.objects} --moments {input.moments} --predictions {input.predictions} "
        "--test-moments {input.test} --resamples {params.resamples} "
        "--out {output} 2>&1 | tee {log}"
