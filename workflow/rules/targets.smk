# What `snakemake TARGET` makes beside the main job.

ASKED_RUNS = {run for names in ASKED.values() for run in names}


localrules:
    data,
    train,
    evaluate,
    ablations,
    efficiency,
    cards,
    report,


rule data:
    input:
        f"{R}/notebooks/data.html",
        f"{R}/data/llamafactory",


rule train:
    input:
        expand(f"{R}/merged/{{run}}", run=MAIN),


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


onstart:
    jobs = Counter(job_kind(job.rule.name, job.log) for job in workflow.dag.needrun_jobs())
    told = expectation(
        jobs, config["scale"], workflow.cores or 1, "results/reference/seconds.json"
    )
    if told:
        print(f"groundvts: {told}", file=sys.stderr)
