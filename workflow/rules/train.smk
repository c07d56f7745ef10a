# The base, the frozen tower's features, three stages of training, and the merge.
# Checkpoints lie outside the rules' outputs, so that a failed job keeps them.


rule toy_base:
    input:
        questions=f"{R}/data/conversations/llava_video/pretrain.jsonl",
        grounding=[
            f"{R}/data/conversations/{name}/pretrain.jsonl"
            for name in ("charades_sta", "qvhighlights")
        ],
        frames=f"{R}/frames/llava_video/pretrain",
        objects=f"{R}/benchmark/objects.json",
    output:
        directory(f"{R}/bases/{{backbone}}-s{{seed}}"),
    log:
        f"{R}/logs/toy_base/{{backbone}}-s{{seed}}.log",
    wildcard_constraints:
        backbone="qwen|internvl",
        seed=r"\d+",
    cache: CACHED
    priority: 10
    conda:
        ENV
    threads: 1
    params:
        shared=lambda w, output: provenance(),
        settings=lambda w: json.dumps(
            {**config["toy"]["base"], "backbone": w.backbone, "seed": int(w.seed)}, sort_keys=True
        ),
    message:
        "Pretraining a toy base of {wildcards.backbone}, seed {wildcards.seed}: a tiny model folder"
    shell:
        "groundvts toy-base --questions {input.questions} --grounding {input.grounding} "
        "--frames {input.frames} --objects {input.objects} --settings {params.settings:q} "
        "--out {output} 2>&1 | tee {log}"


rule features:
    input:
        base=lambda w: base_model(TOWERS[w.tower]),
        frames=tower_frames,
    output:
        directory(f"{R}/{{tower}}/{{benchmark}}/{{split}}"),
    log:
        f"{R}/logs/{{tower}}/{{benchmark}}_{{split}}.log",
    priority: 5
    conda:
        ENV
    resources:
        cache=1,
        mem_mb=memory("features"),
        runtime=minutes("features"),
        gpu=gpus("features"),
    message:
        "Running the frozen vision tower once: {wildcards.benchmark} {wildcards.split}"
    shell:
        "groundvts features --model {input.base:q} --frames {input.frames} --out {output} "
        f"--cache {CACHE_FOLDER} 2>&1 | tee {{log}}"


rule train_stage:
    input:
        base=lambda w: made_base(w.run),
        previous=previous_stage,
        conversations=stage_data,
        sources=stage_sources,
        probe=moments(config["probe"]),
        probe_source=probe_source,
        preflight=PREFLIGHT,
    output:
        directory(f"{R}/stages/{{run}}/{{stage}}"),
    log:
        f"{R}/logs/train/{{run}}_{{stage}}.log",
    cache: CACHED
    priority: 3  # the long chains first: what is short fills the gaps
    conda:
        ENV
    threads: LAUNCHER.threads
    resources:
        **LAUNCHER.resources,
        launched=LAUNCHER.command("$NAME"),
        mem_mb=memory("train"),
        runtime=minutes("train"),
        gpu=gpus("train"),
    params:
        shared=lambda w, output: provenance(
            *own_stage(w)["data"],
            config["probe"].split("/")[0],
            folders=[] if made_base(w.run) else [base_model(w.run)],
        ),
        base=lambda w: base_model(w.run),
        settings=lambda w: run_settings(w, stage=own_stage(w)),
        templates=TEMPLATES,
        previous=lambda w, input: f"--previous {input.previous}" if input.previous else "",
        data=lambda w, input: [
            f"{file}={folder}" for file, folder in zip(input.conversations, input.sources)
        ],
        checkpoints=f"{R}/checkpoints/{{run}}/{{stage}}",
    message:
        "Training {wildcards.run}: {wildcards.stage}"
    shell:
        "NAME={wildcards.run}-{wildcards.stage}; {resources.launched} "
        "--run {wildcards.run} --stage {wildcards.stage} --base {params.base:q} "
        "{params.previous} --data {params.data} --probe {input.probe}={input.probe_source} "
        "--settings {params.settings:q} --checkpoints {params.checkpoints} --out {output} "
        "2>&1 | tee {log}"


rule merge:
    input:
        base=lambda w: base_model(w.run),
        adapter=lambda w: trained_stages(w.run)[-1:],
        probe=moments(config["probe"]),
        probe_source=probe_source,
    output:
        directory(f"{R}/merged/{{run}}"),
    log:
        f"{R}/logs/merge/{{run}}.log",
    wildcard_constraints:
        run=any_of(name for name, run in RUNS.items() if run.trains),
    conda:
        ENV
    resources:
        mem_mb=memory("merge"),
        runtime=minutes("merge"),
        gpu=gpus("merge"),
    params:
        settings=lambda w: run_settings(w, frames=frames_of(config, *reading(w.run))),
        adapter=lambda w, input: f"--adapter {input.adapter}" if input.adapter else "",
        templates=TEMPLATES,
    message:
        "Merging {wildcards.run} into a model folder"
    shell:
        "groundvts merge --run {wildcards.run} --base {input.base:q} {params.adapter} "
        "--moments {input.probe} --source {input.probe_source} --settings {params.settings:q} "
        "--out {output} 2>&1 | tee {log}"


rule card:
    input:
        merged=f"{R}/merged/{{run}}",
        scores=lambda w: [
            f"{R}/scores/{w.run}/{name}.json" for name in ASKED if w.run in ASKED[name]
        ],
    output:
        f"{R}/cards/{{run}}.md",
    log:
        f"{R}/logs/cards/{{run}}.log",
    wildcard_constraints:
        run=any_of(name for name, run in RUNS.items() if run.trains),
    conda:
        ENV
    message:
        "Writing the model card of {wildcards.run}, with its scores"
    shell:
        "groundvts card {input.merged} --scores {input.scores} --out {output} 2>&1 | tee {log}"
