"""Cosine, Spearman and XSum of 20 queries beside a bare matrix product of the same shape, alternately in one process.

python tests/benchmarks/bench_products.py [--repeats 9]

Scores are compared with their definitions first. A block is made ready once and scored as often as there are queries, so
both times are given: with the block ready, and with making it ready.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.scoring import SCORES  # noqa: E402
from scperturb_cmap.scoring.profiles import Profiles, make_query  # noqa: E402
from scperturb_cmap.utils.ranks import descending_ranks  # noqa: E402

QUERIES, TAGS = 20, 150
#: Genes -> signatures in a block.
SIZES = {978: 50_000, 12_328: 4096}


def definition(name: str, x: np.ndarray, z: np.ndarray) -> float:
    """One score, the plain way."""
    x, z = x.astype(float), z.astype(float)
    if name == "cosine":
        return x @ z / np.linalg.norm(x) / np.linalg.norm(z)
    if name == "spearman":
        return stats.spearmanr(x, z).statistic
    order, n = np.argsort(-z, kind="stable"), round(0.05 * len(z))
    extreme = np.zeros(len(z), bool)
    extreme[order[:n]] = extreme[order[-n:]] = True
    up, down = np.argsort(-x)[:TAGS], np.argsort(x)[:TAGS]
    return z[up][extreme[up]].sum() - z[down][extreme[down]].sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    print(f"{torch.get_num_threads()} threads; medians; times as long as a bare torch.mm of float32")
    for n_genes, n in SIZES.items():
        rng = np.random.default_rng(0)
        z = rng.standard_normal((n, n_genes), dtype=np.float32)
        x = rng.standard_normal((QUERIES, n_genes))
        queries = [make_query(row, TAGS, torch.device("cpu")) for row in x]
        values, ranks = torch.from_numpy(z), descending_ranks(z)
        left = torch.from_numpy(x.astype(np.float32))
        print(f"\n{n_genes:,} genes, {n:,} signatures, {QUERIES} queries")
        for name in ("cosine", "spearman", "xsum"):
            ready = Profiles(values, ranks)
            found = SCORES[name].function(queries, ready).numpy()
            for q, s in rng.integers(0, [QUERIES, n], (50, 2)):
                expected = definition(name, x[q], z[s])
                assert abs(found[q, s] - expected) <= 2e-6 * max(1, abs(expected)), (name, found[q, s], expected)
            took: dict[str, list[float]] = {"bare": [], "ready": [], "making ready": []}
            for _ in range(args.repeats):
                for kind in took:
                    start = time.perf_counter()
                    if kind == "bare":
                        torch.mm(left, values.T)
                    else:
                        SCORES[name].function(queries, ready if kind == "ready" else Profiles(values, ranks))
                    took[kind].append(time.perf_counter() - start)
            bare, scored, made = (1e3 * np.median(took[kind]) for kind in ("bare", "ready", "making ready"))
            print(
                f"{name:9} bare product {bare:7.1f} ms, score {scored:7.1f} ms: {scored / bare:.2f} times;"
                f" with making the block ready {made:7.1f} ms"
            )


if __name__ == "__main__":
    main()
