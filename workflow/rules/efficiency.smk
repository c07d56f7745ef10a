# What compares speeds, each pair of things side by side in one process.

# Of each backbone the first run of the main job with a learned choice.
TIMED = {RUNS[run].backbone: run for run in reversed(MAIN) if RUNS[run].vts["sampler"] == "vts"}
MEASURED = expand(
    f"{R}/benchmarks/{{what}}-{{backbone}}.json",
    what=["prefill", "training_step"],
    backbone=["qwen", "internvl"],
)
if TOY:
    MEASURED.append(f"{R}/benchmarks/frame_cache.json")
    MEASURED += expand(f"{R}/benchmarks/grouped_inference-{{ratio}}.json", ratio=[0.25, 0.1])
    MEASURED += expand(f"{R}/benchmarks/stages-{{run}}.json", run=TIMED.values())
OPTIONS = {
    name: shlex.join(
        f"--{key}" if value is True else f"--{key}={value}"
        for key, value in sorted(options.items())
    )
    for name, options in config["efficiency"].items()
}
READING_PATH = [f"models/{name}" for name in ("flops", "grounding", "sequence", "vts")]


rule benchmark_frame_cache:
    input:
        videos=lambda w: f"{R}/benchmark/videos",
        script="benchmarks/frame_cache.py",
        helper="benchmarks/script.py",
    output:
        f"{R}/benchmarks/frame_cache.json",
    log:
        f"{R}/logs/benchmarks/frame_cache.log",
    conda:
        ENV
    threads: workflow.cores
    params:
        settings=json.dumps(config["frames"], sort_keys=True),
    message:
        "Comparing an epoch from the frame cache with decoding each time"
    shell:
        "python {input.script} --videos {input.videos} --settings {params.settings:q} "
        "--out {output} 2>&1 | tee {log}"


rule benchmark_prefill:
    input:
        script="benchmarks/prefill.py",
        helpers=expand(
            "benchmarks/{name}.py", name=["attention", "random_model", "script", "timing"]
        ),
    output:
        f"{R}/benchmarks/prefill-{{backbone}}.json",
    log:
        f"{R}/logs/benchmarks/prefill-{{backbone}}.log",
    wildcard_constraints:
        backbone="qwen|internvl",
    conda:
        ENV
    threads: workflow.cores
    params:
        options=OPTIONS["prefill"],
        code=code(*READING_PATH),
    message:
        "Timing prefill with all, hidden and dropped tokens: {wildcards.backbone} (3 minutes)"
    shell:
        "python {input.script} --backbone {wildcards.backbone} {params.options} "
        "--out {output} 2>&1 | tee {log}"


rule benchmark_training_step:
    input:
        script="benchmarks/training_step.py",
        helpers=expand("benchmarks/{name}.py", name=["memory", "random_model", "script", "timing"]),
    output:
        f"{R}/benchmarks/training_step-{{backbone}}.json",
    log:
        f"{R}/logs/benchmarks/training_step-{{backbone}}.log",
    wildcard_constraints:
        backbone="qwen|internvl",
    conda:
        ENV
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        options=OPTIONS["training_step"],
        code=code(*READING_PATH, "training/stages"),
    message:
        "Timing a training step with hidden and dropped tokens: {wildcards.backbone} (4 minutes)"
    shell:
        "python {input.script} --backbone {wildcards.backbone} {params.options} "
        "--out {output} 2>&1 | tee {log}"


rule benchmark_time_by_stage:
    input:
        script="benchmarks/time_by_stage.py",
        helpers=expand("benchmarks/{name}.py", name=["memory", "queries", "script", "timing"]),
        model=f"{R}/merged/{{run}}",
        moments=moments(TESTS["charades_sta"]),
        videos=f"{R}/benchmark/videos",
    output:
        f"{R}/benchmarks/stages-{{run}}.json",
    log:
        f"{R}/logs/benchmarks/stages-{{run}}.log",
    conda:
        ENV
    threads: workflow.cores
    params:
        options=OPTIONS["time_by_stage"],
        code=code(*READING_PATH),
    message:
        "Timing a query by stage: {wildcards.run}"
    shell:
        "python {input.script} --model {input.model} --videos {input.videos} "
        "--moments {input.moments} {params.options} --out {output} 2>&1 | tee {log}"


rule benchmark_grouped_inference:
    input:
        videos=f"{R}/benchmark/videos",
        script="benchmarks/grouped_inference.py",
        helpers=expand("benchmarks/{name}.py", name=["script", "whole_model"]),
    output:
        f"{R}/benchmarks/grouped_inference-{{ratio}}.json",
    log:
        f"{R}/logs/benchmarks/grouped_inference-{{ratio}}.log",
    wildcard_constraints:
        ratio=r"0\.\d+",
    conda:
        ENV
    threads: workflow.cores
    resources:
        gpu=1,
    params:
        options=OPTIONS["grouped_inference"],
        code=code("inference/batches", "inference/predict", "inference/tower"),
    message:
        "Comparing queries grouped by video with one at a time, {wildcards.ratio} kept (3 minutes)"
    shell:
        "python {input.script} --videos {input.videos} --ratio {wildcards.ratio} {params.options} "
        "--out {output} 2>&1 | tee {log}"
