"""SCORE_CONNECTIVITY on many signatures: memory, time beside their number, and eight shards beside one.

python tests/benchmarks/bench_scale.py [--genes 12328] [--queries 20] [--most 100000]

Each size is scored by the stage's own script in a process of its own, WTCS of 20 queries, numba's code ready.
"""

import argparse
import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.io.signature_set import (  # noqa: E402
    PERTURBATION_COLUMNS,
    POPULATION_COLUMNS,
    signature_set,
    write_signature_set,
)
from scperturb_cmap.utils.ranks import descending_ranks  # noqa: E402

SHARD = 12_500
REPEATS = 3
OPTIONS = "--methods wtcs --headline wtcs --random-queries 0 --device cpu --log-level warning".split()


def write_shard(folder: Path, number: int, n: int, var: pd.DataFrame) -> Path:
    rng = np.random.default_rng(number)
    values = rng.standard_normal((n, len(var)), dtype=np.float32)
    obs = pd.DataFrame("x", [f"s{number}:{k}" for k in range(n)], list(PERTURBATION_COLUMNS))
    obs = obs.assign(status="ok", dose_um=1.0, time_h=6.0, tas=0.5)
    path = folder / f"r.shard_{number:04d}.h5ad"
    write_signature_set(signature_set(values, obs, var, "modz", {"rank": descending_ranks(values)}), path, None)
    return path


def score(shards: list[Path], queries: Path, side_by_side: int = 1, threads: int | None = None) -> tuple[float, float]:
    """Seconds for all shards, ``side_by_side`` at a time with so many threads each (all by default); peak GB of one task."""
    threads = threads or os.cpu_count()
    command = [sys.executable, ROOT / "bin/score_connectivity.py", "--signatures", queries, *OPTIONS]
    command += ["--threads", str(threads)]
    start, waiting, running, peak = time.perf_counter(), list(shards), 0, 0
    while waiting or running:
        while waiting and running < side_by_side:
            subprocess.Popen([*map(str, command), "--shard", waiting.pop(), "--out", queries.parent])
            running += 1
        _, status, used = os.wait3(0)
        if status:
            raise SystemExit("The stage failed.")
        running, peak = running - 1, max(peak, used.ru_maxrss)
    return time.perf_counter() - start, peak / 1e6


def within(shards: list[Path], queries: Path) -> float:
    """Seconds of the stage's work in this process, shard by shard: reading, scoring, writing."""
    import score_connectivity

    start = time.perf_counter()
    options = [*OPTIONS, "--signatures", str(queries), "--threads", str(os.cpu_count()), "--out", str(queries.parent)]
    parser = score_connectivity.build_parser()
    for shard in shards:
        gc.collect()  # anndata's views refer to each other
        score_connectivity.score_connectivity(parser.parse_args([*options, "--shard", str(shard)]))
    return time.perf_counter() - start


def loops(n: int) -> float:
    """Seconds that so many processes of plain arithmetic take side by side: what the machine's cores are worth together."""
    start = time.perf_counter()
    running = [subprocess.Popen([sys.executable, "-c", "sum(i * i for i in range(30_000_000))"]) for _ in range(n)]
    for one in running:
        one.wait()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=12_328)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--most", type=int, default=8 * SHARD)
    args = parser.parse_args()
    var = pd.DataFrame({"symbol": "", "feature_space": "landmark"}, index=[str(g) for g in range(args.genes)])
    with tempfile.TemporaryDirectory(dir=ROOT) as place:
        folder = Path(place)
        os.environ["NUMBA_CACHE_DIR"] = str(folder / "numba")
        obs = pd.DataFrame("q", [f"d|{n}" for n in range(args.queries)], list(POPULATION_COLUMNS))
        obs = obs.assign(status="ok", effect="wald_z", population=[f"p{n}" for n in range(args.queries)])
        x = np.random.default_rng(99).standard_normal((args.queries, args.genes))
        queries = folder / "d.signatures.h5ad"
        write_signature_set(signature_set(x, obs, var, "wald_z"), queries)
        # Every piece of work in a process of its own: what this process holds would count as its children's memory.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn) as pool:
            shards = [pool.submit(write_shard, folder, k, SHARD, var).result() for k in range(args.most // SHARD)]
        with ProcessPoolExecutor(1, spawn) as pool:
            # compiles, and takes the memory that all later ones use again
            pool.submit(within, shards, queries).result()
            numbers = [n for n in (1, 2, 4, 8) if n <= len(shards)]
            took = [min(pool.submit(within, shards[:n], queries).result() for _ in range(REPEATS)) for n in numbers]
        for n, seconds in zip(numbers, took, strict=True):
            print(f"{n * SHARD:7,} signatures x {args.genes:,} genes, {args.queries} queries: {seconds:6.2f} s")
        exponent = np.polyfit(np.log(numbers), np.log(took), 1)[0]
        print(
            f"{1e6 * took[-1] / numbers[-1] / SHARD:.0f} us a signature, without starting Python; log-log slope {exponent:.2f}"
        )
        total, peak = score(shards, queries)
        print(f"{args.most:,} signatures, {len(shards)} tasks one after the other: {total:.1f} s, peak {peak:.2f} GB")
        cores = os.cpu_count()
        alone = min(score(shards[:1], queries, threads=1)[0] for _ in range(REPEATS))
        beside = min(score(shards, queries, side_by_side=cores, threads=1)[0] for _ in range(2))
        ideal = len(shards) * alone / cores
        print(
            f"the same {cores} at a time, one thread each: {beside:.1f} s; one shard alone, one thread: {alone:.1f} s;"
            f" efficiency {ideal / beside:.0%} (plain arithmetic, {cores} processes: {loops(1) / loops(cores):.0%})"
        )
        assert peak < 2, f"{peak:.2f} GB are more than 2 GB"


if __name__ == "__main__":
    main()
