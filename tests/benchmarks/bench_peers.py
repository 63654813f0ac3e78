"""Enrichment scores of the same sets by ours, a plain numpy definition, decoupler, gseapy and blitzgsea, alternately.

python tests/benchmarks/bench_peers.py [--repeats 3]

Scores are compared first. Peers that only work signature by signature get few signatures; times are per set and signature.
"""

import argparse
import contextlib
import io
import os
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.scoring.rank_index import RankIndex  # noqa: E402

N_GENES, N_SETS, TAGS = 978, 40, 150
#: Signatures each gets: about a second of work.
SIGNATURES = {"ours": 2048, "numpy": 20, "decoupler": 512, "gseapy": 10, "blitzgsea": 2}


def plain(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    """The running sum over all genes, before and after each hit."""
    found = np.zeros((len(sets), len(values)))
    for column, z in enumerate(values.astype(float)):
        order = np.argsort(-z, kind="stable")
        for row, tags in enumerate(sets):
            hit = np.isin(order, tags)
            steps = np.where(hit, np.abs(z[order]) / np.abs(z[tags]).sum(), -1 / (len(z) - len(tags)))
            running = np.concatenate([[0], np.cumsum(steps)])
            found[row, column] = running.max() if running.max() >= -running.min() else running.min()
    return found


def by_decoupler(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    import decoupler

    frame = pd.DataFrame(values, columns=[f"g{g}" for g in range(values.shape[1])])
    rows = [(f"set{n:03}", f"g{g}", 1.0) for n, tags in enumerate(sets) for g in tags]
    net = pd.DataFrame(rows, columns=["source", "target", "weight"])
    found, _ = decoupler.mt.gsea(data=frame, net=net, tmin=0, times=1, verbose=False)
    return found[sorted(found.columns)].to_numpy().T


def by_gseapy(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    import gseapy

    names = {f"set{n:03}": [f"g{g}" for g in tags] for n, tags in enumerate(sets)}
    found = []
    for z in values:
        ranking = pd.Series(z.astype(float), [f"g{g}" for g in range(len(z))]).sort_values(ascending=False)
        done = gseapy.prerank(
            ranking, names, permutation_num=0, min_size=1, max_size=5000, threads=os.cpu_count(), outdir=None
        )
        found.append(done.res2d.set_index("Term")["ES"].astype(float).sort_index().to_numpy())
    return np.array(found).T


def by_blitzgsea(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    import blitzgsea

    names = {f"set{n:03}": [f"g{g}" for g in tags] for n, tags in enumerate(sets)}
    found = []
    for z in values:
        table = pd.DataFrame({"i": [f"g{g}" for g in range(len(z))], "v": z.astype(float)})
        done = blitzgsea.gsea(table, names, min_size=1, max_size=5000, center=False, processes=os.cpu_count(), seed=0)
        found.append(done["es"].sort_index().to_numpy())
    return np.array(found).T


PEERS = {
    "ours": lambda values, sets: RankIndex(values).enrichment_scores(sets),
    "numpy": plain, "decoupler": by_decoupler, "gseapy": by_gseapy, "blitzgsea": by_blitzgsea,
}  # fmt: skip


def quietly(name: str, values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        return PEERS[name](values, sets)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    values = rng.standard_normal((max(SIGNATURES.values()), N_GENES), dtype=np.float32)
    sets = [rng.permutation(N_GENES)[:TAGS] for _ in range(N_SETS)]
    expected = plain(values[:2], sets)
    print(f"{N_GENES} genes, {N_SETS} sets of {TAGS}, index built each time; medians of {args.repeats}")
    worst = {}
    for name in PEERS:
        far = np.abs(quietly(name, values[: SIGNATURES[name]], sets)[:, :2] - expected)  # also compiles
        worst[name] = far.max()
        # Most look after the hits only, we and the definition before and after.
        bound = 2e-6 if name in ("ours", "numpy") else 2.5 / (N_GENES - TAGS)
        assert np.median(far) <= bound, (name, np.median(far))
    took = {name: [] for name in PEERS}
    for _ in range(args.repeats):
        for name, n in SIGNATURES.items():
            start = time.perf_counter()
            quietly(name, values[:n], sets)
            took[name].append((time.perf_counter() - start) / n / N_SETS * 1e9)
    ours = np.median(took["ours"])
    for name in PEERS:
        each = np.median(took[name])
        about = name if name in ("ours", "numpy") else f"{name} {version(name)}"
        print(
            f"{about:18}{each:14,.0f} ns a set and signature: {each / ours:10,.0f} times ours; off by {worst[name]:.1e}"
        )


if __name__ == "__main__":
    main()
