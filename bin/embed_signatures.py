#!/usr/bin/env python3
"""Place populations and compounds in the learned space: nearest compounds, with the genes that carry them, and a map."""

import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, limit_threads, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--embedding", type=Path, required=True, help="checkpoint of the space (json)")
    parser.add_argument(
        "--signatures", type=Path, nargs="+", required=True, help="signature sets of populations (h5ad)"
    )
    parser.add_argument(
        "--shards", type=Path, nargs="+", required=True, help="shards of the references searched (h5ad)"
    )
    parser.add_argument(
        "--min-tags", type=whole(1), default=10, help="fewest genes of the space that a population measures"
    )
    parser.add_argument("--seed", type=whole(0), default=1, help="of the map")
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def embed_signatures(args: Namespace) -> None:
    import anndata as ad
    import pandas as pd

    from scperturb_cmap.embedding import EmbeddingScore, read_checkpoint
    from scperturb_cmap.embedding.neighbours import compound_places, embedding_map, nearest_compounds
    from scperturb_cmap.embedding.retrieval import query_kinds
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.signature_set import read_about, read_signature_set, write_signature_set
    from scperturb_cmap.utils.provenance import write_json

    limit_threads(args.threads)
    checkpoint = read_checkpoint(args.embedding)
    name = args.embedding.name.removesuffix(".embedding.json")
    placed, left_out, symbols, paths = {}, [], {}, []
    for path in sorted(args.shards, key=lambda path: path.name):
        few = checkpoint.lacking(read_about(path)[1].index)
        left_out += [f"{path.name}: {few}."] if few else []
        paths += [] if few else [path]
    for path in sorted(args.signatures, key=lambda path: path.name):
        one = read_signature_set(path, "populations")
        one = one[one.obs["status"] != "skipped"]
        symbols |= one.var["symbol"].astype(str).to_dict()
        why = EmbeddingScore(checkpoint, min_genes=args.min_tags).reasons(one)
        left_out += [
            f"{population}: {reason}." for population, reason in zip(one.obs_names, why, strict=True) if reason
        ]
        for kind in checkpoint.encoders:
            mine = [
                not reason and found == kind
                for reason, found in zip(why, query_kinds(one, checkpoint.encoders), strict=True)
            ]
            if any(mine):
                part = one[mine]
                about = part.obs[["dataset", "population"]].astype(str)
                placed.setdefault(kind, []).append(ad.AnnData(part.X, about, part.var[[]]))
    tables = []
    for kind, parts in sorted(placed.items()):
        queries = ad.concat(parts, join="outer", fill_value=float("nan"))
        compounds = compound_places((read_signature_set(path) for path in paths), checkpoint, kind, args.min_tags)
        if compounds is None:
            left_out.append("No drug signature has a place in the space.")
            break
        tables.append(nearest_compounds(queries, compounds, checkpoint, kind, pd.Series(symbols)))
        found = embedding_map(queries, compounds, checkpoint, kind, args.seed)
        write_signature_set(found, args.out / f"{name}.{kind}.embedded.h5ad")
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(schemas.NEIGHBOURS.columns))
    schemas.write_table(table, schemas.NEIGHBOURS, args.out / f"{name}.neighbours.tsv")
    write_json(
        {"stage": "embed_signatures", "id": name, "warnings": left_out,
         "n_populations": int(sum(part.n_obs for parts in placed.values() for part in parts)), "n_neighbours": len(table)},
        args.out / f"{name}.embed_signatures.metrics.json",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(build_parser(), embed_signatures))
