#!/usr/bin/env python3
"""Find for each reported drug of a data set the second drug that reverses most of what it leaves."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, run


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--drugs", type=Path, required=True, help="ranking of the data set (parquet)")
    parser.add_argument("--edges", type=Path, nargs="+", required=True, help="leading edges of all shards (parquet)")
    parser.add_argument("--genes", type=Path, nargs="+", required=True, help="query genes of all shards (parquet)")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def pair_drugs(args: Namespace) -> None:
    import pandas as pd

    from scperturb_cmap import ranking
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.parquet import read_parquet
    from scperturb_cmap.utils.provenance import write_json

    drugs = read_parquet(args.drugs)
    dataset = drugs["dataset"].iloc[0]
    edges = schemas.read_tables(args.edges, schemas.LEADING_EDGES, dataset)
    genes = schemas.read_tables(args.genes, schemas.QUERY_GENES, dataset)
    pairs = ranking.pair_drugs(drugs, edges, genes)

    # In the order of the ranking, whichever shard a drug's signature lies in.
    place = pd.MultiIndex.from_frame(drugs[["population", "compound_id"]])
    order = place.get_indexer(pd.MultiIndex.from_frame(edges[["population", "compound_id"]]))
    edges = edges.iloc[order.argsort(kind="stable")]
    schemas.write_table(edges, schemas.LEADING_EDGES, args.out / f"{dataset}.leading_edges.tsv")
    schemas.write_table(pairs, schemas.PAIRS, args.out / f"{dataset}.pairs.tsv")
    counts = {"n_reported": int(pairs["first"].notna().sum()), "n_paired": int((pairs["status"] == "ok").sum())}
    write_json(
        {"stage": "pair_drugs", "id": dataset, "warnings": [], "n_leading_genes": len(edges), **counts},
        args.out / f"{dataset}.pair_drugs.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), pair_drugs))
