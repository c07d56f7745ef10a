# Predictions: one line for every query, from each merged model, the base and the constant window.


rule infer:
    input:
        model=model_of,
        moments=f"{R}/data/charades_sta/test/moments.jsonl",
        features=f"{R}/features/test",
        prompts=TEMPLATES,
    output:
        predictions=f"{R}/predictions/{{run}}/charades_sta.jsonl",
        record=f"{R}/predictions/{{run}}/charades_sta.record.json",
    log:
        f"{R}/logs/infer/{{run}}.log",
    priority: 5
    conda:
        ENV
    params:
        settings=lambda w: settings(
            "protocol", seed=run_seed(w.run), **PROMPTS, **config["inference"]
        ),
    message:
        "Answering the test queries: {wildcards.run}"
    shell:
        "groundvts infer --run {wildcards.run} --model {input.model} --moments {input.moments} "
        "--features {input.features} --settings {params.settings:q} "
        "--out {output.predictions} 2>&1 | tee {log}"


rule constant:
    input:
        train=f"{R}/data/charades_sta/train/moments.jsonl",
        moments=f"{R}/data/charades_sta/test/moments.jsonl",
        library=f"{LIBRARY}/metrics/constant.py",
    output:
        predictions=f"{R}/predictions/constant/charades_sta.jsonl",
        record=f"{R}/predictions/constant/charades_sta.record.json",
    log:
        f"{R}/logs/infer/constant.log",
    conda:
        ENV
    message:
        "Predicting one constant window, fitted on the training moments"
    shell:
        "groundvts constant --train {input.train} --moments {input.moments} "
        "--out {output.predictions} 2>&1 | tee {log}"


ruleorder: constant > infer
