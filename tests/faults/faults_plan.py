"""The faults, in the order of the pipeline, and the runs in which they happen: each run resumes the one before.

A fault that a retry mends lets its run go on; one that ends its run is mended by the next. So a run holds one fault at most that
ends it, after any number of others; beside a launcher that dies no other process has a fault, for that might not be noted yet.
To add a fault of another kind (of the container engine, say): a record here, what it does in strike.py (inside a task) or in
faults_site.py (between runs), and `options` of its run where it needs a profile.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    name
        What it is called in the tests.
    process
        Where it strikes.
    how
        For strike.py: ``do`` (signal, limit, setting), ``to`` (python, kernel, task, launcher), and when: seconds ``after``
        the start, or while a file lies ``half`` written. Empty: it is no task's fault (faults_site.py).
    exit
        Exit status of the task in the trace; None where no trace tells it, since the launcher died first.
    said
        What the run must say: a regular expression.
    """

    name: str
    process: str
    how: dict = field(default_factory=dict)
    exit: int | str | None = None
    said: str = ""


@dataclass(frozen=True)
class Run:
    """One call of Nextflow.

    Parameters
    ----------
    faults
        What goes wrong inside its tasks.
    before
        What goes wrong before or while it runs: names of methods of Site, with their arguments.
    status
        How it must end: exit status of Nextflow.
    """

    faults: tuple[Fault, ...] = ()
    before: tuple[tuple, ...] = ()
    status: int = 1
    options: tuple[str, ...] = ()


def killed(process: str, signal: str, status: int, to: str = "python", **when: object) -> Fault:
    """A task, or a process in it, gets a signal: the kernel's, the scheduler's, or that of a crash."""
    name = f"{process}: {signal} to its {to}"
    return Fault(name, process, {"do": "signal", "to": to, "signal": signal, **when}, status)


def launcher(process: str, signal: str, tasks: bool, **when: object) -> Fault:
    """Nextflow itself gets a signal while a task of this process runs."""
    name = f"{process}: {signal} to Nextflow" + (" and its tasks" if tasks else "")
    return Fault(name, process, {"do": "signal", "to": "launcher", "signal": signal, "tasks": tasks, **when})


def too_large(process: str, n_bytes: int, said: str) -> Fault:
    """No file may be larger than this."""
    how = {"do": "limit", "to": "python", "limit": "RLIMIT_FSIZE", "bytes": n_bytes}
    return Fault(f"{process}: limit of file sizes", process, how, 1, said)


def full_disk(process: str, size: str, said: str) -> Fault:
    """The task works in a scratch folder on a disk of this size."""
    return Fault(f"{process}: full disk", process, {"do": "setting", "setting": "scratch", "size": size}, 1, said)


#: Without the right to mount a small disk, files may not be large instead.
NO_SPACE = r"{}: (No space left on device|File too large), in /.* then start again with -resume\."
CUT_OFF = (
    r"{}: It is .*(cut off|damaged).* Delete (?P<folder>\S+), the folder of the task that made it, and start again"
)
SHARD, SCORES = "demo_l1000.shard_0000.h5ad", "demo_l1000.shard_0000.scores.parquet"
SIGNATURES = "signatures/demo.signatures.h5ad"

#: Faults of files and folders between the tasks.
CUT_SHARD = Fault("BUILD_REFERENCE: a shard in work/ is cut off", "BUILD_REFERENCE", exit=1, said=CUT_OFF.format(SHARD))
CUT_SCORES = Fault(
    "SCORE_CONNECTIVITY: scores in work/ are cut off", "SCORE_CONNECTIVITY", exit=1, said=CUT_OFF.format(SCORES)
)
FULL_RESULTS = Fault(
    "VALIDATE_METHODS: results on a full disk",
    "VALIDATE_METHODS",
    said=r"Failed to publish file: \S+/run\.validation",
)
CLOSED_RESULTS = Fault(
    "RANK_DRUGS: results cannot be written to",
    "RANK_DRUGS",
    said=r"Failed to (create publish directory: |publish file: \S+; to: )\S+/ranking",
)
HALF_PUBLISHED = Fault("DERIVE_SIGNATURES: half a file in the results", "DERIVE_SIGNATURES")
SECOND = Fault("a second launcher", "BUILD_REPORT", said="Unable to acquire lock")

RUNS = (
    Run((
        killed("CHECK_INPUTS", "SIGTERM", 143, after=1),
        too_large("CHECK_INPUTS", 64, r"\w+\.json: File too large, in .* \(ulimit -f\), then start again with -resume\."),
    )),
    Run((
        killed("DERIVE_SIGNATURES", "SIGKILL", 137, after=2),
        killed("BUILD_REFERENCE", "SIGKILL", 137, to="task", half="*.h5ad.partial"),
        full_disk("BUILD_REFERENCE", "700k", NO_SPACE.format(r"\S+\.h5ad")),
    )),
    Run((launcher("BUILD_REFERENCE", "SIGKILL", tasks=True, half="*.h5ad.partial"),), status=137),
    Run((
        killed("TRAIN_EMBEDDING", "SIGSEGV", 139, after=3),
        launcher("TRAIN_EMBEDDING", "SIGTERM", tasks=False, after=3),
    ), status=1),
    Run(before=(("cut_off", CUT_SHARD, SHARD),)),
    Run((
        killed("EMBED_SIGNATURES", "SIGABRT", 134, after=3),
        Fault("VALIDATE_METHODS: time limit", "VALIDATE_METHODS", {"do": "setting", "setting": "time"}, "-"),
        too_large("VALIDATE_METHODS", 64, r"run\.\w+\.tsv: File too large, in .* -resume\."),
    ), before=(("remake", CUT_SHARD),)),
    Run(before=(("fill", FULL_RESULTS, "validation"),)),
    Run((
        Fault("SCORE_CONNECTIVITY: out of memory", "SCORE_CONNECTIVITY",
              {"do": "limit", "to": "python", "limit": "RLIMIT_AS", "bytes": 2**20, "half": "*.scores.parquet.partial"},
              137, "Out of memory"),
        launcher("SCORE_CONNECTIVITY", "SIGKILL", tasks=False, after=3),
    ), status=137),
    Run((
        killed("RANK_DRUGS", "SIGKILL", 137, half="*.connections.parquet.partial"),
        launcher("RANK_DRUGS", "SIGINT", tasks=False, after=3),
    ), before=(("halve", HALF_PUBLISHED, SIGNATURES),), status=1),
    Run(before=(("cut_off", CUT_SCORES, SCORES),)),
    Run(before=(("remake", CUT_SCORES), ("close", CLOSED_RESULTS, "ranking"))),
    Run((
        killed("FIND_LEADING_EDGES", "SIGUSR2", 140, after=2),
        killed("PAIR_DRUGS", "SIGBUS", 135, after=1),
        killed("RUN_NOTEBOOK", "SIGKILL", 137, to="kernel", after=2),
        full_disk("RUN_NOTEBOOK", "12k", NO_SPACE.format(r"\S+\.ipynb")),
    )),
    Run((
        killed("BUILD_REPORT", "SIGKILL", 137, half="report.book/_build/html/*.html"),
        full_disk("BUILD_REPORT", "2m", NO_SPACE.format(r"\S+")),
    )),
    Run(before=(("call_twice", SECOND),), status=0),
)  # fmt: skip

PROCESSES = (
    "CHECK_INPUTS", "DERIVE_SIGNATURES", "BUILD_REFERENCE", "TRAIN_EMBEDDING", "EMBED_SIGNATURES", "VALIDATE_METHODS",
    "SCORE_CONNECTIVITY", "RANK_DRUGS", "FIND_LEADING_EDGES", "PAIR_DRUGS", "RUN_NOTEBOOK", "BUILD_REPORT",
)  # fmt: skip

#: Every fault, in the order of the runs.
FAULTS = tuple(
    fault for run in RUNS for fault in (*run.faults, *(step[1] for step in run.before if step[0] != "remake"))
)
