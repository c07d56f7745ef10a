# Predictions: one line for every query, from each merged model, the base and the constant window.


rule infer:
    input:
        model=model_of,
        moments=lambda w: moments(TESTS[w.benchmark]),
        source=lambda w: source(TESTS[w.benchmark], backbone_of(w.run)),
    output:
        predictions=f"{R}/predictions/{{run}}/{{benchmark}}.jsonl",
        record=f"{R}/predictions/{{run}}/{{benchmark}}.record.json",
    log:
        f"{R}/logs/infer/{{run}}_{{benchmark}}.log",
    priority: 5
    conda:
        ENV
    params:
        templates=TEMPLATES,
        settings=lambda w: settings(
            "protocol", seed=run_seed(w.run), **PROMPTS, **config["inference"]
        ),
    message:
        "Answering the queries of {wildcards.benchmark}: {wildcards.run}"
    shell:
        "groundvts infer --run {wildcards.run} --model {input.model} --moments {input.moments} "
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


ruleorder: constant > infer
