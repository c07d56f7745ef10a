# Videos and annotations, converted, and every frame decoded once.


rule toy_benchmark:
    output:
        videos=directory(f"{R}/benchmark/videos"),
        moments=expand(f"{R}/benchmark/charades_sta_{{split}}.txt", split=SPLITS),
        durations=expand(f"{R}/benchmark/Charades_v1_{{split}}.csv", split=SPLITS),
        questions=expand(f"{R}/benchmark/llava_video_{{split}}.json", split=SPLITS),
        objects=f"{R}/benchmark/objects.json",
    log:
        f"{R}/logs/toy_benchmark.log",
    conda:
        ENV
    threads: workflow.cores
    params:
        settings=settings("seed", side=config["toy"]["side"], clips=config["toy"]["clips"]),
        out=lambda w, output: Path(output.objects).parent,
    message:
        "Making the toy benchmark: H.264 clips and annotations in the published formats"
    shell:
        "groundvts toy-benchmark --settings {params.settings:q} --workers {threads} "
        "--out {params.out} 2>&1 | tee {log}"


rule convert:
    input:
        annotations=f"{R}/benchmark/charades_sta_{{split}}.txt",
        durations=f"{R}/benchmark/Charades_v1_{{split}}.csv",
        library=[f"{LIBRARY}/data/{name}.py" for name in ("convert", "charades_sta", "validate")],
    output:
        moments=f"{R}/data/charades_sta/{{split}}/moments.jsonl",
        validation=f"{R}/data/charades_sta/{{split}}/validation.json",
    log:
        f"{R}/logs/convert/{{split}}.log",
    conda:
        ENV
    params:
        out=lambda wildcards, output: str(Path(output.moments).parent),
    message:
        "Converting and validating Charades-STA annotations: {wildcards.split}"
    shell:
        "groundvts convert charades_sta --split {wildcards.split} --annotations {input.annotations} "
        "--durations {input.durations} --out {params.out} 2>&1 | tee {log}"


rule grounding_conversations:
    input:
        moments=f"{R}/data/charades_sta/{{split}}/moments.jsonl",
        prompts=TEMPLATES,
    output:
        f"{R}/data/conversations/grounding_{{split}}.jsonl",
    log:
        f"{R}/logs/conversations/grounding_{{split}}.log",
    conda:
        ENV
    params:
        settings=settings("protocol", **PROMPTS, time_format=config["prompts"]["time_format"]),
    message:
        "Building grounding conversations: {wildcards.split}"
    shell:
        "groundvts conversations --moments {input.moments} --settings {params.settings:q} "
        "--out {output} 2>&1 | tee {log}"


rule question_conversations:
    input:
        questions=f"{R}/benchmark/llava_video_{{split}}.json",
        prompts=TEMPLATES,
    output:
        f"{R}/data/conversations/questions_{{split}}.jsonl",
    log:
        f"{R}/logs/conversations/questions_{{split}}.log",
    conda:
        ENV
    params:
        settings=settings("protocol", **PROMPTS),
    message:
        "Building question conversations: {wildcards.split}"
    shell:
        "groundvts conversations --llava-video {input.questions} --settings {params.settings:q} "
        "--out {output} 2>&1 | tee {log}"


rule frames:
    input:
        videos=f"{R}/benchmark/videos",
        names=[
            f"{R}/data/charades_sta/{{split}}/moments.jsonl",
            f"{R}/data/conversations/questions_{{split}}.jsonl",
        ],
    output:
        directory(f"{R}/frames/{{split}}"),
    log:
        f"{R}/logs/frames/{{split}}.log",
    conda:
        ENV
    # the base waits for its own frames alone: the others leave it a core
    threads: lambda w: workflow.cores if w.split == "pretrain" else max(1, workflow.cores - 1)
    params:
        settings=json.dumps(config["frames"], sort_keys=True),
    message:
        "Decoding frames once: {wildcards.split}"
    shell:
        "groundvts frames --videos {input.videos} --names {input.names} --workers {threads} "
        "--settings {params.settings:q} --out {output} 2>&1 | tee {log}"
