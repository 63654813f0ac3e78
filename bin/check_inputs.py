#!/usr/bin/env python3
"""Check sheets and every file they name, report all problems at once, and write the run manifest."""

import logging
import sys
from argparse import Namespace
from pathlib import Path

from scperturb_cmap.utils.cli import base_parser, fraction, run

#: Tables of a run besides its sheets and genes.
_TABLES = ("drugs", "orthologs", "indications", "sensitivity")


def build_parser():
    parser = base_parser(__doc__)
    parser.add_argument("--input", type=Path, required=True, help="sample sheet (docs/usage.md)")
    parser.add_argument("--references", type=Path, required=True, help="reference sheet (docs/usage.md)")
    parser.add_argument("--genes", type=Path, nargs="+", required=True, help="gene tables, the first is authoritative")
    parser.add_argument("--drugs", type=Path, help="drug annotation")
    parser.add_argument("--orthologs", type=Path, help="one-to-one orthologs of another species")
    parser.add_argument("--indications", type=Path, help="dataset (or disease) and compound: which drugs treat what")
    parser.add_argument("--sensitivity", type=Path, help="dataset (or disease), compound, sensitivity")
    parser.add_argument(
        "--min-gene-overlap", type=fraction, default=0.5, help="smallest fraction of genes found in the gene table"
    )
    parser.add_argument(
        "--staged", type=Path, help="JSON: input:PATH or references:PATH of a sheet -> where the file lies now"
    )
    parser.add_argument("--code-digest", default="", help="digest of the library, recorded in the manifest")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("."),
        help="folder for manifest.json, <dataset>.sample.json, <reference>.reference.json",
    )
    return parser


def check_inputs(args: Namespace) -> None:
    import pandas as pd

    from scperturb_cmap.checks import check_query, check_reference, check_sample, check_table, problems_of
    from scperturb_cmap.genes import GeneTable
    from scperturb_cmap.io.gene_tables import read_gene_tables
    from scperturb_cmap.io.json_files import read_json
    from scperturb_cmap.io.queries import is_cells
    from scperturb_cmap.io.sheets import FILES, FORMATS, check_sheet
    from scperturb_cmap.io.tables import is_file
    from scperturb_cmap.orthologs import harmonise_orthologs
    from scperturb_cmap.ranking.annotation import harmonise_annotation
    from scperturb_cmap.ranking.known_drugs import indicated_compounds, measured_compounds, require_datasets
    from scperturb_cmap.utils.errors import InputError, Problem
    from scperturb_cmap.utils.provenance import file_sha256, write_json

    staged = read_json(args.staged) if args.staged else {}

    def place(sheet: str, cell: str) -> Path | None:
        """Where the file of a sheet's cell lies; paths are relative to the sheet."""
        return Path(staged.get(f"{sheet}:{cell}", getattr(args, sheet).parent / cell)) if cell else None

    samples, problems = check_sheet(args.input, "samples")
    references, wrong = check_sheet(args.references, "references")
    tables: list[pd.DataFrame] = []
    problems += wrong + problems_of(lambda: tables.extend(read_gene_tables(args.genes)))
    genes = (GeneTable.from_tables(tables), args.min_gene_overlap, args.orthologs) if tables else ()
    problems += check_table(args.drugs, harmonise_annotation)
    if genes:  # which find the human side
        problems += check_table(args.orthologs, lambda table, name: harmonise_orthologs(table, genes[0], name))
    datasets = [row["dataset"] for row in samples]
    for path, read in ((args.indications, indicated_compounds), (args.sensitivity, measured_compounds)):
        problems += check_table(
            path, lambda table, name, read=read: require_datasets(read(table, name), name, datasets)
        )
    problems += [
        Problem(
            getattr(args, sheet).name,
            f"line {row.line}, column '{column}'",
            f"There is no file {row[column]!r}.",
            "Correct the path; a relative one is relative to the sheet.",
        )
        for sheet, rows in (("input", samples), ("references", references))
        for row in rows
        for column in FILES
        if row.get(column) and not is_file(place(sheet, row[column]))
    ]
    for row in samples:
        files = [place("input", row[column]) for column in ("path", "path_down")]
        if files[0] and all(path is None or is_file(path) for path in files):
            if is_cells(row["path"]):
                problems += problems_of(check_sample, row, files[0], *genes)
            else:
                problems += problems_of(check_query, row, *files, *genes)
    for row in references:
        files = {column: path for column in FILES if (path := place("references", row.get(column, "")))}
        needs = {"path", "path_down"} if row["format"] == "gmt" else {"path"}
        if row["format"] in FORMATS and needs <= set(files) and all(map(is_file, files.values())):
            sizes = staged.get(f"sizes:references:{row['path']}")
            problems += problems_of(check_reference, row, files, tables or None, args.min_gene_overlap, sizes)
    for name in {row["dataset"] for row in samples} & {row["reference"] for row in references}:
        problems.append(
            Problem(
                args.references.name, "column 'reference'", f"{name!r} is also a data set.", "Give it another name."
            )
        )
    if problems:
        raise InputError(dict.fromkeys(problems))

    files = [("input", args.input, args.input.name), ("references", args.references, args.references.name)]
    files += [("genes", path, path.name) for path in args.genes]
    files += [(role, path, path.name) for role in _TABLES if (path := getattr(args, role))]
    files += [
        ("cells" if is_cells(row["path"]) else "signature", place("input", row[c]), row[c])
        for row in samples
        for c in ("path", "path_down")
        if row[c]
    ]
    files += [(c, place("references", row[c]), row[c]) for row in references for c in FILES if row[c]]
    for _, path, name in files:
        if path.stat().st_size > 1e9:
            logging.getLogger("scperturb_cmap").info("checksum of %s, %.0f GB", name, path.stat().st_size / 1e9)
    inputs = [
        {"role": role, "file": name, "sha256": file_sha256(path), "bytes": path.stat().st_size}
        for role, path, name in files
    ]
    for row in samples:
        write_json(row, args.out / f"{row['dataset']}.sample.json")
    digests = {(entry["role"], entry["file"]): entry["sha256"] for entry in inputs}
    for row in references:
        known = {column: digests[column, row[column]] for column in FILES if row.get(column)}
        write_json(row | {"sha256": known}, args.out / f"{row['reference']}.reference.json")
    write_json(
        {"code_digest": args.code_digest, "inputs": inputs, "samples": samples, "references": references},
        args.out / "manifest.json",
    )


if __name__ == "__main__":
    sys.exit(run(build_parser(), check_inputs))
