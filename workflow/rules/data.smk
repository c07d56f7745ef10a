# Published annotations, converted and validated; every frame decoded once.


rule toy_benchmark:
    output:
        videos=directory(f"{R}/benchmark/videos"),
        annotations=toy_annotations(),
        objects=f"{R}/benchmark/objects.json",
    log:
        f"{R}/logs/toy_benchmark.log",
    conda:
        ENV
    threads: workflow.cores
    params:
        settings=settings("seed", side=config["toy"]["side"], clips=config["toy"]["clips"]),
        out=lambda w, output: str(Path(output.objects).parent),
    message:
        "Making the toy benchmark: H.264 clips and annotations in the published formats"
    shell:
        "groundvts toy-benchmark --settings {params.settings:q} --workers {threads} "
        "--out {params.out} 2>&1 | tee {log}"


rule convert:
    input:
        annotations=published("annotations"),
        durations=published("durations"),
        spans=published("spans"),
        videos=made_videos,
        against=others,
    output:
        moments=f"{R}/data/{{benchmark}}/{{split}}/moments.jsonl",
        validation=f"{R}/data/{{benchmark}}/{{split}}/validation.json",
    log:
        f"{R}/logs/convert/{{benchmark}}_{{split}}.log",
    cache: CACHED
    priority: 30
    conda:
        ENV
    params:
        shared=lambda w, output: provenance(w.benchmark),
        layout=layout,
        code=converter,
        more=lambda w, input: "".join(
            f" --{key} {shlex.join([files] if isinstance(files, str) else files)}"
            for key, files in input.items()
            if files and key in ("durations", "spans", "against")
        ),
        videos=looked_at,
        policy=lambda w: json.dumps(config["policy"].get(w.split, {}), sort_keys=True),
        out=lambda wildcards, output: str(Path(output.moments).parent),
    message:
        "Converting and validating {wildcards.benchmark}: {wildcards.split}"
    shell:
        "groundvts convert {params.layout} --name {wildcards.benchmark} --split {wildcards.split} "
        "--annotations {input.annotations:q}{params.more}{params.videos} "
        "--policy {params.policy:q} --out {params.out} 2>&1 | tee {log}"


rule overlap:
    input:
        moments=[moments(place) for place in SPLITS],
    output:
        f"{R}/data/overlap.json",
    log:
        f"{R}/logs/overlap.log",
    conda:
        ENV
    message:
        "Looking for videos that several splits of a benchmark share"
    shell:
        "groundvts overlap --moments {input.moments} --out {output} 2>&1 | tee {log}"


rule conversations:
    input:
        moments=f"{R}/data/{{benchmark}}/{{split}}/moments.jsonl",
    output:
        f"{R}/data/conversations/{{benchmark}}/{{split}}.jsonl",
    log:
        f"{R}/logs/conversations/{{benchmark}}_{{split}}.log",
    conda:
        ENV
    params:
        settings=settings("seed", **PROMPTS, time_format=config["prompts"]["time_format"]),
        kinds=lambda w: BENCHMARKS[w.benchmark]["kinds"],
        templates=TEMPLATES,
        code=code("data/conversations", "data/moment", "answers", "prompts"),
    message:
        "Building conversations: {wildcards.benchmark} {wildcards.split}"
    shell:
        "groundvts conversations --moments {input.moments} --kinds {params.kinds} "
        "--settings {params.settings:q} --out {output} 2>&1 | tee {log}"


rule llamafactory:
    input:
        expand(f"{R}/data/conversations/{{name}}/train.jsonl", name=TRAINING),
    output:
        directory(f"{R}/data/llamafactory"),
    log:
        f"{R}/logs/llamafactory.log",
    conda:
        ENV
    params:
        code=code("data/sharegpt", "data/folder"),
        parts=lambda w, input: [
            f"{name}_train={file}={BENCHMARKS[name]['videos']}"
            for name, file in zip(TRAINING, input)
        ],
    message:
        "Writing the training conversations as LLaMA-Factory reads them"
    shell:
        "groundvts export --parts {params.parts:q} --out {output} 2>&1 | tee {log}"


rule frames:
    input:
        videos=made_videos,
        moments=f"{R}/data/{{benchmark}}/{{split}}/moments.jsonl",
        preflight=PREFLIGHT,
    output:
        directory(f"{R}/{{sampled}}/{{benchmark}}/{{split}}"),
    log:
        f"{R}/logs/{{sampled}}/{{benchmark}}_{{split}}.log",
    conda:
        ENV
    threads: max(1, workflow.cores - 1)
    resources:
        cache=1,  # one at a time: benchmarks may share videos, which are decoded once
        mem_mb=memory("frames"),
        runtime=minutes("frames"),
    params:
        shared=lambda w, output: provenance(w.benchmark),
        videos=lambda w: BENCHMARKS[w.benchmark]["videos"],
        settings=lambda w: json.dumps(frames_of(config, *FRAMES[w.sampled]), sort_keys=True),
        code=code("data/folder"),
        decoder=DECODER,  # frames that another version decoded are decoded again
    message:
        "Decoding frames once: {wildcards.benchmark} {wildcards.split}"
    shell:
        "groundvts frames --moments {input.moments} --videos {params.videos:q} --workers {threads} "
        f"{CACHE_OPTIONS} --settings {{params.settings:q}} --out {{output}} 2>&1 | tee {{log}}"


# The base waits for these alone, and everything waits for the base.
use rule frames as pretraining_frames with:
    output:
        directory(f"{R}/{{sampled}}/{{benchmark}}/{{split}}"),
    wildcard_constraints:
        split="pretrain",
    priority: 20
    threads: workflow.cores


ruleorder: pretraining_frames > frames
