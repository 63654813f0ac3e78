#!/usr/bin/env python3
"""Derive one disease signature per population of a data set, donors as replicates."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, fraction, names_of, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--sample", type=Path, required=True, help="row of the sample sheet, as CHECK_INPUTS wrote it (JSON)"
    )
    parser.add_argument(
        "--cells", type=Path, required=True, help="single cells with raw counts (h5ad), or a ready-made signature"
    )
    parser.add_argument("--cells-down", type=Path, help="down set that belongs to an up set")
    parser.add_argument("--genes", type=Path, nargs="+", required=True, help="gene tables, the first is authoritative")
    parser.add_argument("--orthologs", type=Path, help="one-to-one orthologs of another species")
    parser.add_argument("--min-cells", type=whole(1), default=10, help="fewest cells of a donor in a population")
    parser.add_argument("--min-donors", type=whole(1), default=1, help="fewest donors per arm")
    parser.add_argument(
        "--min-counts", type=whole(1), default=10, help="fewest counts of a gene over the donors of a population"
    )
    parser.add_argument(
        "--min-gene-overlap", type=fraction, default=0.5, help="smallest fraction of genes found in the gene table"
    )
    parser.add_argument(
        "--exclude-genes",
        type=names_of("mitochondrial", "ribosomal"),
        default="",
        help="mitochondrial, ribosomal or both, separated by a comma",
    )
    parser.add_argument("--resamples", type=whole(0), default=20, help="bootstraps over donors per population")
    parser.add_argument("--seed", type=whole(0), default=1, help="of the bootstraps")
    parser.add_argument("--threads", type=whole(1), default=1, help="processes for the model")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def derive_signatures(args: Namespace) -> None:
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.gene_tables import read_gene_table
    from scperturb_cmap.io.queries import is_cells
    from scperturb_cmap.io.sheets import read_row
    from scperturb_cmap.io.signature_set import write_signature_set
    from scperturb_cmap.utils.provenance import write_json

    row = read_row(args.sample, "samples")
    dataset = row["dataset"]
    derive = from_cells if is_cells(row["path"]) else from_queries
    derived, mapping, counts = derive(args, row, read_gene_table(args.genes))
    write_signature_set(derived.signatures, args.out / f"{dataset}.signatures.h5ad")
    write_signature_set(derived.resamples, args.out / f"{dataset}.resamples.h5ad")
    schemas.write_table(derived.samples, schemas.DESIGN, args.out / f"{dataset}.design.tsv")
    schemas.write_table(mapping, schemas.GENES, args.out / f"{dataset}.genes.tsv")
    obs = derived.signatures.obs
    warnings = [f"{p.population}: {p.reason}" for p in obs.itertuples() if p.reason]
    warnings += [
        f"{p.population}: {p.n_donors_case} case and {p.n_donors_control} control donors, evidence is {p.evidence}."
        for p in obs.itertuples()
        if p.evidence in ("limited", "exploratory")
    ]
    write_json(
        {"stage": "derive_signatures", "id": dataset, "warnings": warnings, **counts},
        args.out / f"{dataset}.derive_signatures.metrics.json",
    )


def from_cells(args: Namespace, row: dict, table: "GeneTable") -> tuple["Derived", "pd.DataFrame", dict]:  # noqa: F821
    """Signatures of single cells, the mapping of their genes, and counts for the metrics."""
    from scperturb_cmap import genes
    from scperturb_cmap.io.cells import NONE, Cells
    from scperturb_cmap.io.gene_tables import map_genes
    from scperturb_cmap.io.sheets import listed
    from scperturb_cmap.signatures import derive, samples

    cells = Cells(args.cells, row["layer"], name=row["path"])
    mapping = map_genes(cells.genes, row, table, args.orthologs)
    counts = genes.check_mapping(mapping, table, row["path"], args.min_gene_overlap)
    # Without donors a label of the first cell would stand for all of them.
    labels = cells.labels(row, listed(row["covariates"]) if row["donor_key"] != NONE else [])
    populations = samples.choose_populations(labels, row["case"], row["control"], listed(row["populations"]))
    codes, rows = samples.sample_codes(labels, row["case"], row["control"])
    settings = derive.Settings(
        min_cells=args.min_cells, min_donors=args.min_donors, min_counts=args.min_counts,
        exclude=args.exclude_genes, resamples=args.resamples, seed=args.seed, threads=args.threads,
    )  # fmt: skip
    derived = derive.derive_signatures(
        cells.sum_by_group(codes, len(rows)), rows, populations, mapping, table,
        dataset=row["dataset"], case=row["case"], control=row["control"], settings=settings,
    )  # fmt: skip
    counts |= {
        "n_cells": cells.n_cells,
        "n_cells_used": int(rows["n_cells"].sum()),
        "n_cells_without_donor": int((labels["donor"] == "").sum()),
        "n_resamples": derived.resamples.n_obs,
    }
    return derived, mapping, counts


def from_queries(args: Namespace, row: dict, table: "GeneTable") -> tuple["Derived", "pd.DataFrame", dict]:  # noqa: F821
    """Ready-made signatures, the mapping of their genes, and counts for the metrics."""
    import pandas as pd

    from scperturb_cmap import genes
    from scperturb_cmap.io.gene_tables import map_genes
    from scperturb_cmap.io.queries import read_queries
    from scperturb_cmap.io.sheets import listed
    from scperturb_cmap.signatures import ready_made

    queries = read_queries(args.cells, args.cells_down, row["path"], listed(row["populations"]), row["dataset"])
    mappings = [map_genes(query.table["gene"], row, table, args.orthologs) for query in queries]
    mapping = pd.concat(mappings).drop_duplicates("gene", ignore_index=True)
    counts = genes.check_mapping(mapping, table, row["path"], args.min_gene_overlap)
    names = {column: row[column] for column in ("dataset", "case", "control")}
    derived = ready_made.query_signatures(queries, mappings, table, exclude=args.exclude_genes, **names)
    return derived, mapping, counts


if __name__ == "__main__":
    sys.exit(run(build_parser(), derive_signatures))
