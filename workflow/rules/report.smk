# The lists that reports go by, and one page that shows all that was made.


localrules:
    list_runs,
    list_ablation,
    describe_ablations,


rule list_runs:
    output:
        runs=f"{R}/runs.json",
        benchmarks=f"{R}/benchmarks.json",
    log:
        f"{R}/logs/list_runs.log",
    conda:
        ENV
    params:
        rows=lambda w: [listed(name) for name in [CONSTANT, *MAIN]],
        listed={
            "splits": SPLITS,
            "training": TRAINING,
            "evaluate": {
                name: list(dict.fromkeys(variant_of(run) for run in asked))
                for name, asked in ASKED.items()
            },
        },
    message:
        "Listing runs and benchmarks"
    run:
        for content, file in ((params.rows, output.runs), (params.listed, output.benchmarks)):
            Path(file).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


rule list_ablation:
    output:
        f"{R}/ablations/{{ablation}}/runs.json",
    log:
        f"{R}/logs/ablations/list_{{ablation}}.log",
    conda:
        ENV
    params:
        rows=lambda w: [listed(name) for name in ablation_runs(w.ablation)],
    message:
        "Listing the runs of ablation {wildcards.ablation}"
    run:
        Path(output[0]).write_text(json.dumps(params.rows, indent=1) + "\n", encoding="utf-8")


rule describe_ablations:
    output:
        expand(f"{R}/ablations/{{name}}/about.json", name=config["ablations"]),
    log:
        f"{R}/logs/ablations/describe.log",
    conda:
        ENV
    params:
        about=[
            {
                **one,
                "place": place,
                "densities": {variant_of(run): density(run) for run in ablation_runs(name)},
            }
            for place, (name, one) in enumerate(config["ablations"].items())
        ],
    message:
        "Describing the ablations"
    run:
        for about, file in zip(params.about, output):
            Path(file).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


REFERENCE = "results/reference"
PAGE = f"{R} --reference {REFERENCE}" if TOY else R


report: "../report/workflow.rst"


rule page:
    input:
        notebooks=expand(f"{R}/notebooks/{{name}}.html", name=NOTEBOOKS),
        scores=SCORES,
        comparisons=COMPARISONS,
        merged=expand(f"{R}/merged/{{run}}", run=MADE_RUNS),
        runs=f"{R}/runs.json",
        reference=sorted(map(str, Path(REFERENCE).rglob("*.json"))) if TOY else [],
        library=REPORT,
    output:
        f"{R}/index.html",
    log:
        f"{R}/logs/page.log",
    conda:
        ENV
    params:
        page=PAGE,
    message:
        "Writing the page {output}"
    shell:
        "groundvts page {params.page} 2>&1 | tee {log}"


onsuccess:
    # The page links to what further targets made after it.
    page, made = Path(R, "index.html"), [Path(R, "notebooks", f"{n}.html") for n in FURTHER]
    if page.is_file() and any(
        f.is_file() and f.stat().st_mtime > page.stat().st_mtime for f in made
    ):
        shell(f"groundvts page {PAGE}")
