"""Unlock the working directory after a killed run, but never under a living one.

Snakemake leaves ``.snakemake/locks`` behind when it is killed and then refuses to start. The lock
is stale if no Snakemake process on this machine works in this folder. Where processes cannot be
listed (no /proc), nothing is unlocked. A run on another machine of a shared file system cannot be
seen: start the runs of one folder from one machine.
"""

import os
import subprocess
import sys
from pathlib import Path


def holders(root: Path, proc: Path = Path("/proc")) -> list[int] | None:
    """Ids of the Snakemake processes whose working directory is ``root``; None: cannot be known."""
    if not (proc / "self").exists():
        return None
    found = []
    for folder in proc.glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if not any(Path(argument).name == "snakemake" for argument in arguments):
                continue
            if Path(os.readlink(folder / "cwd")) == root:
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):  # it has just ended
            continue
        except PermissionError:  # another user's Snakemake: it may be here
            found.append(int(folder.name))
    return found


def main() -> int:
    root = Path.cwd().resolve()
    if not any((root / ".snakemake" / "locks").glob("*")):
        return 0
    living = holders(root)
    if living is None:
        reason = "cannot see whether a Snakemake still runs in it (no /proc)"
    elif living:
        reason = f"Snakemake still runs in it (process {', '.join(map(str, living))})"
    else:
        print("unlocking the working directory: the run that held it is gone", file=sys.stderr)
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "--unlock", "--cores", "1"]
        ).returncode
    print(f"{root} is locked: {reason}; if not, run: snakemake --unlock", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
