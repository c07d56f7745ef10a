# What `snakemake TARGET` makes beside the main job.

ASKED_RUNS = {run for names in ASKED.values() for run in names}


localrules:
    data,
    train,
    evaluate,
    ablations,
    reducers,
    efficiency,
    cards,
    report,


rule data:
    input:
        f"{R}/notebooks/data.html",
        f"{R}/data/llamafactory",


rule train:
    input:
        expand(f"{R}/merged/{{run}}", run=MADE_RUNS),


rule evaluate:
    input:
        SCORES,
        COMPARISONS,
        PROTOCOLS,
        REREAD,
        TOKENS,


rule ablations:
    input:
        expand(f"{R}/ablations/{{ablation}}/comparisons.json", ablation=config["ablations"]),
        f"{R}/notebooks/ablations.html" if config["ablations"] else [],


rule reducers:
    input:
        f"{R}/notebooks/reducers.html" if "reducers" in FURTHER else [],


rule efficiency:
    input:
        MEASURED,
        f"{R}/notebooks/efficiency.html",


rule cards:
    input:
        expand(f"{R}/cards/{{run}}.md", run=[run for run in TRAINED_RUNS if run in ASKED_RUNS]),


rule report:
    input:
        rules.all.input,
    log:
        said=f"{R}/logs/report.log",
        config=f"{R}/logs/report.json",
    conda:
        ENV
    params:
        config=json.dumps(workflow.config_settings.overwrite_config),
        snakefile=workflow.main_snakefile,
        targets=["all", *(n for n in FURTHER if finished(getattr(rules, f"notebook_{n}")))],
        out=f"{R}/report.html",
        page=PAGE,
    message:
        "Writing Snakemake's report {params.out}"
    shell:
        "(echo {params.config:q} > {log.config} && snakemake --snakefile {params.snakefile:q} "
        "--nolock --cores 1 --configfile {log.config} --report {params.out} -- {params.targets} && "
        "groundvts page {params.page}) > {log.said} 2>&1"


onstart:
    if ahead := dated_ahead(workflow.dag.needrun_jobs()):
        sys.exit(
            f"groundvts: {ahead[0]}: dated in the future, as {len(ahead)} of the inputs are: what is "
            f"made of it would not count as newer: correct the clock, or touch {shlex.join(ahead):.500}"
        )
    # On one machine jobs need no limit on how fast they start: with it Snakemake (9.27) looks for
    # work again every second once for every job that has ended: at 80 jobs a fifth of a core. The
    # scheduler is made before this and after the Snakefile is read.
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None
    jobs = Counter(job_kind(job.rule.name, job.log) for job in workflow.dag.needrun_jobs())
    told = expectation(
        jobs, config["scale"], workflow.cores or 1, "results/reference/seconds.json"
    )
    if told:
        print(f"groundvts: {told}", file=sys.stderr)
