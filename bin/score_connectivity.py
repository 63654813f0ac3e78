#!/usr/bin/env python3
"""Score every population of a run against one shard of a reference."""

import sys
from argparse import Namespace
from contextlib import ExitStack
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, check_headline, check_methods, limit_threads, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--signatures", type=Path, nargs="+", required=True, help="signature sets of populations (h5ad)"
    )
    parser.add_argument("--shard", type=Path, required=True, help="signature set of drug perturbations (h5ad)")
    parser.add_argument(
        "--resamples", type=Path, nargs="*", default=[], help="the same populations with other donors (h5ad)"
    )
    parser.add_argument(
        "--reference-queries",
        type=Path,
        nargs="*",
        default=[],
        help="signatures that have nothing to do with the disease (h5ad)",
    )
    parser.add_argument("--methods", default="cosine,spearman,wtcs", help="connectivity scores, separated by commas")
    parser.add_argument("--embedding", type=Path, help="checkpoint of a learned space, for the method embedding (json)")
    parser.add_argument("--headline", default="spearman", help="the score of resamples, reference queries and p-values")
    parser.add_argument(
        "--random-queries", type=whole(0), default=1000, help="random queries each pair is compared with"
    )
    parser.add_argument("--seed", type=whole(0), default=1, help="of the random queries")
    parser.add_argument("--n-genes", type=whole(1), default=150, help="size of the up and of the down set")
    parser.add_argument(
        "--min-tags", type=whole(1), default=10, help="fewest genes of a set, and in common, for a score"
    )
    parser.add_argument(
        "--feature-space", default="all", choices=["all", "best_inferred", "landmark"], help="genes that are compared"
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "gpu"], help="where to compute")
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def score_connectivity(args: Namespace) -> None:
    import numpy as np

    from scperturb_cmap import scoring
    from scperturb_cmap.embedding import EmbeddingScore, read_checkpoint
    from scperturb_cmap.io.schemas import scores_writer
    from scperturb_cmap.io.signature_set import read_background, read_signature_set
    from scperturb_cmap.io.wide_scores import wide_scores_writer
    from scperturb_cmap.utils.errors import InputError, Problem
    from scperturb_cmap.utils.provenance import write_json

    methods = list(dict.fromkeys(args.methods.split(",")))
    check_methods(methods, [*scoring.SCORES, EmbeddingScore.name])
    if EmbeddingScore.name in methods and not args.embedding:
        remedy = "Give its checkpoint (--embedding), or leave the method out."
        raise InputError(Problem("--methods", "", "The method embedding needs a learned space.", remedy))
    check_headline(args.headline, methods)
    limit_threads(args.threads)
    shard = read_signature_set(args.shard, "perturbations")
    name, reference = args.shard.name.removesuffix(".h5ad"), str(shard.obs["reference"].iloc[0])
    background = {
        what: read_background(paths)
        for what, paths in (("reference_queries", args.reference_queries), ("resamples", args.resamples))
    }
    learned = None
    if EmbeddingScore.name in methods:
        options = {"min_genes": args.min_tags, "n_random": args.random_queries, "seed": args.seed}
        learned = EmbeddingScore(read_checkpoint(args.embedding), **options)
    counts = {"n_scores": 0, "n_incomplete": 0}
    scored = scoring.score_blocks(
        [read_signature_set(path, "populations") for path in args.signatures], shard, methods,
        {what: queries for what, queries in background.items() if queries is not None}, headline=args.headline,
        n_random=args.random_queries, seed=args.seed, n_genes=args.n_genes, min_tags=args.min_tags,
        feature_space=args.feature_space, device=args.device, learned=learned,
    )  # fmt: skip
    with ExitStack() as files:
        # Three tables of one pass: written side by side, block by block.
        write = files.enter_context(scores_writer([*methods, "p_value"], args.out / f"{name}.scores.parquet"))
        wide = {
            what: files.enter_context(
                wide_scores_writer(
                    [] if queries is None else list(queries.obs_names), args.out / f"{name}.{what}.parquet"
                )
            )
            for what, queries in background.items()
        }
        for block in scored:
            counts["n_scores"] += len(block.table)
            counts["n_incomplete"] += int((block.table["status"] != "ok").sum())
            write(block.table if args.random_queries else block.table.assign(p_value=np.nan))
            for what, table in block.background.items():
                wide[what](reference, table)
    device = str(scoring.choose_device(args.device))
    write_json(
        {"stage": "score_connectivity", "id": name, "warnings": [], "device": device, **counts},
        args.out / f"{name}.score_connectivity.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), score_connectivity))
