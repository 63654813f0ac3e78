"""Reading parts of a GCTX file: ours beside cmapPy's parse, contiguous and in chunks of 1 MB.

python tests/benchmarks/bench_gctx.py [--signatures 100000] [--genes 12328] [--repeats 3] [--cold] [--folder /tmp]

Values are compared bit by bit first. Each reading opens the file in a process of its own, ours and cmapPy's by turns.
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
import warnings
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "bin"))
from cmapPy.pandasGEXpress.parse_gctx import parse  # noqa: E402

from scperturb_cmap.io.gctx import GeneMatrix  # noqa: E402

MATRIX, CHUNK, LANDMARKS, ROWS = "0/DATA/0/matrix", (1000, 262), 978, 4000


def generate(path: Path, n_signatures: int, n_genes: int, chunks: tuple[int, int] | None) -> None:
    """Write a GCTX of random values, of which no two signatures are alike."""
    values = np.random.default_rng(0).standard_normal((ROWS, n_genes), dtype=np.float32)
    chunks = chunks and tuple(min(pair) for pair in zip(chunks, (n_signatures, n_genes), strict=True))
    with h5py.File(path, "w") as file:
        stored = file.create_dataset(MATRIX, (n_signatures, n_genes), "f4", chunks=chunks)
        for start in range(0, n_signatures, ROWS):
            stored[start : start + ROWS] = values[: n_signatures - start]
            values += 1
        file["0/META/ROW/id"] = np.arange(n_genes).astype("S")
        file["0/META/COL/id"] = np.array([f"REP.A001_A375_24H:K{n:06d}" for n in range(n_signatures)], dtype="S")
        file.attrs["version"] = "GCTX1.0"


def cases(n_signatures: int, n_genes: int) -> dict[str, tuple[np.ndarray | None, np.ndarray | None]]:
    """What is read: name -> positions of signatures and of genes, None for all."""
    rng = np.random.default_rng(1)

    def some(n: int, most: int) -> np.ndarray:
        return np.sort(rng.choice(most, min(n, max(most // 4, 1)), replace=False))

    landmarks = some(LANDMARKS, n_genes)
    return {
        "10,000 random columns, all genes": (some(10_000, n_signatures), None),
        "978 random rows, all signatures": (None, landmarks),
        "both: 10,000 columns x 978 rows": (some(10_000, n_signatures), landmarks),
        "500 random columns x 978 landmarks": (some(500, n_signatures), landmarks),
        "1 column: little but the ids": (some(1, n_signatures), None),
        "all": (None, None),
    }


def ours(path: Path, positions: np.ndarray | None, genes: np.ndarray | None) -> np.ndarray:
    matrix = GeneMatrix(path, "gctx")
    return matrix.read(np.arange(len(matrix.signatures)) if positions is None else positions, genes)


def cmappys(path: Path, positions: np.ndarray | None, genes: np.ndarray | None) -> np.ndarray:
    warnings.simplefilter("ignore")
    chosen = {"cidx": positions, "ridx": genes}
    return parse(str(path), **{key: at.tolist() for key, at in chosen.items() if at is not None}).data_df.to_numpy().T


def equal(path: Path, *chosen: np.ndarray | None) -> bool:
    """Whether both give the same bits."""
    return np.array_equal(ours(path, *chosen).view(np.uint32), cmappys(path, *chosen).view(np.uint32))


def measure(work, path: Path, cold: bool, *chosen: np.ndarray | None) -> tuple[float, float, float]:  # noqa: ANN001
    """Seconds, peak memory and size of the result in GB."""
    if cold:
        forget(path)
    start = time.perf_counter()
    size = work(path, *chosen).nbytes
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, size / 1e9


def forget(path: Path) -> None:
    """Put the file out of the operating system's memory."""
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def raw_rate(path: Path, cold: bool, rows: int) -> float:
    """GB/s of reading the file from end to end in arrays as large as those of ``our_rate``."""
    with h5py.File(path) as file:
        n = rows * file[MATRIX].shape[1]
    if cold:
        forget(path)
    start, done = time.perf_counter(), 0
    with open(path, "rb", buffering=0) as handle:
        while size := np.fromfile(handle, np.float32, n).nbytes:
            done += size
    return done / (time.perf_counter() - start) / 1e9


def our_rate(path: Path, cold: bool, rows: int) -> float:
    """GB/s of reading all signatures in turn, some thousand at a time."""
    matrix = GeneMatrix(path, "gctx")
    if cold:
        forget(path)
    start, n = time.perf_counter(), len(matrix.signatures)
    done = sum(matrix.read(np.arange(at, min(at + rows, n))).nbytes for at in range(0, n, rows))
    return done / (time.perf_counter() - start) / 1e9


def alone(work, *arguments):  # noqa: ANN001, ANN201
    """Do it in a process of its own, so that the peak of memory is this work's."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(work, arguments)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--signatures", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=12_328)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cold", action="store_true", help="put the file out of memory before each reading")
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    packages = ", ".join(f"{name} {version(name)}" for name in ("cmapPy", "h5py", "numpy"))
    print(f"Python {platform.python_version()}, {packages}, HDF5 {h5py.version.hdf5_version}")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {'cold' if args.cold else 'warm'} files")
    for layout, chunks in (("contiguous", None), (f"chunks of {CHUNK[0]} x {CHUNK[1]}", CHUNK)):
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            path = Path(folder) / "bench.gctx"
            alone(generate, path, args.signatures, args.genes, chunks)
            size = path.stat().st_size / 1e9
            print(f"\n{args.signatures:,} signatures x {args.genes:,} genes, {layout}, {size:.2f} GB; medians")
            print(f"{'':36}{'ours, s':>10}{'cmapPy, s':>11}{'ratio':>7}{'result, GB':>12}{'peak RSS, GB':>20}")
            for name, chosen in cases(args.signatures, args.genes).items():
                assert alone(equal, path, *chosen), f"{name}: other values than cmapPy's"
                found = [
                    [alone(measure, work, path, args.cold, *chosen) for work in (ours, cmappys)]
                    for _ in range(args.repeats)
                ]
                (mine, my_peak, result), (peer, its_peak, _) = np.median(found, axis=0)
                peaks = f"{my_peak:.2f} / {its_peak:.2f}"
                print(f"{name:36}{mine:10.3f}{peer:11.3f}{peer / mine:7.1f}{result:12.2f}{peaks:>20}", flush=True)
            found = [[alone(work, path, args.cold, ROWS) for work in (our_rate, raw_rate)] for _ in range(args.repeats)]
            mine, raw = np.median(found, axis=0)
            print(f"all in turn, {ROWS:,} signatures at a time: {mine:.2f} GB/s, {mine / raw:.0%} of {raw:.2f} raw")


if __name__ == "__main__":
    main()
