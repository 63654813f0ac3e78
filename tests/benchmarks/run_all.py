"""Run all benchmarks one after the other and write what they print to docs/benchmarks.md.

make bench [ARGS='connectivity gctx']

Ratios within one run are to be trusted; seconds move with the machine and with what else it does.
"""

import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "benchmarks.md"
PACKAGES = "numpy scipy pandas torch numba h5py anndata cmapPy decoupler gseapy blitzgsea".split()


def machine() -> str:
    """Processor, memory, versions."""
    model = "unknown processor"
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return f"{model}, {os.cpu_count()} processors, {memory:.0f} GB, Python {platform.python_version()}, {', '.join(found)}."


def sections() -> dict[str, str]:
    """What the page holds already, by benchmark: a run of some leaves the others as they were."""
    if not PAGE.exists():
        return {}
    parts = PAGE.read_text().split("\n## ")[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


def run(name: str) -> str:
    """One benchmark as a section of the page."""
    script = HERE / f"bench_{name}.py"
    load, lines = os.getloadavg()[0], []
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    if child.returncode:
        raise SystemExit(f"{script.name} failed; {PAGE.name} keeps its last result.")
    about = script.read_text().split('"""')[1].splitlines()[0]
    stamp = f"`python tests/benchmarks/{script.name}`, {date.today()}, load at the start {load:.1f}. {machine()}"
    return f"{name}\n\n{about}\n\n{stamp}\n\n```text\n{''.join(lines).strip()}\n```\n"


def main() -> None:
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    wanted = sys.argv[1:] or known
    if unknown := set(wanted) - set(known):
        raise SystemExit(f"There is no benchmark {', '.join(sorted(unknown))}; choose among {', '.join(known)}.")
    for name in wanted:
        page = sections() | {name: run(name)}
        head = "# Benchmarks\n\nWritten by `make bench`; the numbers are those of the machine named in each section.\n"
        PAGE.write_text(head + "".join(f"\n## {page[name].rstrip()}\n" for name in sorted(page)))


if __name__ == "__main__":
    main()
