#!/usr/bin/env python3
"""Build the signature-set shards of one reference, with its quality funnel."""

import json
import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, run


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--reference", type=Path, required=True, help="row of the reference sheet, as CHECK_INPUTS wrote it (JSON)"
    )
    parser.add_argument("--matrix", type=Path, required=True, help="GCTX or GCT file, genes x signatures")
    parser.add_argument("--siginfo", type=Path, help="signature metadata; the matrix' own by default")
    parser.add_argument("--geneinfo", type=Path, help="gene metadata of the reference, adds to the gene tables")
    parser.add_argument("--genes", type=Path, nargs="+", required=True, help="gene tables, the first is authoritative")
    parser.add_argument(
        "--min-gene-overlap", type=float, default=0.5, help="smallest fraction of genes found in the gene table"
    )
    parser.add_argument("--shard-size", type=int, default=10_000, help="most signatures in a shard")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def build_reference(args: Namespace) -> None:
    from scperturb_cmap import genes, reference
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.gctx import GeneMatrix
    from scperturb_cmap.io.gene_tables import read_gene_table
    from scperturb_cmap.io.signature_set import write_signature_set
    from scperturb_cmap.io.tables import read_text_table
    from scperturb_cmap.utils.provenance import write_json

    row = json.loads(args.reference.read_text())
    name = row["reference"]
    table = read_gene_table([*args.genes, args.geneinfo] if args.geneinfo else args.genes)
    matrix = GeneMatrix(args.matrix, row["format"], name=row["path"])
    mapping = table.map(matrix.genes)
    counts = genes.check_mapping(mapping, table, row["path"], args.min_gene_overlap)
    siginfo = read_text_table(args.siginfo, row["siginfo"], reference.COLUMNS) if args.siginfo else matrix.metadata
    described, warnings = reference.harmonise_metadata(siginfo, row["siginfo"] or row["path"])
    metadata, funnel = reference.quality_funnel(described, matrix.signatures, row)

    positions = matrix.signatures.get_indexer(metadata.index)
    shards = reference.build_shards(matrix.read, positions, metadata, mapping, table, name, args.shard_size)
    n_empty = 0
    for number, shard in enumerate(shards):
        write_signature_set(shard, args.out / f"{name}.shard_{number:04d}.h5ad")
        n_empty += int((shard.obs["status"] == "empty").sum())
    schemas.write_table(funnel, schemas.FUNNEL, args.out / f"{name}.funnel.tsv")
    schemas.write_table(mapping, schemas.GENES, args.out / f"{name}.genes.tsv")
    warnings += [f"{n_empty} signatures have no value."] if n_empty else []
    sizes = {"n_signatures": len(metadata), "n_compounds": metadata["compound_id"].nunique(), "n_shards": number + 1}
    write_json(
        {"stage": "build_reference", "id": name, "warnings": warnings, **sizes, **counts},
        args.out / f"{name}.build_reference.metrics.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), build_reference))
