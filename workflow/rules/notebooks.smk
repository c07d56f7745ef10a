# Notebooks, each a rule of its own.

for notebook in [*NOTEBOOKS, *FURTHER]:

    rule:
        name:
            f"notebook_{notebook}"
        input:
            notebook=f"notebooks/{notebook}.ipynb",
            runs=f"{R}/runs.json",
            records=RECORDS[notebook],
            library=REPORT,
        output:
            executed=f"{R}/notebooks/{notebook}.ipynb",
            html=captioned(f"{R}/notebooks/{notebook}.html"),
            tables=[
                captioned(f"{R}/tables/{table}.{kind}")
                for table in TABLES[notebook]
                for kind in ("csv", "md", "tex")
            ],
            figures=[
                captioned(f"{R}/figures/{figure}.{kind}")
                for figure in FIGURES.get(notebook, ())
                for kind in ("png", "pdf")
            ],
        log:
            f"{R}/logs/notebooks/{notebook}.log",
        conda:
            ENV
        params:
            code=code(*READING) if notebook == "protocols" else "",
            results=lambda w, output: Path(output[0]).parent.parent,
            run=f"--run {SHOWN[0]}" if notebook == "tokens" else "",
        message:
            f"Executing the notebook {notebook}"
        shell:
            "groundvts notebook {input.notebook} --results {params.results} --out {output.executed} "
            "--html {output.html} {params.run} > {log} 2>&1"
