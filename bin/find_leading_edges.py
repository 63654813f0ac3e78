#!/usr/bin/env python3
"""Find the genes by which each reported drug reverses its population, for the signatures of one shard."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, limit_numba, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--shard", type=Path, required=True, help="signature set of drug perturbations (h5ad)")
    parser.add_argument(
        "--signatures", type=Path, nargs="+", required=True, help="signature sets of populations (h5ad)"
    )
    parser.add_argument("--drugs", type=Path, nargs="+", required=True, help="rankings of the same data sets (parquet)")
    parser.add_argument("--n-genes", type=whole(1), default=150, help="size of the up and of the down set")
    parser.add_argument(
        "--feature-space", default="all", choices=["all", "best_inferred", "landmark"], help="genes that are compared"
    )
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def find_leading_edges(args: Namespace) -> None:
    import pandas as pd

    from scperturb_cmap import ranking
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.parquet import read_parquet
    from scperturb_cmap.io.signature_set import read_rows, read_signature_set
    from scperturb_cmap.scoring.leading_edge import find_leading_edges
    from scperturb_cmap.utils.provenance import write_json

    limit_numba(args.threads)
    needs = ("dataset", "population", "rank", "compound", "compound_id", "score", "best_reference", "best_signature")
    pairs = pd.concat([ranking.reported(read_parquet(path, needs)) for path in sorted(args.drugs)], ignore_index=True)
    shard = read_rows(args.shard, set(pairs["best_signature"].dropna()))
    # A name may stand in several references.
    pairs = pairs[pairs["best_reference"].isin(shard.obs["reference"].unique())]
    queries = [read_signature_set(path, "populations") for path in args.signatures]
    options = {"n_genes": args.n_genes, "feature_space": args.feature_space}
    edges, genes = find_leading_edges(pairs, queries, shard, **options)

    name = args.shard.name.removesuffix(".h5ad")
    schemas.write_table(edges, schemas.LEADING_EDGES, args.out / f"{name}.leading_edges.parquet")
    schemas.write_table(genes, schemas.QUERY_GENES, args.out / f"{name}.query_genes.parquet")
    counts = {
        "n_pairs": int(pairs["best_signature"].isin(shard.obs_names).sum()),
        "n_pairs_with_genes": int(edges.groupby(["dataset", "population", "compound_id"]).ngroups),
        "n_genes": len(edges),
    }
    write_json(
        {"stage": "find_leading_edges", "id": name, "warnings": [], **counts},
        args.out / f"{name}.find_leading_edges.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), find_leading_edges))
