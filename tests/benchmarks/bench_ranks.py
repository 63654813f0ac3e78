"""Ranks of a shard: made by radix sort, beside numpy's stable argsort, and beside reading ready-made ones from a file.

python tests/benchmarks/bench_ranks.py [--signatures 10000] [--genes 12328] [--repeats 3] [--folder /tmp]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numba
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
sys.path.insert(0, str(Path(__file__).parent))
from bench_gctx import forget  # noqa: E402

from scperturb_cmap.utils.ranks import descending_ranks  # noqa: E402


def argsort_ranks(values: np.ndarray) -> np.ndarray:
    order = np.argsort(-values, axis=1, kind="stable")
    ranks = np.empty(values.shape, np.int32)
    np.put_along_axis(ranks, order, np.arange(values.shape[1], dtype=np.int32)[None], axis=1)
    return ranks


def read(path: Path) -> np.ndarray:
    with h5py.File(path) as file:
        return file["rank"][()]


def seconds(work, *arguments) -> float:  # noqa: ANN001
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signatures", type=int, default=10_000)
    parser.add_argument("--genes", type=int, default=12_328)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    values = np.random.default_rng(0).standard_normal((args.signatures, args.genes), dtype=np.float32)
    part = values[: max(args.signatures // 20, 1)]
    ranks = descending_ranks(values)
    assert np.array_equal(ranks[: len(part)], argsort_ranks(part)), "other ranks than numpy's"
    found: dict[str, list[float]] = {
        "radix": [],
        "argsort, one thread": [],
        "read, warm": [],
        "read, cold": [],
        "write": [],
    }
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "ranks.h5"
        for _ in range(args.repeats):
            found["radix"].append(seconds(descending_ranks, values))
            found["argsort, one thread"].append(seconds(argsort_ranks, part) * len(values) / len(part))
            start = time.perf_counter()
            with h5py.File(path, "w") as file:
                file["rank"] = ranks.astype(np.uint16)
            forget(path)
            found["write"].append(time.perf_counter() - start)
            found["read, cold"].append(seconds(read, path))
            found["read, warm"].append(seconds(read, path))
        size = path.stat().st_size / 1e9
    print(f"{args.signatures:,} signatures x {args.genes:,} genes, {numba.get_num_threads()} threads, medians;")
    print(f"ranks as uint16 in HDF5, {size:.2f} GB ({size * 1e9 / values.nbytes:.0%} of the values)")
    for name, took in found.items():
        print(f"{name:22}{np.median(took):8.2f} s {np.median(took) / args.signatures * 1e6:9.1f} us per signature")


if __name__ == "__main__":
    main()
