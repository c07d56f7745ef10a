# Predictions: one line for every query, from each merged model, the base and the constant window.
# Answers are kept as they come in `<benchmark>.answered`, outside the rules' outputs: a job that
# was killed, or shards of another number, go on from there. Delete that folder to ask anew.


rule infer:
    input:
        model=model_of,
        moments=lambda w: moments(TESTS[w.benchmark]),
        source=lambda w: source(TESTS[w.benchmark], w.run),
    output:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        record=f"{R}/predictions/{{run}}/{{benchmark}}.record.json",
    log:
        f"{R}/logs/infer/{{run}}_{{benchmark}}.log",
    wildcard_constraints:
        run=any_of(RUNS),
    conda:
        ENV
    resources:
        mem_mb=memory("infer"),
        runtime=minutes("infer"),
        gpu=gpus("infer"),
    params:
        templates=TEMPLATES,
        settings=asking,
    message:
        "Answering the queries of {wildcards.benchmark}: {wildcards.run}"
    shell:
        "groundvts infer --run {wildcards.run} --model {input.model:q} --moments {input.moments} "
        "--source {input.source} --settings {params.settings:q} "
        "--out {output.predictions} 2>&1 | tee {log}"


rule constant:
    input:
        train=fitted_on,
        moments=lambda w: moments(TESTS[w.benchmark]),
        library=metrics("constant", "moments"),
    output:
        predictions=f"{R}/predictions/constant/{{benchmark}}.jsonl",
        record=f"{R}/predictions/constant/{{benchmark}}.record.json",
    log:
        f"{R}/logs/infer/constant_{{benchmark}}.log",
    conda:
        ENV
    message:
        "Predicting one constant window, fitted on training moments: {wildcards.benchmark}"
    shell:
        "groundvts constant --train {input.train} --moments {input.moments} "
        "--out {output.predictions} 2>&1 | tee {log}"


if SHARDS > 1:

    PART = f"{R}/predictions/{{run}}/{{benchmark}}.shards/{{scatteritem}}"

    scattergather:
        shards=SHARDS,

    rule infer_shard:
        input:
            model=model_of,
            moments=lambda w: moments(TESTS[w.benchmark]),
            source=lambda w: source(TESTS[w.benchmark], w.run),
        output:
            predictions=temp(f"{PART}.jsonl"),
            record=temp(f"{PART}.record.json"),
        log:
            f"{R}/logs/infer/{{run}}_{{benchmark}}_{{scatteritem}}.log",
        conda:
            ENV
        resources:
            mem_mb=memory("infer"),
            runtime=minutes("infer"),
            gpu=gpus("infer"),
        params:
            templates=TEMPLATES,
            settings=asking,
            journal=lambda w: f"{R}/predictions/{w.run}/{w.benchmark}.answered",
        message:
            "Answering part {wildcards.scatteritem} of {wildcards.benchmark}: {wildcards.run}"
        shell:
            "groundvts infer --run {wildcards.run} --model {input.model:q} "
            "--moments {input.moments} --source {input.source} --settings {params.settings:q} "
            "--shard {wildcards.scatteritem} --journal {params.journal} "
            "--out {output.predictions} 2>&1 | tee {log}"

    rule gather:
        input:
            parts=gather.shards(
                f"{R}/predictions/{{{{run}}}}/{{{{benchmark}}}}.shards/{{scatteritem}}.jsonl"
            ),
            records=gather.shards(
                f"{R}/predictions/{{{{run}}}}/{{{{benchmark}}}}.shards/{{scatteritem}}.record.json"
            ),
            moments=lambda w: moments(TESTS[w.benchmark]),
        output:
            predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
            record=f"{R}/predictions/{{run}}/{{benchmark}}.record.json",
        log:
            f"{R}/logs/infer/{{run}}_{{benchmark}}.log",
        wildcard_constraints:
            run=any_of(RUNS),
        conda:
            ENV
        message:
            "Joining the parts of {wildcards.benchmark}: {wildcards.run}"
        shell:
            "groundvts gather --parts {input.parts} --moments {input.moments} "
            "--out {output.predictions} 2>&1 | tee {log}"

    ruleorder: gather > infer
