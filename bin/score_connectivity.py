#!/usr/bin/env python3
"""Score every population of a run against one shard of a reference."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, run


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--signatures", type=Path, nargs="+", required=True, help="signature sets of populations (h5ad)"
    )
    parser.add_argument("--shard", type=Path, required=True, help="signature set of drug perturbations (h5ad)")
    parser.add_argument("--methods", default="cosine,spearman,wtcs", help="connectivity scores, separated by commas")
    parser.add_argument("--n-genes", type=int, default=150, help="size of the up and of the down set")
    parser.add_argument("--min-tags", type=int, default=10, help="fewest genes of a set, and in common, for a score")
    parser.add_argument(
        "--feature-space", default="all", choices=["all", "best_inferred", "landmark"], help="genes that are compared"
    )
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "gpu"], help="where to compute")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def score_connectivity(args: Namespace) -> None:
    import numba
    import torch

    from scperturb_cmap import scoring
    from scperturb_cmap.io.schemas import write_scores
    from scperturb_cmap.io.signature_set import read_signature_set
    from scperturb_cmap.utils.errors import InputError, Problem
    from scperturb_cmap.utils.provenance import write_json

    methods = list(dict.fromkeys(args.methods.split(",")))
    if unknown := set(methods) - set(scoring.SCORES):
        raise InputError(Problem(
            "--methods", "", f"{', '.join(sorted(unknown))} is not known.", f"Choose among {', '.join(scoring.SCORES)}.",
        ))  # fmt: skip
    torch.set_num_threads(args.threads)
    numba.set_num_threads(min(args.threads, numba.config.NUMBA_NUM_THREADS))
    shard = read_signature_set(args.shard)
    name = args.shard.name.removesuffix(".h5ad")
    counts = {"n_scores": 0, "n_incomplete": 0}

    def blocks():
        queries = [read_signature_set(path) for path in args.signatures]
        options = {"n_genes": args.n_genes, "min_tags": args.min_tags, "device": args.device}
        for table in scoring.score_signatures(queries, shard, methods, feature_space=args.feature_space, **options):
            counts["n_scores"] += len(table)
            counts["n_incomplete"] += int((table["status"] != "ok").sum())
            yield table

    write_scores(blocks(), methods, args.out / f"{name}.scores.parquet")
    device = str(scoring.choose_device(args.device))
    write_json(
        {"stage": "score_connectivity", "id": name, "warnings": [], "device": device, **counts},
        args.out / f"{name}.score_connectivity.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), score_connectivity))
