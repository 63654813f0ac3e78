#!/usr/bin/env python3
"""Plan a large run on paper: tasks, CPU time, memory, wall time and cost of every stage.

python tools/plan_run.py --signatures 1200000 --queries 200 --cpus 64 [--datasets 4] [--price 0.05] [--trace plan.tsv]

Unit costs are those of tools/units.json, which tools/measure_units.py measures (one thread, the default parameters). Tasks are
placed on the CPUs in the order of the workflow, each as soon as enough are free; docs/scale.md says how far off this is.
"""

import argparse
import heapq
import json
import sys
from dataclasses import dataclass
from pathlib import Path

#: CPUs of a task as conf/base.config gives them. A second one buys little: memory is what the stages wait for.
CPUS = {
    "CHECK_INPUTS": 1, "DERIVE_SIGNATURES": 2, "BUILD_REFERENCE": 1, "TRAIN_EMBEDDING": 2, "VALIDATE_METHODS": 2,
    "SCORE_CONNECTIVITY": 2, "EMBED_SIGNATURES": 2, "RANK_DRUGS": 2, "FIND_LEADING_EDGES": 1, "PAIR_DRUGS": 1,
    "RUN_NOTEBOOK": 1, "BUILD_REPORT": 1,
}  # fmt: skip

#: Which stages a stage waits for; in the order in which CPUs are given out.
AFTER = {
    "CHECK_INPUTS": (), "BUILD_REFERENCE": ("CHECK_INPUTS",), "DERIVE_SIGNATURES": ("CHECK_INPUTS",),
    "TRAIN_EMBEDDING": ("BUILD_REFERENCE",), "VALIDATE_METHODS": ("BUILD_REFERENCE",),
    "SCORE_CONNECTIVITY": ("DERIVE_SIGNATURES", "TRAIN_EMBEDDING", "VALIDATE_METHODS"),
    "EMBED_SIGNATURES": ("DERIVE_SIGNATURES", "TRAIN_EMBEDDING"), "RANK_DRUGS": ("SCORE_CONNECTIVITY",),
    "FIND_LEADING_EDGES": ("RANK_DRUGS",), "PAIR_DRUGS": ("FIND_LEADING_EDGES",),
    "RUN_NOTEBOOK": ("PAIR_DRUGS", "EMBED_SIGNATURES"), "BUILD_REPORT": ("RUN_NOTEBOOK",),
}  # fmt: skip

#: CPU seconds and GB of what is bounded, whatever the size of the reference: 30,000 signatures are learned from, 3,000 searched.
#: Twice what `make real` takes.
BOUNDED = {"TRAIN_EMBEDDING": (120, 3.0), "VALIDATE_METHODS": (600, 3.5)}

#: CPU seconds that EMBED_SIGNATURES takes to start, and for a shard that it reads; an estimate.
EMBED = (60, 5)


#: Least that a part of a unit cost is, per signature.
FLOORS = {("BUILD_REFERENCE", "cpu_s"): 0.0002}


@dataclass(frozen=True)
class Task:
    """What one task needs."""

    stage: str
    cpu_s: float
    gb: float


class Units:
    """Unit costs, as ``tools/measure_units.py`` writes them."""

    def __init__(self, measured: dict):
        self.measured = measured
        self.few, self.many = measured["signatures"]
        self.few_queries, self.many_queries = measured["populations"]

    def parts(self, stage: str, what: str) -> tuple[float, float, float, float]:
        """Start, per signature, per population, per signature and population; none of them below 0.

        Solves ``start + a * n + b * q + c * n * q`` at the four sizes that were measured.
        """
        first, more_signatures, more_queries, most = self.measured["stages"][stage][what]
        n, q = self.many - self.few, self.many_queries - self.few_queries
        pair = max(0.0, (most - more_signatures - more_queries + first) / (n * q))
        per = max(0.0, (more_signatures - first) / n - pair * self.few_queries)
        query = max(0.0, (more_queries - first) / q - pair * self.few)
        start = first - per * self.few - query * self.few_queries - pair * self.few * self.few_queries
        # Small sizes tell little of what a signature costs to build: bench_reference.py does (docs/benchmarks.md).
        per = max(per, FLOORS.get((stage, what), 0.0))
        return max(0.0, start), per, query, pair

    def task(self, stage: str, n: float, queries: float, shard_size: int | None = None) -> Task:
        """A task on so many signatures and populations; with ``shard_size`` it holds one shard at a time."""
        held = n if shard_size is None else min(n, shard_size)
        cpu, gb = (sum(part * by for part, by in zip(self.parts(stage, what), (1, size, queries, size * queries), strict=True))
                   for what, size in (("cpu_s", n), ("gb", held)))  # fmt: skip
        return Task(stage, cpu, gb)


def tasks_of(units: Units, signatures: int, queries: int, shard_size: int, datasets: int) -> list[Task]:
    """All tasks of a run with one reference.

    The stages that a reference's size does not concern have the times of the demo and of `make real` (docs/scale.md):
    seconds a population for its signature and resamples, and for its page.
    """
    shards = [shard_size] * (signatures // shard_size) + [signatures % shard_size] * bool(signatures % shard_size)
    each = queries / datasets
    tasks = [Task("CHECK_INPUTS", 20, 0.5), units.task("BUILD_REFERENCE", signatures, 0, shard_size)]
    tasks += [Task(stage, *needs) for stage, needs in BOUNDED.items()]
    tasks += [Task("DERIVE_SIGNATURES", 20 + 12 * each, 1.0)] * datasets
    tasks += [units.task("SCORE_CONNECTIVITY", n, queries) for n in shards]
    tasks += [Task("EMBED_SIGNATURES", EMBED[0] + EMBED[1] * len(shards), 2.0)]
    tasks += [units.task("RANK_DRUGS", signatures, each)] * datasets
    # Of a shard only the signatures that support a reported drug are read: in all, 50 for each population.
    start, per, query, pair = units.parts("FIND_LEADING_EDGES", "cpu_s")
    share = 1 / len(shards)
    gb = units.task("FIND_LEADING_EDGES", units.many, 0).gb
    tasks += [
        Task("FIND_LEADING_EDGES", start + per * n + (query + pair * units.many) * queries * share, gb) for n in shards
    ]
    start, _, query, pair = units.parts("PAIR_DRUGS", "cpu_s")
    tasks += [Task("PAIR_DRUGS", start + (query + pair * units.many) * each, 0.4)] * datasets
    tasks += [Task("RUN_NOTEBOOK", 8, 0.4)] * 6 + [Task("RUN_NOTEBOOK", 8 + 6 * each, 0.5)] * datasets
    return [*tasks, Task("BUILD_REPORT", 10 + 2 * queries, 0.6)]


def schedule(tasks: list[Task], cpus: int, overhead_s: float) -> list[tuple[Task, float, float]]:
    """When each task runs: (task, start, end) in seconds. A stage waits for all tasks of those before it.

    A task takes its CPU time and what a scheduler adds to it.
    """
    done: dict[str, float] = {}
    placed = []
    free = [0.0] * cpus
    heapq.heapify(free)
    for stage, before in AFTER.items():
        ready = max((done[name] for name in before), default=0.0)
        mine = sorted((task for task in tasks if task.stage == stage), key=lambda task: -task.cpu_s)
        for task in mine:
            taken = [heapq.heappop(free) for _ in range(min(CPUS[stage], cpus))]
            start = max(ready, *taken)
            end = start + task.cpu_s + overhead_s
            for _ in taken:
                heapq.heappush(free, end)
            placed.append((task, start, end))
        done[stage] = max((end for task, _, end in placed if task.stage == stage), default=ready)
    return placed


def table(placed: list[tuple[Task, float, float]], price: float) -> str:
    """One line per stage, and their sum."""
    head = (
        f"{'stage':20} {'tasks':>6} {'CPU h':>9} {'s a task':>9} {'GB a task':>9} {'from h':>8} {'to h':>8} {'cost':>9}"
    )
    lines, hours, n_all = [head, "-" * len(head)], 0.0, 0
    for stage in AFTER:
        mine = [(task, start, end) for task, start, end in placed if task.stage == stage]
        if not mine:
            continue
        cpu = sum(task.cpu_s for task, *_ in mine) / 3600
        # What is paid for is what a task holds, not what it uses.
        held = sum((end - start) * CPUS[stage] for _, start, end in mine) / 3600
        hours, n_all = hours + held, n_all + len(mine)
        lines.append(
            f"{stage:20} {len(mine):6,} {cpu:9.2f} {3600 * cpu / len(mine):9.1f} {max(t.gb for t, *_ in mine):9.2f}"
            f" {min(s for _, s, _ in mine) / 3600:8.2f} {max(e for *_, e in mine) / 3600:8.2f} {held * price:9.2f}"
        )
    wall = max(end for *_, end in placed) / 3600
    total = sum(task.cpu_s for task, *_ in placed) / 3600
    lines += [
        "-" * len(head),
        f"{'all':20} {n_all:6,} {total:9.2f} {'':9} {'':9} {0:8.2f} {wall:8.2f} {hours * price:9.2f}",
    ]
    return "\n".join(lines)


def main() -> int:
    """Print the plan; with --trace also write it task by task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signatures", type=int, default=1_200_000, help="signatures of the reference")
    parser.add_argument("--queries", type=int, default=200, help="populations of all data sets")
    parser.add_argument("--datasets", type=int, default=4, help="data sets; the populations are spread over them")
    parser.add_argument("--shard-size", type=int, default=10_000, help="as of the pipeline")
    parser.add_argument("--cpus", type=int, default=64, help="CPUs that run tasks at one time")
    parser.add_argument("--price", type=float, default=0.05, help="of one CPU for an hour; the default is an example")
    parser.add_argument("--overhead", type=float, default=5, help="seconds that a scheduler adds to a task")
    parser.add_argument("--units", type=Path, default=Path(__file__).with_name("units.json"), help="unit costs")
    parser.add_argument("--trace", type=Path, help="write the simulated trace, one line per task, to this TSV file")
    args = parser.parse_args()
    if min(args.signatures, args.queries, args.datasets, args.shard_size, args.cpus) < 1:
        parser.error("--signatures, --queries, --datasets, --shard-size and --cpus must be at least 1")
    if not args.units.is_file():
        parser.error(f"--units: there is no file {args.units}; python tools/measure_units.py makes it")
    units = Units(json.loads(args.units.read_text()))
    tasks = tasks_of(units, args.signatures, args.queries, args.shard_size, args.datasets)
    placed = schedule(tasks, args.cpus, args.overhead)
    print(
        f"{args.signatures:,} signatures of {units.measured['n_genes']:,} genes x {args.queries:,} populations in"
        f" {args.datasets} data sets, shards of {args.shard_size:,}, {args.cpus} CPUs, {args.price} a CPU hour\n"
    )
    print(table(placed, args.price))
    if args.trace:
        rows = [f"{t.stage}\t{s:.1f}\t{e:.1f}\t{CPUS[t.stage]}\t{t.gb:.2f}" for t, s, e in placed]
        args.trace.write_text("\n".join(["process\tstart_s\tend_s\tcpus\tgb", *rows]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
