"""A place where runs are disturbed: one copy of the project on a smaller demo, one work folder, one folder of results."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from faults_plan import PROCESSES, Fault
from make_demo import Population, Settings, write_demo

STRIKE = Path(__file__).with_name("strike.py")

#: A run of all twelve stages in about a minute and a half; the chain repeats most of them.
OPTIONS = (
    "-profile", "test", "--resamples", "2", "--validation_queries", "20", "--random_queries", "50", "--methods",
    "spearman,embedding", "--report_title", "Faults",
)  # fmt: skip
LONGEST = 1800  # seconds for a run, also where other work keeps the machine busy


@dataclass(frozen=True)
class Outcome:
    """What a run left: how it ended, what it said, its tasks, and what lay in the results right after."""

    status: int
    said: str
    trace: pd.DataFrame
    results: Path


def small_demo(folder: Path) -> None:
    """Demo data of three populations, one too small, and 72 compounds."""
    populations = (
        Population("CD4 T cells", 24, 36, shared=0.5, own=0.75),
        Population("CD14 monocytes", 24, 24, shared=-1.0),
        Population("Plasma cells", 3, 3),
    )
    write_demo(Settings(populations=populations, n_compounds=72, cell_lines=("DEMO_A", "DEMO_B")), folder)


def can_mount(folder: Path) -> bool:
    """Whether this user may mount a small disk of memory here."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True)
    if done.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    return done.returncode == 0


class Site:
    """Runs the pipeline again and again, with faults.

    Parameters
    ----------
    project
        A copy of the project, for this site alone.
    environment
        Of the runs.
    """

    def __init__(self, project: Path, environment: dict[str, str]):
        self.project, self.environment = project, environment
        self.results, self.queue, self.disks = project / "results", project / "faults", project / "disks"
        self.mounted: list[Path] = []
        self.mounts = can_mount(project / "try")
        self.saw: dict[str, object] = {}  # what steps between runs found, by the name of the fault
        self.folders: dict[str, Path] = {}  # folder of the last finished task of each process
        small_demo(project / "assets" / "demo")
        self.config = project / "site.config"
        self.config.write_text(self._config())

    def _config(self) -> str:
        """What a site would give with -c: every task starts strike.py; some settings hold while their fault is waiting."""

        def next_is(process: str, setting: str) -> str:
            waiting = (
                f"(new File('{self.queue / process}').list() ?: []).findAll {{ name -> name.endsWith('.waiting') }}"
            )
            return f"{waiting}.min()?.contains('.{setting}.')"

        parts = [
            f"""
    withName: {process} {{
        beforeScript = 'python3 -S {STRIKE} {self.queue} {process} $$ </dev/null >/dev/null 2>&1 &'
        time = {{ {next_is(process, "time")} ? 5.s : 1.h }}
        scratch = {{ {next_is(process, "scratch")} ? '{self.disks / process}' : false }}
    }}"""
            for process in PROCESSES
        ]
        limits = "    resourceLimits = [cpus: 1, memory: 6.GB, time: 1.h]"
        compiled = (
            f"env.NUMBA_CACHE_DIR = '{os.environ['NUMBA_CACHE_DIR']}'\n"  # shared with all tests: it takes minutes
        )
        return "process {\n" + limits + "".join(parts) + "\n}\nexecutor.cpus = 2\n" + compiled

    def arm(self, number: int, fault: Fault) -> None:
        """Put a fault into its process' queue."""
        folder = self.queue / fault.process
        folder.mkdir(parents=True, exist_ok=True)
        setting, how = fault.how.get("setting", "task"), fault.how
        if setting == "scratch" and self.mounts:
            self.mount(self.disks / fault.process, how["size"])
        elif setting == "scratch":
            setting, how = "task", {"do": "limit", "to": "python", "limit": "RLIMIT_FSIZE", "bytes": 4096}
        part = folder / f"{number:02d}.{setting}.part"
        part.write_text(json.dumps(how))
        part.rename(part.with_suffix(".waiting"))

    def struck(self, number: int, fault: Fault) -> dict | None:
        """What strike.py did, if it did."""
        found = list((self.queue / fault.process).glob(f"{number:02d}.*.struck"))
        return json.loads(found[0].read_text()) if found else None

    def mount(self, folder: Path, size: str) -> None:
        """Put a disk of memory there, of a given size or closed ("ro"); who may not mount gets a folder that is closed."""
        folder.mkdir(parents=True, exist_ok=True)
        self.mounted.append(folder)
        if self.mounts:
            option = size if size == "ro" else f"size={size}"
            subprocess.run(["mount", "-t", "tmpfs", "-o", option, "tmpfs", folder], check=True)
        else:
            folder.chmod(0o555)

    def unmount(self) -> None:
        """Give every disk back."""
        while self.mounted:
            folder = self.mounted.pop()
            if self.mounts:
                subprocess.run(["umount", "-l", folder], check=True)
            else:
                folder.chmod(0o755)

    def start(self, *options: str) -> subprocess.Popen:
        """Call Nextflow; a fault that a task claimed, and did not live to see, waits again."""
        for claimed in self.queue.glob("*/*.claimed"):
            if not claimed.with_suffix(".struck").exists():
                claimed.rename(claimed.with_suffix(".waiting"))
        log = open(self.project / "said.txt", "w+")  # noqa: SIM115 - the process has it
        command = ["nextflow", "run", ".", "-c", self.config, *OPTIONS, *options]
        # A session of its own, so that a signal for this run is no signal for pytest; and it heeds Ctrl-C, which what is started
        # in the background would not.
        return subprocess.Popen(
            command,
            cwd=self.project,
            env=self.environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def finish(self, process: subprocess.Popen, name: str) -> Outcome:
        """Wait for a run to end, and keep what there is to see."""
        try:
            status = process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
        status = 128 - status if status < 0 else status  # as a shell counts signals
        said = (self.project / "said.txt").read_text()
        kept = self.project / "kept" / name
        shutil.copytree(self.results, kept, dirs_exist_ok=True)
        trace = pd.read_csv(kept / "pipeline_info" / "execution_trace.txt", sep="\t", dtype=str)
        for row in trace[trace["status"].isin(["COMPLETED", "CACHED"])].itertuples():
            for folder in (self.project / "work").glob(f"{row.hash}*"):
                self.folders[row.name.split()[0]] = folder
        return Outcome(status, said, trace, kept)

    # What goes wrong between runs: called with the fault before the run starts.

    def cut_off(self, fault: Fault, name: str) -> None:
        """A file of a finished task loses its second half."""
        path = self.folders[fault.process] / name
        self.saw[fault.name] = path
        os.truncate(path, path.stat().st_size // 2)

    def remake(self, fault: Fault, outcome: Outcome) -> None:
        """Do what the message asks for: delete the folder of the task."""
        shutil.rmtree(re.search(fault.said, outcome.said)["folder"])

    def halve(self, fault: Fault, name: str) -> None:
        """A published file is half of what it was, as when Nextflow dies while it copies."""
        self.saw[fault.name] = path = self.results / name
        os.truncate(path, path.stat().st_size // 2)

    def fill(self, fault: Fault, name: str) -> None:
        """A folder of the results lies on a disk without room."""
        self.mount(self.results / name, "16k")

    def close(self, fault: Fault, name: str) -> None:
        """A folder of the results cannot be written to."""
        self.mount(self.results / name, "ro")

    def call_twice(self, fault: Fault, process: subprocess.Popen) -> None:
        """The run is resumed once more while it still runs: the first is halted meanwhile, or it might be done before."""
        end = time.monotonic() + 120
        while "process > BUILD_REPORT" not in (self.project / "said.txt").read_text() and time.monotonic() < end:
            time.sleep(0.2)
        command = ["nextflow", "run", ".", "-c", self.config, *OPTIONS, "-resume"]
        os.killpg(process.pid, signal.SIGSTOP)
        try:
            done = subprocess.run(command, cwd=self.project, env=self.environment, capture_output=True, text=True)
        finally:
            os.killpg(process.pid, signal.SIGCONT)
        self.saw[fault.name] = done.returncode, done.stdout + done.stderr
