#!/usr/bin/env python3
"""Build the signature-set shards of one reference, with its quality funnel."""

import shutil
import sys
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, fraction, limit_numba, run, whole


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument(
        "--reference", type=Path, required=True, help="row of the reference sheet, as CHECK_INPUTS wrote it (JSON)"
    )
    parser.add_argument("--path", type=Path, required=True, help="matrix, up sets, cells, or <reference>.library.json")
    parser.add_argument("--path-down", type=Path, help="down sets (GMT)")
    parser.add_argument("--siginfo", type=Path, help="signature metadata; those in the file by default")
    parser.add_argument("--geneinfo", type=Path, help="gene metadata of the reference, adds to the gene tables")
    parser.add_argument("--compoundinfo", type=Path, help="names and structures of compounds")
    parser.add_argument("--library-files", type=Path, nargs="*", default=[], help="files of a finished library")
    parser.add_argument("--genes", type=Path, nargs="+", required=True, help="gene tables, the first is authoritative")
    parser.add_argument(
        "--min-gene-overlap", type=fraction, default=0.5, help="smallest fraction of genes found in the gene table"
    )
    parser.add_argument("--shard-size", type=whole(1), default=10_000, help="most signatures in a shard")
    parser.add_argument("--seed", type=whole(0), default=1, help="of the draw of reference queries and vehicles")
    parser.add_argument("--code-digest", default="", help="digest of the library, recorded in the library file")
    parser.add_argument(
        "--copy-files", action="store_true", help="copy the files of a finished library, where links get lost"
    )
    parser.add_argument("--threads", type=whole(1), default=1, help="CPU threads")
    parser.add_argument("--out", type=Path, default=Path("."), help="folder for the results")
    return parser


def build_reference(args: Namespace) -> None:
    from scperturb_cmap.io.sheets import read_row

    limit_numba(args.threads)
    row = read_row(args.reference, "references")
    (use_library if row["format"] == "library" else build)(args, row)


def use_library(args: Namespace, row: dict) -> None:
    """A finished library is not built again: its files are checked and passed on."""
    from scperturb_cmap.reference import check_library_files, read_library

    about = read_library(args.path, row)
    check_library_files(about, args.library_files, row["path"])
    for path in [args.path, *args.library_files]:
        target = args.out / (f"{row['reference']}.library.json" if path == args.path else path.name)
        if target.exists() and target.samefile(path):
            continue
        target.unlink(missing_ok=True)
        shutil.copyfile(path, target) if args.copy_files else target.symlink_to(path.resolve())


def build(args: Namespace, row: dict) -> None:
    """Read, filter and harmonise a reference, and write it in shards."""
    import pandas as pd

    from scperturb_cmap import reference
    from scperturb_cmap.io import schemas
    from scperturb_cmap.io.gene_tables import read_gene_table
    from scperturb_cmap.io.sheets import FILES, assay_of
    from scperturb_cmap.io.signature_set import write_signature_set
    from scperturb_cmap.utils.provenance import file_sha256, write_json

    name = row["reference"]
    files = {column: getattr(args, column) for column in FILES if getattr(args, column)}
    table = read_gene_table([*args.genes, args.geneinfo] if args.geneinfo else args.genes)
    opened = reference.open_reference(row, files)
    mapping, counts = opened.map_genes(table, row["path"], args.min_gene_overlap)
    if row["level"] in ("3", "4"):
        landmarks = table.genes.index[table.genes["feature_space"] == "landmark"]
        opened = reference.collapse_wells(opened, row, mapping["gene_key"].isin(landmarks).to_numpy())
    metadata, funnel = reference.quality_funnel(opened.metadata, opened.signatures, row, opened.steps)

    queries = reference.choose_reference_queries(metadata, args.seed)
    vehicles = reference.find_vehicles(opened.metadata, metadata.index, opened.signatures, args.seed)

    def shards_of(rows, size):
        positions = opened.signatures.get_indexer(rows.index)
        order = positions.argsort()  # sources are read in their order
        return reference.build_shards(
            opened.read, positions[order], rows.iloc[order], mapping, table, name, opened.effect, size
        )

    background = args.out / f"{name}.reference_queries.h5ad"
    for shard in shards_of(metadata.iloc[queries], len(queries)):
        write_signature_set(shard, background)
        del shard
    shards = shards_of(pd.concat([metadata, vehicles]), args.shard_size)
    written, n_empty = [background], 0
    with ThreadPoolExecutor(1) as pool:  # one shard is read while the checksum of the one before is taken
        digests = {}
        for shard in shards:
            path = args.out / f"{name}.shard_{len(digests):04d}.h5ad"
            write_signature_set(shard, path, compression=None)
            n_empty += int((shard.obs["status"] == "empty").sum())
            digests[path] = pool.submit(file_sha256, path)
            del shard  # or it would be held while the next one is made (enumerate would hold it, too)
    n_kept = opened.compounds["compound_id"].map(metadata["compound_id"].value_counts()).fillna(0)
    kept = opened.compounds.assign(n_signatures=n_kept.astype(int))[n_kept > 0]
    tables = [
        ("funnel", schemas.FUNNEL, funnel),
        ("genes", schemas.GENES, mapping),
        ("compounds", schemas.COMPOUNDS, kept),
    ]
    if opened.left is not None:
        tables.append(("left_out", schemas.LEFT_OUT, opened.left))
    for kind, schema, content in tables:
        written.append(args.out / f"{name}.{kind}.tsv")
        schemas.write_table(content, schema, written[-1])
    warnings = opened.warnings + ([f"{n_empty} signatures have no value."] if n_empty else [])
    sizes = {
        "n_signatures": len(metadata),
        "n_compounds": metadata["compound_id"].nunique(),
        "n_compounds_merged": int((kept["merged_by"] != "").sum()),
        "n_shards": len(digests),
        "n_vehicles": len(vehicles),
        "n_reference_queries": len(queries),
    }
    written.append(args.out / f"{name}.build_reference.metrics.json")
    write_json({"stage": "build_reference", "id": name, "warnings": warnings, **sizes, **counts}, written[-1])
    digests = {path: digest.result() for path, digest in digests.items()} | {p: file_sha256(p) for p in written}
    known = row.get("sha256", {})  # CHECK_INPUTS has read the whole file already
    sources = [{"column": c, "file": row[c], "sha256": known.get(c) or file_sha256(f)} for c, f in files.items()]
    reference.write_library(
        digests, args.out / f"{name}.library.json", name,
        effect=opened.effect, sources=sources, filter=row["filter"], assay=assay_of(row),
        licence=row["licence"],
        code_digest=args.code_digest, **sizes,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(run(build_parser(), build_reference))
