#!/usr/bin/env python3
"""Measure what each stage costs per signature and population, for tools/plan_run.py.

python tools/measure_units.py [--genes 12328] [--signatures 600 1800] [--populations 2 6] [--out tools/units.json]

Runs the stages' own scripts on made-up signatures, one after the other with one thread, and takes CPU time and the largest
memory of each from the operating system. From few and many signatures with few and many populations follow a start, and what a
signature, a population, and a pair of both cost. Made-up signatures should be as many as an idle machine allows.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "bin"))
from scperturb_cmap.io.signature_set import POPULATION_COLUMNS, signature_set, write_signature_set  # noqa: E402

#: Resamples of a population of eight donors: 20 bootstraps, and each donor left out once.
RESAMPLES = 28
PER_COMPOUND, LINES = 6, ("A375", "MCF7", "PC3")
#: Stages that know nothing of populations.
ALONE = ("BUILD_REFERENCE",)
METHODS = "cosine,spearman,wtcs"


def make_reference(folder: Path, n: int, genes: pd.DataFrame) -> None:
    """Signatures of made-up compounds as an h5ad, a row of a reference sheet for it, and the gene table."""
    import anndata as ad

    rng = np.random.default_rng(n)
    obs = pd.DataFrame({
        "pert_name": [f"compound {k // PER_COMPOUND}" for k in range(n)], "pert_type": "trt_cp",
        "cell_line": [LINES[k % len(LINES)] for k in range(n)], "dose": 10.0, "dose_unit": "uM", "time": 24.0,
        "tas": rng.random(n), "n_replicates": 3.0,
    }, index=[f"s{k}" for k in range(n)])  # fmt: skip
    shared = rng.standard_normal((n // PER_COMPOUND + 1, len(genes)), dtype=np.float32)
    values = rng.standard_normal((n, len(genes)), dtype=np.float32) + shared[np.arange(n) // PER_COMPOUND]
    ad.AnnData(values, obs, pd.DataFrame(index=genes["symbol"].to_numpy())).write_h5ad(folder / "source.h5ad")
    empty = dict.fromkeys(("path_down", "siginfo", "geneinfo", "compoundinfo", "filter", "control", "licence"), "")
    row = {"reference": "r", "path": "source.h5ad", "format": "signatures", "role": "both", "level": "5"}
    (folder / "reference.json").write_text(json.dumps(empty | row | {"sha256": {"path": ""}}))
    genes.to_csv(folder / "genes.tsv", sep="\t", index=False)


def make_populations(folder: Path, n: int, genes: pd.DataFrame) -> None:
    """Signatures of ``n`` populations of one data set, and their resamples."""
    rng = np.random.default_rng(n)
    var = genes.set_index("entrez_id")[["symbol", "feature_space"]]
    names = [f"population {k}" for k in range(n)]
    about = {"dataset": "d", "design": "unpaired", "covariates": "", "evidence": "replicated", "effect": "wald_z"}
    about |= {"status": "ok", "reason": ""}
    about |= dict.fromkeys([c for c in POPULATION_COLUMNS if c.startswith("n_")], 8)
    obs = pd.DataFrame("x", [f"d|{name}" for name in names], list(POPULATION_COLUMNS)).assign(population=names, **about)
    values = 3 * rng.standard_normal((n, len(var)))
    write_signature_set(
        signature_set(values, obs, var, "wald_z", {"fdr": np.full(values.shape, 0.01)}), folder / "d.signatures.h5ad"
    )
    again = obs.loc[obs.index.repeat(RESAMPLES)].assign(resample=[f"bootstrap {k + 1}" for k in range(RESAMPLES)] * n)
    again.index = again.index + "|" + again["resample"]
    values = np.repeat(values, RESAMPLES, axis=0) + rng.standard_normal((n * RESAMPLES, len(var)))
    write_signature_set(signature_set(values, again, var, "wald_z"), folder / "d.resamples.h5ad")


def stages() -> dict[str, str]:
    """The commands of the stages that grow with both, in their order; the learned space is left out, which is bounded."""
    sets = "--signatures d.signatures.h5ad"
    return {
        "BUILD_REFERENCE": "--reference reference.json --path source.h5ad --genes genes.tsv --shard-size 1000000",
        "SCORE_CONNECTIVITY": f"{sets} --resamples d.resamples.h5ad --reference-queries r.reference_queries.h5ad"
        f" --shard r.shard_0000.h5ad --methods {METHODS} --headline spearman --device cpu",
        "RANK_DRUGS": f"{sets} --scores r.shard_0000.scores.parquet --resamples r.shard_0000.resamples.parquet"
        f" --reference-queries r.shard_0000.reference_queries.parquet --methods {METHODS} --headline spearman",
        "FIND_LEADING_EDGES": f"--shard r.shard_0000.h5ad {sets} --drugs d.drugs.parquet",
        "PAIR_DRUGS": "--drugs d.drugs.parquet --edges r.shard_0000.leading_edges.parquet"
        " --genes r.shard_0000.query_genes.parquet",
    }


def elsewhere(function: Callable, *arguments: object) -> None:
    """Call it in another process: a child's largest memory is never said to be less than its parent had when it was started."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{function.__name__} failed; its message is above.")


def cost(folder: Path, stage: str, options: str) -> tuple[float, float]:
    """CPU seconds and peak GB of a stage's script."""
    command = [sys.executable, ROOT / "bin" / f"{stage.lower()}.py", *options.split(), "--log-level", "warning"]
    child = subprocess.Popen(list(map(str, command)), cwd=folder)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(f"{stage} failed; its message is above.")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def measure(n_genes: int, signatures: list[int], populations: list[int]) -> dict[str, dict[str, list[float]]]:
    """Stage -> CPU seconds and GB at (few, few), (many, few), (few, many), (many, many) signatures and populations."""
    genes = pd.DataFrame(
        {"entrez_id": [str(k + 1) for k in range(n_genes)], "symbol": [f"GENE{k}" for k in range(n_genes)]}
    )
    genes["feature_space"] = np.where(np.arange(n_genes) < 978, "landmark", "best inferred")
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as place:
        os.environ |= {"NUMBA_CACHE_DIR": f"{place}/numba", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        few = (signatures[0], populations[0])
        for number, size in enumerate(
            (
                few,
                few,
                (signatures[1], populations[0]),
                (signatures[0], populations[1]),
                (signatures[1], populations[1]),
            )
        ):
            folder = Path(place) / f"{size[0]}"
            if not folder.exists():
                folder.mkdir()
                elsewhere(make_reference, folder, size[0], genes)
            elsewhere(make_populations, folder, size[1], genes)
            for stage, options in stages().items():
                kept = found.setdefault(stage, {"cpu_s": [], "gb": []})
                # The first round fills numba's cache; populations are nothing to some stages.
                again = number < 3 or stage not in ALONE
                cpu, peak = cost(folder, stage, options) if again else (kept["cpu_s"][-2], kept["gb"][-2])
                kept["cpu_s"].append(round(cpu, 2))
                kept["gb"].append(round(peak, 3))
                size_said = f"{size[0]:7,} signatures, {size[1]:3} populations"
                print(f"{size_said}: {stage:20} {cpu:7.1f} s {peak:5.2f} GB", flush=True)
    for kept in found.values():
        # The first round compiled, the second at the same size did not; in a run every task compiles for itself.
        compiling = max(0.0, kept["cpu_s"][0] - kept["cpu_s"][1])
        kept["cpu_s"] = [round(cpu + compiling, 2) for cpu in kept["cpu_s"][1:]]
        kept["gb"] = kept["gb"][1:]
    return found


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--genes", type=int, default=12_328)
    parser.add_argument("--signatures", type=int, nargs=2, default=[600, 1800])
    parser.add_argument("--populations", type=int, nargs=2, default=[2, 6])
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("units.json"))
    args = parser.parse_args()
    about = {
        "n_genes": args.genes,
        "signatures": args.signatures,
        "populations": args.populations,
        "load": os.getloadavg()[0],
    }
    about["stages"] = measure(args.genes, args.signatures, args.populations)
    args.out.write_text(json.dumps(about, indent=1) + "\n")


if __name__ == "__main__":
    main()
