#!/usr/bin/env python3
"""Rank the drugs for every population of one data set."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, check_headline, limit_numba, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--signatures", type=Path, required=True, help="signature set of the data set (h5ad)")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="scores of all shards (parquet)")
    parser.add_argument(
        "--reference-queries", type=Path, nargs="*", default=[], help="their scores, all shards (parquet)"
    )
    parser.add_argument(
        "--resamples", type=Path, nargs="*", default=[], help="scores of resampled donors, all shards (parquet)"
    )
    parser.add_argument(
        "--compounds", type=Path, nargs="*", default=[], help="<reference>.compounds.tsv of the references"
    )
    parser.add_argument("--drugs", type=Path, help="drug annotation")
    parser.add_argument("--methods", default="cosine,spearman,wtcs", help="connectivity scores, separated by commas")
    parser.add_argument("--headline", default="spearman", help="the score that decides the rank")
    parser.add_argument(
        "--aggregation",
        default="z",
        choices=["z", "maxq", "mean", "best", "srges"],
        help="how signatures make a drug's score",
    )
    parser.add_argument("--seed", type=whole(0), default=1, help="of the permutations")
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def rank_drugs(args: Namespace) -> None:
    from scperturb_cmap import ranking
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.signature_set import read_signature_set
    from scperturb_cmap.io.tables import read_text_table
    from scperturb_cmap.io.wide_scores import WideScores
    from scperturb_cmap.reference import read_compounds
    from scperturb_cmap.reference.identity import names_of_compounds, unify_compounds, unite_compounds
    from scperturb_cmap.utils.provenance import write_json

    def wide_scores(paths):
        return WideScores(paths) if paths else None

    limit_numba(args.threads)
    methods = list(dict.fromkeys(args.methods.split(",")))
    check_headline(args.headline, methods)
    signatures = read_signature_set(args.signatures, "populations")
    populations = signatures.obs.reset_index(drop=True)
    dataset = populations["dataset"].iloc[0]
    tables = read_compounds(args.compounds, [])
    identity = unify_compounds(tables)
    names = names_of_compounds(tables, identity)
    annotation = (
        ranking.harmonise_annotation(read_text_table(args.drugs), args.drugs.name, names) if args.drugs else None
    )

    def scores_of(population):
        table = schemas.read_scores(args.scores, dataset, population, [*methods, "p_value"])
        return unite_compounds(table, identity)

    with schemas.connections_writer(args.out / f"{dataset}.connections.parquet") as write:
        ranked = ranking.rank_drugs(
            scores_of, populations, methods, args.headline,
            aggregation=args.aggregation, reference_queries=wide_scores(args.reference_queries),
            resamples=wide_scores(args.resamples), write_connections=write,
        )  # fmt: skip
    drugs = ranking.annotate(ranked.drugs, annotation)
    populations = ranking.describe_populations(signatures, ranked)

    schemas.write_table(drugs, schemas.DRUGS, args.out / f"{dataset}.drugs.tsv")
    schemas.write_table(drugs, schemas.DRUGS, args.out / f"{dataset}.drugs.parquet")
    enriched = ranking.enrich_ranking(drugs, annotation, ranked.null, seed=args.seed)
    schemas.write_table(enriched, schemas.ENRICHMENT, args.out / f"{dataset}.enrichment.tsv")
    schemas.write_table(populations, schemas.POPULATIONS, args.out / f"{dataset}.populations.tsv")
    unranked = drugs[drugs["rank"].isna()]
    write_json(
        {
            "stage": "rank_drugs",
            "id": dataset,
            "n_populations_ranked": (n_ranked := int(drugs.loc[drugs["rank"].notna(), "population"].nunique())),
            "n_populations_left_out": int(drugs["population"].nunique()) - n_ranked,
            "n_drugs": int(drugs["compound_id"].nunique()),
            "warnings": [
                *(unranked["population"] + ": " + unranked["reason"]),
                *(
                    f"{p.population}: {p.caution}, {p.n_genes_shared} genes in common with drugs, {p.n_changed_shared} changed."
                    for p in populations.itertuples()
                    if p.caution
                ),
            ],
        },
        args.out / f"{dataset}.rank_drugs.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), rank_drugs))
