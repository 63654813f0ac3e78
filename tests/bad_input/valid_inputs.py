"""The valid inputs that the rows damage: files of a user, and files between the stages of a run."""

import json
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from tests.conftest import make_sets, write_references

from scperturb_cmap.embedding.checkpoint import Checkpoint, write_checkpoint
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import Block, LinearEncoder
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.schemas import SCORES
from scperturb_cmap.io.signature_set import write_signature_set
from scperturb_cmap.utils.ranks import descending_ranks


def write_inputs(demo: Path, folder: Path) -> None:
    """A part of the generated demo data, small enough to be checked in a tenth of a second, and other formats of the same."""
    genes = pd.read_csv(demo / "genes.tsv", sep="\t", dtype=str, keep_default_na=False).head(150)
    genes.to_csv(folder / "genes.tsv", sep="\t", index=False)
    pd.read_csv(demo / "drugs.tsv", sep="\t", dtype=str).to_csv(folder / "drugs.tsv", sep="\t", index=False)
    for name in ("samples.csv", "references.csv"):
        shutil.copy(demo / name, folder)
    cells = ad.read_h5ad(demo / "cells.h5ad")
    mine = cells.obs["cell_type"].isin(["B cells", "NK cells"]).to_numpy()
    cells = cells[mine, cells.var_names.isin([*genes["symbol"], "NOVEL001", "NOVEL002"])][:200].copy()
    cells.layers["counts"] = cells.X.copy()
    cells.write_h5ad(folder / "cells.h5ad")
    source, info = GeneMatrix(demo / "reference.gctx", "gctx"), pd.read_csv(demo / "siginfo.txt", sep="\t", dtype=str)
    kept = np.r_[0:60, len(source.signatures) - 6 : len(source.signatures)]
    values, ids = source.read(kept, np.arange(150)), source.signatures[kept]
    info = info[info["sig_id"].isin(ids)]
    info.to_csv(folder / "siginfo.txt", sep="\t", index=False)
    with h5py.File(folder / "reference.gctx", "w") as file:
        file.create_dataset("0/DATA/0/matrix", data=values, chunks=(8, 150), compression="gzip")
        file["0/META/ROW/id"], file["0/META/COL/id"] = genes["entrez_id"].to_numpy("S"), ids.to_numpy("S")
    frame = pd.DataFrame(values.T, index=pd.Index(genes["entrez_id"], name="gene"), columns=ids)
    body = frame.reset_index().to_csv(sep="\t", index=False).replace("gene\t", "id\t", 1)
    (folder / "reference.gct").write_text(f"#1.3\n{len(frame)}\t{len(ids)}\t0\t0\n{body}")
    frame.to_csv(folder / "plain.tsv", sep="\t")
    frame.to_parquet(folder / "plain.parquet")
    obs = info.set_index("sig_id").loc[ids]
    ad.AnnData(values, obs, pd.DataFrame(index=genes["entrez_id"].to_numpy())).write_h5ad(folder / "signatures.h5ad")
    names, symbols = [f"{drug}@MCF7#1e-05M_1" for drug in ("demo-a", "demo-b")], genes["symbol"].tolist()
    sides = {"up": (0, 50), "down": (50, 0)}
    for side, starts in sides.items():
        rows = [[name, "na", *symbols[start : start + 50]] for name, start in zip(names, starts, strict=True)]
        (folder / f"{side}.gmt").write_text("\n".join(map("\t".join, rows)) + "\n")
        (folder / f"{side}.grp").write_text("\n".join(symbols[starts[0] : starts[0] + 50]) + "\n")
    lines = [["x_UP", "na", *symbols[:40]], ["x_DN", "na", *symbols[40:80]]]
    (folder / "sets.gmt").write_text("\n".join(map("\t".join, lines)) + "\n")
    z = np.linspace(4, -4, 80)
    (folder / "list.rnk").write_text("".join(f"{gene}\t{one:.3f}\n" for gene, one in zip(symbols, z, strict=False)))
    de = pd.DataFrame({"gene": symbols[:80], "cluster": "B", "avg_log2FC": z, "p_val": 0.01, "p_val_adj": 0.02})
    de.to_csv(folder / "de.csv", index=False)
    labels = {"perturbation": np.repeat(["control", "a"], 20), "cell_line": "A", "batch": "1", "dose_value": "1"}
    counts = np.random.default_rng(0).poisson(5, (40, 150)).astype(np.float32)
    obs = pd.DataFrame(labels, index=[f"c{n}" for n in range(40)], dtype=object)
    ad.AnnData(counts, obs, pd.DataFrame(index=symbols)).write_h5ad(folder / "atlas.h5ad")
    pairs = pd.DataFrame({"gene": [symbol.capitalize() for symbol in symbols], "human_gene": symbols})
    pairs.to_csv(folder / "orthologs.tsv", sep="\t", index=False)
    geneinfo = genes.rename(columns={"entrez_id": "gene_id", "symbol": "gene_symbol"})
    geneinfo.to_csv(folder / "geneinfo.txt", sep="\t", index=False)
    info[["pert_id", "cmap_name"]].to_csv(folder / "compoundinfo.txt", sep="\t", index=False)
    drugs = info["cmap_name"].unique()[:5]
    pd.DataFrame({"dataset": "demo", "compound": drugs}).to_csv(folder / "indications.tsv", sep="\t", index=False)
    pd.DataFrame({"dataset": "demo", "compound": drugs, "sensitivity": 0.5}).to_csv(
        folder / "sensitivity.tsv", sep="\t", index=False
    )
    files = ["lib.shard_0000.h5ad", "lib.genes.tsv", "lib.reference_queries.h5ad"]
    for name in files:
        (folder / name).write_text(name)
    entries = [{"file": name, "sha256": "0" * 64, "bytes": len(name)} for name in files]
    library = {"kind": "scPerturb-CMap library 1", "reference": "lib", "files": entries}
    (folder / "lib.library.json").write_text(json.dumps(library))
    reference = dict.fromkeys(
        ("path_down", "geneinfo", "compoundinfo", "level", "filter", "control", "assay", "licence"), ""
    )
    reference |= {
        "reference": "lib",
        "path": "reference.gctx",
        "format": "gctx",
        "role": "both",
        "siginfo": "siginfo.txt",
    }
    (folder / "lib.reference.json").write_text(json.dumps(reference))
    sample = dict.fromkeys(("path_down", "populations", "covariates", "layer", "organism", "cell_type_key"), "")
    sample |= dict.fromkeys(("condition_key", "case", "control", "donor_key"), "")
    (folder / "mine.sample.json").write_text(json.dumps(sample | {"dataset": "mine", "path": "de.csv"}))
    cells = {"cell_type_key": "cell_type", "condition_key": "condition", "donor_key": "donor", "case": "disease"}
    cells |= {"control": "healthy", "dataset": "demo", "path": "cells.h5ad"}
    (folder / "demo.sample.json").write_text(json.dumps(sample | cells))


def write_run(folder: Path) -> None:
    """What stages hand to each other: signatures, shards, scores, rankings, a checkpoint, libraries, notebooks."""
    rng, n = np.random.default_rng(8), 90
    ill = np.linspace(4, -4, n)
    shard, queries = make_sets(-ill + rng.normal(0, 2, (6, n)), np.stack([ill, ill[::-1]]))
    shard.obs["reference"], shard.obs["tas"] = "lib", 0.5
    shard.layers["rank"] = descending_ranks(np.asarray(shard.X))
    write_signature_set(shard, folder / "lib.shard_0000.h5ad", compression=None)
    counts = [column for column in queries.obs if column.startswith("n_")]
    queries.obs = queries.obs.assign(**dict.fromkeys(counts, 3), design="unpaired", evidence="replicated", reason="")
    write_signature_set(queries, folder / "d.signatures.h5ad")
    scores = pd.DataFrame({column: ["x"] * 6 if kind == "string" else 1 for column, kind in SCORES.items()})
    scores = scores.assign(
        dataset="d", population="population0", signature=shard.obs_names, reference="lib", status="ok"
    )
    scores = scores.assign(
        compound=[f"Drug {i}" for i in range(6)], reason="", cosine=np.linspace(-0.9, 0.4, 6), p_value=0.5
    )
    scores = scores.assign(compound_id=scores["compound"], pert_type="trt_cp", dose_um=1.0, time_h=6.0, tas=0.5)
    pd.concat([scores, scores.assign(population="population1")]).to_parquet(folder / "lib.shard_0000.scores.parquet")
    wide = pd.DataFrame({"reference": "lib", "signature": shard.obs_names, "lib|sig0": np.linspace(-1, 1, 6)})
    wide.to_parquet(folder / "lib.shard_0000.reference_queries.parquet", index=False)
    drugs = pd.DataFrame({"best_signature": shard.obs_names, "score": np.linspace(-0.9, -0.1, 6), "rank": range(1, 7)})
    drugs = drugs.assign(compound=scores["compound"], compound_id=scores["compound"], best_reference="lib", reason="")
    drugs.assign(dataset="d", population="population0").to_parquet(folder / "d.drugs.parquet")
    edges = {
        "dataset": "d",
        "population": "population0",
        "compound": "Drug 0",
        "compound_id": "Drug 0",
        "signature": "sig0",
    }
    edges |= {"gene_key": ["0"], "symbol": "", "set": "up", "disease_z": 4.0, "drug_z": -4.0, "drug_rank": 90}
    pd.DataFrame(edges).to_parquet(folder / "lib.shard_0000.leading_edges.parquet")
    genes = {
        "dataset": ["d"],
        "population": "population0",
        "gene_key": "0",
        "symbol": "",
        "set": "up",
        "disease_z": 4.0,
    }
    pd.DataFrame(genes).to_parquet(folder / "lib.shard_0000.query_genes.parquet")
    keys = [str(i) for i in range(n)]
    axes = np.linalg.qr(rng.normal(size=(n, 4)))[0].astype(np.float32)
    encoders = {"profile": LinearEncoder([Block("plain", axes, axes)])}
    space = Checkpoint(encoders, {"profile": keys}, keys, Centring({"": np.zeros(n, np.float32)}), {"warnings": []})
    write_checkpoint(space, folder / "run.embedding.json")
    write_references(folder, 30)
    known = [(f"q{q}", f"i{i}", float(i == q)) for q in range(12) for i in range(15)]
    pd.DataFrame(known, columns=["query", "item", "tool"]).to_csv(folder / "scores.tsv", sep="\t", index=False)
    labels = pd.DataFrame({"query": [f"q{q}" for q in range(12)], "item": [f"i{q}" for q in range(12)], "label": "1"})
    labels.to_csv(folder / "labels.tsv", sep="\t", index=False)
    cells = [{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Overview"}]
    page = {"cells": cells, "metadata": {"report": {"page": "index"}}, "nbformat": 4, "nbformat_minor": 5}
    (folder / "01_overview.ipynb").write_text(json.dumps(page))
    first = {"cell_type": "code", "id": "b", "metadata": {"tags": ["parameters"]}, "source": "results = '.'"}
    first |= {"outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "page.ipynb").write_text(json.dumps(page | {"cells": [first], "metadata": {"kernelspec": kernel}}))
    (folder / "parameters.json").write_text('{"results": "."}')
    (folder / "logo.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>')
    (folder / "run.params.json").write_text("{}")
    pd.DataFrame({"dataset": ["d"], "compound": "drug-1"}).to_csv(folder / "indications.tsv", sep="\t", index=False)
