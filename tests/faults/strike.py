"""What goes wrong inside a task: started by the task's wrapper in the background, it waits for its moment and strikes once.

Usage: strike.py QUEUE PROCESS WRAPPER. The first fault waiting in QUEUE/PROCESS (a JSON file, see faults_plan.py) is claimed by
the first task of that process that comes by; what is done, and to whom, is written beside it before it is done. Standard
library only, and no import of the project: it must start faster than what it strikes.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

LONGEST = 300  # seconds


def processes() -> dict[int, tuple[int, list[str]]]:
    """Process id -> its parent, its command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                found[int(entry.name)] = parent, (entry / "cmdline").read_text(errors="replace").split("\0")
            except (OSError, IndexError, ValueError):
                continue  # it has ended
    return found


def below(ancestor: int, there: dict) -> list[int]:
    """All descendants of a process but this one, parents first."""
    found = [ancestor]
    for pid in found:
        found += [child for child, (parent, _) in there.items() if parent == pid and child != os.getpid()]
    return found[1:]


def launcher_of(pid: int, there: dict) -> int:
    """The Nextflow (java) that a process descends from."""
    while "java" not in Path(there[pid][1][0]).name:
        pid = there[pid][0]
    return pid


def target_of(fault: dict, wrapper: int, process: str) -> int | None:
    """The process to strike, once it is there."""
    there = processes()
    if fault["to"] in ("task", "launcher"):
        needle = f"/{process.lower()}.py"
    else:
        needle = {"python": f"/{process.lower()}.py", "kernel": "ipykernel_launcher", "book": "jupyter_book"}[
            fault["to"]
        ]
    for pid in below(wrapper, there):
        command = there[pid][1]
        if "python" in Path(command[0]).name and any(needle in part for part in command[1:4]):
            return pid
    return None


def halt_at_the_moment(fault: dict, wrapper: int, process: str) -> int | None:
    """Wait for the target and, where the fault names a file, until that lies half-written; then the target stands still."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end and Path(f"/proc/{wrapper}").exists():
        pid = target_of(fault, wrapper, process)
        if pid is None:
            time.sleep(0.02)
            continue
        time.sleep(fault.get("after", 0))
        while Path(f"/proc/{pid}").exists():
            if not fault.get("half"):
                return pid
            if any(Path().glob(fault["half"])):
                os.kill(pid, signal.SIGSTOP)  # a file may be finished while it is looked at: does it lie there still?
                if any(Path().glob(fault["half"])):
                    return pid
                os.kill(pid, signal.SIGCONT)
            time.sleep(0.001)
    return None


def strike(fault: dict, pid: int, wrapper: int) -> None:
    """Do what the fault says."""
    there = processes()
    if fault["do"] == "limit":
        what = getattr(resource, fault["limit"])
        now = int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        most = fault["bytes"] + (now if fault["limit"] == "RLIMIT_AS" else 0)
        resource.prlimit(pid, what, (most, most))
        os.kill(pid, signal.SIGCONT)
        return
    if fault["to"] == "launcher":
        nextflow = launcher_of(wrapper, there)
        victims = [nextflow] + (below(nextflow, there) if fault.get("tasks") else [])
    elif fault["to"] == "task":
        victims = [wrapper, *below(wrapper, there)]
    else:
        victims = [pid]
    for victim in victims:
        try:
            os.kill(victim, getattr(signal, fault["signal"]))
        except ProcessLookupError:
            continue
    try:
        os.kill(pid, signal.SIGCONT)  # what stands still would never see a milder signal, nor end of itself
    except ProcessLookupError:
        pass


def main() -> None:
    queue, process, wrapper = Path(sys.argv[1], sys.argv[2]), sys.argv[2], int(sys.argv[3])
    try:
        waiting = min(queue.glob("*.waiting"))
        # A setting is a task's from its submission on: one that was submitted before this fault's turn does not have it.
        if waiting.match("*.scratch.*") and "/disks/" not in Path(".command.run").read_text():
            return
        mine = waiting.rename(waiting.with_suffix(".claimed"))  # of several tasks one
    except (ValueError, FileNotFoundError):
        return
    fault = json.loads(mine.read_text())
    pid = wrapper if fault["do"] == "setting" else halt_at_the_moment(fault, wrapper, process)
    if pid is None:
        mine.rename(waiting)
        return
    seen = sorted(path.name for path in Path().iterdir() if not path.name.startswith(".command"))
    record = {"folder": os.getcwd(), "pid": pid, "time": time.time(), "there": seen}
    mine.with_suffix(".tmp").write_text(json.dumps(record))
    mine.with_suffix(".tmp").rename(mine.with_suffix(".struck"))
    if fault["do"] != "setting":
        strike(fault, pid, wrapper)


if __name__ == "__main__":
    main()
