"""A Slurm of one machine, for tests: `sbatch` runs what it is given, and notes how it was asked."""

from pathlib import Path

SBATCH = """#!/usr/bin/env bash
printf '%s\\n' "${*%%--wrap*}" >> "$FAKE_SLURM/asked"
id=$(wc -l < "$FAKE_SLURM/asked")
for word in "$@"; do case $word in --wrap=*) script=${word#--wrap=};; esac; done
if [[ $id -le ${FAKE_SLURM_FAILS:-0} ]]; then script=false; fi
( SLURM_JOB_ID=$id bash -c "$script"; [[ $? == 0 ]] && state=COMPLETED || state=FAILED
  echo "$id|$state" >> "$FAKE_SLURM/ended" ) > /dev/null 2>&1 &
echo "$id"
"""
SRUN = """#!/usr/bin/env bash
while [[ $1 == -* ]]; do shift; done
exec "$@"
"""
SACCT = """#!/usr/bin/env bash
cat "$FAKE_SLURM/ended" 2> /dev/null || true
"""
SILENT = "#!/usr/bin/env bash\n"


def install(folder: Path) -> Path:
    """Writes the commands; returns their folder. The variable FAKE_SLURM has to name `folder`."""
    (folder / "bin").mkdir(parents=True)
    silent = dict.fromkeys(("squeue", "scancel", "sacctmgr", "scontrol", "sinfo", "sshare"), SILENT)
    for name, script in {"sbatch": SBATCH, "srun": SRUN, "sacct": SACCT, **silent}.items():
        (folder / "bin" / name).write_text(script)
        (folder / "bin" / name).chmod(0o755)
    return folder / "bin"
