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


def finished(target):
    """Whether all that the notebook of a further target reads and makes is there."""
    notebook = getattr(rules, f"notebook_{target}")
    return all(Path(file).exists() for file in [*notebook.input, *notebook.output])


rule report:
    input:
        rules.all.input,
    log:
        f"{R}/logs/report.log",
    conda:
        ENV
    message:
        "Writing Snakemake's report {R}/report.html"
    run:
        asked = ["all", *(name for name in FURTHER if finished(name))]
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(workflow.config_settings.overwrite_config, file)
            file.flush()
            shell(
                "snakemake --snakefile {workflow.main_snakefile} --nolock --cores 1 "
                "--configfile {file.name} --report {R}/report.html -- {asked} > {log} 2>&1"
            )
        shell("groundvts page {PAGE} >> {log} 2>&1")


onstart:
    jobs = Counter(job_kind(job.rule.name, job.log) for job in workflow.dag.needrun_jobs())
    told = expectation(
        jobs, config["scale"], workflow.cores or 1, "results/reference/seconds.json"
    )
    if told:
        print(f"groundvts: {told}", file=sys.stderr)
