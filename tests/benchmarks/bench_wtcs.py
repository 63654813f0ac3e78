"""WTCS of 20 queries of 150 + 150 genes: ours beside decoupler's gsea (times=1 and times=0), alternately in one process.

python tests/benchmarks/bench_wtcs.py [--repeats 5]

Enrichment scores are compared first. Ours with the index built, and with the building of it.
"""

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numba
import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.scoring.rank_index import RankIndex  # noqa: E402

QUERIES, TAGS = 20, 150
#: Genes -> signatures.
SIZES = {978: 2048, 12_328: 448}


def decouplers(values: pd.DataFrame, net: pd.DataFrame, times: int) -> np.ndarray:
    """Enrichment scores, shape (n_sets, n_signatures)."""
    import decoupler

    found = decoupler.mt.gsea(data=values, net=net, tmin=0, times=times, verbose=False)
    scores = found[0] if isinstance(found, tuple) else found
    return scores[sorted(scores.columns)].to_numpy().T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    try:
        peer = f"decoupler {version('decoupler')}"
    except ImportError:
        raise SystemExit("decoupler is not installed: no comparison (make bench installs it).") from None
    print(
        f"{peer}, {numba.get_num_threads()} threads; medians, ns per query and signature, and times as fast as decoupler"
    )
    for n_genes, n in SIZES.items():
        rng = np.random.default_rng(0)
        values = rng.standard_normal((n, n_genes), dtype=np.float32)
        sets = [rng.permutation(n_genes)[:TAGS] for _ in range(2 * QUERIES)]
        frame = pd.DataFrame(values, columns=[f"g{g}" for g in range(n_genes)], index=[f"s{s}" for s in range(n)])
        rows = [(f"set{number:03}", f"g{g}", 1.0) for number, tags in enumerate(sets) for g in tags]
        net = pd.DataFrame(rows, columns=["source", "target", "weight"])
        mine, theirs = RankIndex(values).enrichment_scores(sets), decouplers(frame, net, 1)  # compiles both
        decouplers(frame, net, 0)
        # Theirs looks after the hits only, ours before and after: they differ by a step where that decides.
        worst = np.abs(mine - theirs).max()
        assert worst < 2.5 / (n_genes - TAGS), f"other scores than decoupler's ({worst:.1e})"
        took: dict[str, list[float]] = {"index built": [], "with building": [], "times=1": [], "times=0": []}
        for _ in range(args.repeats):
            start = time.perf_counter()
            index = RankIndex(values)
            index.enrichment_scores(sets)  # tiles are made when first asked for
            built = time.perf_counter()
            index.enrichment_scores(sets)
            took["index built"].append(time.perf_counter() - built)
            took["with building"].append(built - start)
            for times in (1, 0):
                start = time.perf_counter()
                decouplers(frame, net, times)
                took[f"times={times}"].append(time.perf_counter() - start)
        unit = {name: np.median(seconds) / QUERIES / n * 1e9 for name, seconds in took.items()}
        print(f"\n{n_genes:,} genes, {n:,} signatures; largest difference {worst:.1e}")
        for name in ("index built", "with building"):
            ratios = ", ".join(f"{unit[p] / unit[name]:.0f} times as fast as {p}" for p in ("times=1", "times=0"))
            print(f"ours, {name:14}{unit[name]:10.0f} ns: {ratios}")
        for name in ("times=1", "times=0"):
            print(f"decoupler, {name:9}{unit[name]:10.0f} ns")


if __name__ == "__main__":
    main()
