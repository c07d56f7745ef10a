# What jobs ask of a cluster: the configuration's `resources`, more with each attempt. Read by the
# slurm plugin: mem_mb, runtime (minutes), gpu (all GPUs of a job), nodes, cpus_per_task.

TOY_NEEDS = {"mem_gb": 2, "hours": 1, "gpu": 0}


def launched(key):
    """Processes per node, or nodes, that training is launched on."""
    return config["launcher"][key]


def needs(kind, key):
    asked = config["resources"][kind][key] if config["scale"] != "toy" else TOY_NEEDS[key]
    return launched("processes") * launched("nodes") if asked is None else asked


def memory(kind):
    """Memory (MB) of one node, as a function of the attempt."""
    return lambda wildcards, attempt: int(1000 * attempt * needs(kind, "mem_gb"))


def minutes(kind):
    return lambda wildcards, attempt: int(60 * attempt * needs(kind, "hours"))


def gpus(kind):
    return needs(kind, "gpu")
