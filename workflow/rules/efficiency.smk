# What compares speeds, each pair of things side by side in one process.


rule benchmark_frame_cache:
    input:
        videos=lambda w: f"{R}/benchmark/videos",
        script="benchmarks/frame_cache.py",
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
