# What a scale other than toy begins with: downloads, the check before hours are spent, and imports.


localrules:
    configuration,
    download,
    download_model,


rule download:
    output:
        file=f"{DOWNLOADS}/{{file}}",
    log:
        f"{DOWNLOADS}/logs/{{file}}.log",
    wildcard_constraints:
        file=any_of(DOWNLOADED),
    retries: 1
    conda:
        ENV
    params:
        source=lambda w: json.dumps(DOWNLOADED[w.file], sort_keys=True),
    message:
        "Downloading {wildcards.file}"
    shell:
        "groundvts download --source {params.source:q} --out {output.file} 2>&1 | tee {log}"


rule download_model:
    output:
        directory(f"{DOWNLOADS}/models/{{model}}"),
    log:
        f"{DOWNLOADS}/logs/models/{{model}}.log",
    wildcard_constraints:
        model=any_of(MODELS),
    retries: 1
    conda:
        ENV
    params:
        source=lambda w: json.dumps(vars(MODELS[w.model]), sort_keys=True),
    message:
        "Downloading the checkpoint {wildcards.model}"
    shell:
        "groundvts download --source {params.source:q} --out {output} 2>&1 | tee {log}"


# Named by its content: another configuration is another input of preflight, which runs again. A
# parameter would do that too, but enters the key of every stage that waits for preflight.
CONFIGURATION = f"{R}/configurations/{fingerprint(config, {})[:16]}.json"


rule configuration:
    output:
        CONFIGURATION,
    log:
        f"{R}/logs/configuration.log",
    conda:
        ENV
    message:
        "Writing down the whole configuration"
    run:
        text = json.dumps(config, indent=1)
        Path(output[0]).write_text(f"{text}\n", encoding="utf-8")


rule preflight:
    input:
        config=CONFIGURATION,
        moments=[moments(place) for place in CONVERTED],
    output:
        f"{R}/preflight.json",
    log:
        f"{R}/logs/preflight.log",
    conda:
        ENV
    threads: max(1, workflow.cores - 1)
    params:
        moments=lambda w, input: [
            f"{place}={file}" for place, file in zip(CONVERTED, input.moments)
        ],
    message:
        "Checking paths, videos, disk, GPUs, versions and lengths before anything costly starts"
    shell:
        "groundvts preflight --config {input.config} --moments {params.moments:q} "
        "--workers {threads} --out {output} 2>&1 | tee {log}"


rule import_released:
    input:
        folder=lambda w: folder_of(released_checkpoint(RELEASED[w.run])),
        base=lambda w: base_model(w.run) if RELEASED[w.run]["on_base"] else [],
        preflight=PREFLIGHT,
    output:
        directory(f"{R}/merged/{{run}}"),
    log:
        f"{R}/logs/merge/{{run}}.log",
    wildcard_constraints:
        run=any_of(RELEASED),
    conda:
        ENV
    params:
        base=lambda w, input: f"--base {shlex.quote(input.base)}" if input.base else "",
    message:
        "Importing the published checkpoint of {wildcards.run}"
    shell:
        "groundvts import-released {input.folder:q} {params.base} --out {output} 2>&1 | tee {log}"
