"""SCORE_CONNECTIVITY on many signatures: memory, time beside their number, and eight shards beside one.

python tests/benchmarks/bench_scale.py [--genes 12328] [--queries 20] [--most 100000]

Each size is scored by the stage's own script in a process of its own, WTCS of 20 queries, numba's code ready.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
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


def write_shard(folder: Path, number: int, n: int, var: pd.DataFrame) -> Path:
    rng = np.random.default_rng(number)
    values = rng.standard_normal((n, len(var)), dtype=np.float32)
    obs = pd.DataFrame("x", [f"s{number}:{k}" for k in range(n)], list(PERTURBATION_COLUMNS))
    obs = obs.assign(status="ok", dose_um=1.0, time_h=6.0, tas=0.5)
    path = folder / f"r.shard_{number:04d}.h5ad"
    write_signature_set(signature_set(values, obs, var, "modz", {"rank": descending_ranks(values)}), path, None)
    return path


def score(shards: list[Path], queries: Path, side_by_side: int = 1) -> tuple[float, float]:
    """Seconds for all shards, ``side_by_side`` at a time with one thread each (else all threads); peak GB of one task."""
    threads = os.cpu_count() if side_by_side == 1 else 1
    command = [sys.executable, ROOT / "bin/score_connectivity.py", "--signatures", queries, "--methods", "wtcs"]
    command += ["--random-queries", "0", "--device", "cpu", "--log-level", "warning", "--threads", str(threads)]
    start, waiting, running = time.perf_counter(), list(shards), []
    while waiting or running:
        while waiting and len(running) < side_by_side:
            running.append(subprocess.Popen([*map(str, command), "--shard", waiting.pop(), "--out", queries.parent]))
        done = running.pop(0)
        if done.wait():
            raise SystemExit("The stage failed.")
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6


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
        sizes = [SHARD // 4, SHARD // 2, SHARD]
        parts = [write_shard(folder, 100 + k, n, var) for k, n in enumerate(sizes)]
        score(parts[:1], queries)  # compiles
        took = [score([part], queries)[0] for part in parts]
        # What does not depend on the number of signatures: starting Python, reading the queries.
        slope, fixed = np.polyfit(sizes, took, 1)
        left = np.array(took) - fixed
        exponent = np.polyfit(np.log(sizes), np.log(np.maximum(left, 1e-3)), 1)[0]
        for n, seconds in zip(sizes, took, strict=True):
            print(f"{n:7,} signatures x {args.genes:,} genes, {args.queries} queries: {seconds:6.1f} s")
        print(f"{fixed:.1f} s to start, then {1e6 * slope:.0f} us a signature; log-log slope {exponent:.2f}")
        shards = [write_shard(folder, k, SHARD, var) for k in range(args.most // SHARD)]
        total, peak = score(shards, queries)
        print(
            f"{args.most:,} signatures in {len(shards)} shards one after the other: {total:.1f} s, peak {peak:.2f} GB"
        )
        beside, _ = score(shards, queries, side_by_side=os.cpu_count())
        ideal = len(shards) * took[-1]
        print(
            f"the same {os.cpu_count()} at a time with one thread each: {beside:.1f} s;"
            f" efficiency beside {len(shards)} times one shard with all threads: {ideal / beside:.0%}"
        )
        assert peak < 2, f"{peak:.2f} GB are more than 2 GB"


if __name__ == "__main__":
    main()
