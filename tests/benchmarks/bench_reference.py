"""Building the shards of a large GCTX: time, memory under a hard limit, and the raw read and write rates of the disk.

python tests/benchmarks/bench_reference.py [--signatures 100000] [--genes 12328] [--limit-gb 2] [--folder /tmp]

The stage runs as a command with RLIMIT_DATA (all memory that is not a file's) set to the limit: beyond, it would die.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(Path(__file__).parent))
from bench_gctx import CHUNK, generate  # noqa: E402

BLOCK = 1 << 24


def raw_rates(source: Path, target: Path) -> tuple[float, float]:
    """Read a file from start to end, and write as much, in GB/s; the file is put out of the page cache first."""
    forget(source)
    buffer, start = bytearray(BLOCK), time.perf_counter()
    with open(source, "rb", buffering=0) as handle:
        while handle.readinto(buffer):
            pass
    read = source.stat().st_size / (time.perf_counter() - start) / 1e9
    start = time.perf_counter()
    with open(target, "wb", buffering=0) as handle:
        for _ in range(source.stat().st_size // BLOCK):
            handle.write(buffer)
    written = target.stat().st_size / (time.perf_counter() - start) / 1e9
    target.unlink()
    return read, written


def forget(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
        os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def build(folder: Path, source: Path, limit: int, n_genes: int) -> tuple[float, float]:
    """Seconds and peak resident GB of the stage."""
    row = dict.fromkeys(("path_down", "geneinfo", "compoundinfo", "level", "filter", "control", "assay", "licence"), "")
    row |= {"reference": "bench", "format": "gctx", "path": source.name, "siginfo": "siginfo.txt"}
    row["sha256"] = {"path": "as CHECK_INPUTS found it", "siginfo": "as CHECK_INPUTS found it"}
    (folder / "row.json").write_text(json.dumps(row))
    out = folder / "out"
    out.mkdir()
    forget(source)
    start = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, ROOT / "bin" / "build_reference.py", "--reference", folder / "row.json", "--path", source,
         "--siginfo", folder / "siginfo.txt", "--genes", folder / "genes.tsv", "--out", out],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(f"The stage failed under the limit of {limit / 1e9:.1f} GB:\n{said}")
    written = sum(path.stat().st_size for path in out.glob("*.h5ad"))
    assert written >= 0.95 * 4 * n_genes * len(pd.read_csv(folder / "siginfo.txt", sep="\t")), "shards are incomplete"
    subprocess.run(["rm", "-r", out], check=True)
    return seconds, usage.ru_maxrss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signatures", type=int, default=100_000)
    parser.add_argument("--genes", type=int, default=12_328)
    parser.add_argument("--limit-gb", type=float, default=2)
    parser.add_argument("--folder", default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        ids = [str(n) for n in range(args.genes)]
        symbols = {"symbol": [f"G{n}" for n in ids], "ensembl_id": "", "synonyms": "", "feature_space": "inferred"}
        pd.DataFrame({"entrez_id": [str(3 * n + 7) for n in range(args.genes)]} | symbols).to_csv(
            folder / "genes.tsv", sep="\t", index=False
        )
        for layout, chunks in (("contiguous", None), ("chunks of 1 MB", CHUNK)):
            source = folder / "matrix.gctx"
            generate(source, args.signatures, args.genes, chunks)
            rename_genes(source, args.genes)
            describe(source, folder / "siginfo.txt")
            read, write = raw_rates(source, folder / "raw")
            seconds, peak = build(folder, source, int(args.limit_gb * 1e9), args.genes)
            size = source.stat().st_size / 1e9
            print(
                f"{layout}: {size:.1f} GB in {seconds:.1f} s = {size / seconds:.2f} GB/s, peak {peak:.2f} GB resident;",
                end=" ",
            )
            print(
                f"raw read {read:.2f} GB/s, raw write {write:.2f} GB/s: {size / seconds / read:.0%} of the raw read rate"
            )
            source.unlink()


def rename_genes(source: Path, n_genes: int) -> None:
    """Entrez ids that are no row numbers."""
    import h5py
    import numpy as np

    with h5py.File(source, "r+") as file:
        del file["0/META/ROW/id"]
        file["0/META/ROW/id"] = np.array([str(3 * n + 7) for n in range(n_genes)], dtype="S")


def describe(source: Path, siginfo: Path) -> None:
    """Metadata with three signatures per compound."""
    import h5py

    with h5py.File(source) as file:
        ids = [name.decode() for name in file["0/META/COL/id"][()]]
    table = pd.DataFrame(
        {"sig_id": ids, "cmap_name": [f"compound {n // 3}" for n in range(len(ids))], "pert_type": "trt_cp"}
    )
    table.assign(cell_iname="A375", pert_idose="10 uM", pert_itime="24 h").to_csv(siginfo, sep="\t", index=False)


if __name__ == "__main__":
    main()
