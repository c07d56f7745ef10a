# Caching between workflows, on where the variable SNAKEMAKE_OUTPUT_CACHE names a folder: converted
# data, the toy bases and trained stages by Snakemake's own cache (as with --cache); decoded frames
# and features by our store, which moves into that folder. Rules that write a frame cache are not
# cached by Snakemake: such a folder is an index into the store by relative path, and the store
# already decodes each video once for all who share it.
#
# A key holds the text of the shell command as it is written, parameters, and the keys of all jobs
# before. The store's folder, timeout and limit are in that text; resources, as the launcher's
# command, are not. Stages wait for preflight, which reads the moments
# of all benchmarks: what changes how one of them is converted is a new key for every stage.

SHARED = os.environ.get("SNAKEMAKE_OUTPUT_CACHE")
CACHED = bool(SHARED) and not workflow.remote_exec

if SHARED and not os.path.isabs(SHARED):
    sys.exit(f"groundvts: SNAKEMAKE_OUTPUT_CACHE: {SHARED}: name an absolute path")
if SHARED:
    os.makedirs(SHARED, exist_ok=True)
if CACHED:
    workflow.workflow_settings.cache = workflow.workflow_settings.cache or []  # --cache
elif SHARED:
    print("groundvts: on a node of a cluster only decoded frames are shared", file=sys.stderr)


def files_of(folder):
    """Files of a folder, which need not be there yet."""
    return sorted(path for path in Path(folder).rglob("*") if path.is_file())


@cache
def listing(folder):
    """Names and sizes of a folder's files: what of your own videos enters a key."""
    return [[str(path.relative_to(folder)), path.stat().st_size] for path in files_of(folder)]


@cache
def content(folder):
    """Names and hashes of a folder's files, remembered by size and time: what of a base enters.

    Every fine-tune of an architecture has the same names and sizes.
    """
    from groundvts.data.store import FileHashes

    hashes = FileHashes(Path(SHARED, "files.json"))
    found = [[str(path.relative_to(folder)), hashes.of(path)] for path in files_of(folder)]
    hashes.save()
    return found


def provenance(*benchmarks, folders=()):
    """What Snakemake's key lacks: our source, libraries, and your own folders (videos, a base).

    A parameter that is a function of `output` enters the key, but reruns nothing.
    """
    if not CACHED:
        return ""
    videos = {BENCHMARKS[name]["videos"] for name in benchmarks}
    own = sorted(videos - MADE_VIDEOS)
    found = [[folder, listing(folder)] for folder in own]
    bases = [[folder, content(folder)] for folder in folders]
    return made_with(found, bases, config["numerics"])
