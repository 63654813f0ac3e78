"""Pseudobulk from a backed file: memory for a million cells, and speed beside decoupler's on one matrix.

python tests/benchmarks/bench_pseudobulk.py [--cells 1000000] [--genes 20000] [--shared 100000] [--folder /tmp]

The first part needs only this project. The second needs decoupler (pip install decoupler); it is left out, visibly, without.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
PER_CELL, BLOCK, DONORS, TYPES = 1000, 10_000, 10, 8


def generate(path: Path, n_cells: int, n_genes: int) -> None:
    """Write an h5ad of counts in CSR, block by block: each cell has 1,000 genes above zero."""
    rng = np.random.default_rng(0)
    small = ad.AnnData(
        sparse.csr_matrix((1, n_genes), dtype=np.float32),
        obs=pd.DataFrame({"x": ["x"]}, index=["c"]),
        var=pd.DataFrame(index=[f"G{n}" for n in range(n_genes)]),
    )
    small.write_h5ad(path)
    indices = np.concatenate([np.sort(rng.choice(n_genes, PER_CELL, replace=False)) for _ in range(BLOCK)]).astype(
        np.int32
    )
    obs = pd.DataFrame(
        {
            "donor": rng.integers(0, DONORS, n_cells).astype(str),
            "cell_type": rng.integers(0, TYPES, n_cells).astype(str),
        },
        index=np.arange(n_cells).astype(str),
    )
    ad.AnnData(obs=obs.astype("category")).write_h5ad(path.with_suffix(".obs"))
    with h5py.File(path, "a") as file, h5py.File(path.with_suffix(".obs")) as source:
        del file["obs"]
        source.copy("obs", file)
        x = file["X"]
        for name, kind in (("data", np.float32), ("indices", np.int32)):
            del x[name]
            stored = x.create_dataset(name, (n_cells * PER_CELL,), kind, chunks=(PER_CELL * 1000,))
            for start in range(0, n_cells, BLOCK):
                part = min(BLOCK, n_cells - start) * PER_CELL
                values = indices[:part] if name == "indices" else rng.poisson(1, part).astype(np.float32) + 1
                stored[start * PER_CELL : start * PER_CELL + part] = values
        del x["indptr"]
        x["indptr"] = np.arange(0, (n_cells + 1) * PER_CELL, PER_CELL)
        x.attrs["shape"] = (n_cells, n_genes)
    path.with_suffix(".obs").unlink()


def ours(path: Path) -> np.ndarray:
    """Sums by cell type and donor, from the file."""
    from scperturb_cmap.io.cells import Cells

    cells = Cells(path)
    keys = cells.column("cell_type") + "|" + cells.column("donor")
    groups, names = pd.factorize(keys, sort=True)
    return cells.sum_by_group(groups, len(names))


def decouplers(data: ad.AnnData) -> np.ndarray:
    """The same by decoupler, from memory."""
    import decoupler

    found = decoupler.pp.pseudobulk(data, sample_col="donor", groups_col="cell_type", mode="sum")
    order = np.argsort((found.obs["cell_type"].astype(str) + "|" + found.obs["donor"].astype(str)).to_numpy())
    return np.asarray(found.X)[order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=20_000)
    parser.add_argument("--shared", type=int, default=100_000, help="cells of the comparison with decoupler")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:  # in a process of its own, so that the peak is this work's
        start = time.perf_counter()
        total = ours(args.measure).sum()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{time.perf_counter() - start:.0f} s, peak {peak:.2f} GB, {total:.0f} counts")
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / "cells.h5ad"
        generate(path, args.cells, args.genes)
        print(f"{args.cells:,} cells x {args.genes:,} genes, {path.stat().st_size / 1e9:.1f} GB:", end=" ", flush=True)
        subprocess.run([sys.executable, __file__, "--measure", path], check=True)
        try:
            print(f"decoupler {version('decoupler')}, {args.shared:,} cells, alternating:")
        except ModuleNotFoundError:
            print("decoupler is not installed: no comparison")
            return
        generate(path, args.shared, args.genes)
        data = ad.read_h5ad(path)
        np.testing.assert_allclose(ours(path), decouplers(data), rtol=1e-6)
        times = {"ours, from disk": [], "decoupler, from memory": []}
        for _ in range(3):
            for name, work, given in (("ours, from disk", ours, path), ("decoupler, from memory", decouplers, data)):
                start = time.perf_counter()
                work(given)
                times[name].append(time.perf_counter() - start)
        for name, took in times.items():
            print(f"  {name}: {np.median(took):.2f} s ({', '.join(f'{t:.2f}' for t in took)})")
        print(
            f"  ratio {np.median(times['decoupler, from memory']) / np.median(times['ours, from disk']):.1f}, equal sums"
        )


if __name__ == "__main__":
    main()
