# GroundVTS, reproduced: data, three stages of training, merge, inference, scores, report.
#   snakemake --cores all                the main job
#   snakemake --cores all data|train|evaluate|ablations|reducers|efficiency|cards|report
from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/configuration.smk"
include: "workflow/rules/caching.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/scale.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/infer.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/efficiency.smk"
include: "workflow/rules/reducing.smk"
include: "workflow/rules/reducers.smk"
include: "workflow/rules/contents.smk"
include: "workflow/rules/notebooks.smk"
include: "workflow/rules/report.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        f"{R}/index.html",
        REREAD,
        expand(f"{R}/notebooks/{{name}}.html", name=NOTEBOOKS),


include: "workflow/rules/targets.smk"
