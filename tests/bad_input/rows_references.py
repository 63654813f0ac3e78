"""Matrices of drug signatures (GCTX, GCT, pairs of sets, plain tables), their metadata, and finished libraries."""

import gzip

import h5py
import numpy as np
import pandas as pd
from damages import (
    DAMAGED_GZIP,
    HTML,
    PNG,
    POINTER,
    about,
    both,
    cell,
    changed,
    content,
    cut,
    inside,
    lost,
    options,
    put,
    replaced,
)

from bad_input import Row, rows_of

GCTX, GCT, PAIRS, TABLE, SIGINFO = "GCTX", "GCT", "GMT pairs", "plain table", "siginfo"
GENEINFO, COMPOUNDINFO, LIBRARY = "geneinfo", "compoundinfo", "library of an earlier run"
_DAMAGED = "reference.gctx: It is no HDF5 file, or it is damaged"
_UNPARSED = "reference.gct: It does not parse as GCT"
_SEVERAL = ("plain.parquet: Its rows or columns have several names each", "Give one column of genes")
_NO_LIBRARY = "lib.library.json: It does not describe a library"

gctx = rows_of(GCTX, "check")
gct = rows_of(GCT, "check gct")
pairs = rows_of(PAIRS, "check pairs")
library = rows_of(LIBRARY, "check library")


def siginfo(name: str, damage, *said: str, told: bool = False) -> Row:
    return Row(SIGINFO, "build" if told else "check", name, damage, said, told)


def entry(**change: object):
    """Another first file of the library."""
    first = {"file": "lib.shard_0000.h5ad", "sha256": "0" * 64, "bytes": 19} | change
    rest = [
        {"file": name, "sha256": "0" * 64, "bytes": len(name)}
        for name in ("lib.genes.tsv", "lib.reference_queries.h5ad")
    ]
    return about("lib.library.json", files=[{key: value for key, value in first.items() if value is not ...}, *rest])


def damaged_chunk(folder) -> None:
    path = folder / "reference.gctx"
    with h5py.File(path) as file:
        chunk = file["0/DATA/0/matrix"].id.get_chunk_info(0)
    whole = bytearray(path.read_bytes())
    whole[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(whole)


def frame(change) -> object:
    """The plain table in Parquet, changed with its names of rows and columns."""

    def damage(folder) -> None:
        change(pd.read_parquet(folder / "plain.parquet")).to_parquet(folder / "plain.parquet")

    return damage


ROWS = [
    gctx("a web page", content("reference.gctx", HTML), "reference.gctx: It is an HTML page"),
    gctx("a pointer", content("reference.gctx", POINTER), "reference.gctx: It is a git-lfs pointer"),
    gctx("empty", content("reference.gctx", b""), "reference.gctx: The file is empty"),
    gctx("a picture", content("reference.gctx", PNG), _DAMAGED),
    gctx("gzip around it", lambda folder: (folder / "reference.gctx").write_bytes(gzip.compress(b"x" * 99)) and None, _DAMAGED),
    gctx("cut short", cut("reference.gctx"), _DAMAGED, "Copy or download it again"),
    gctx("a damaged chunk", damaged_chunk, _DAMAGED),
    gctx("an h5ad file", lambda folder: (folder / "cells.h5ad").replace(folder / "reference.gctx") and None,
         "reference.gctx, 0/DATA/0/matrix: It is HDF5 but no GCTX file"),
    gctx("no gene ids", inside("reference.gctx", lambda file: file.__delitem__("0/META/ROW/id")), "0/META/ROW/id: It is HDF5 but no GCTX file"),
    gctx("a group as matrix", inside("reference.gctx", lambda f: (f.__delitem__("0/DATA/0/matrix"), f.create_group("0/DATA/0/matrix"))),
         "0/DATA/0/matrix: It is no table of numbers"),
    gctx("text as values", inside("reference.gctx", put("0/DATA/0/matrix", np.full((66, 150), b"x"))), "It is no table of numbers"),
    gctx("a turned matrix", inside("reference.gctx", put("0/DATA/0/matrix", np.zeros((150, 66)))), "Its shape (150, 66) does not fit (66, 150) ids"),
    gctx("a gene twice", inside("reference.gctx", lambda file: file["0/META/ROW/id"].__setitem__(1, file["0/META/ROW/id"][0])),
         "reference.gctx, rows: The id 900001 stands more than once"),
    gctx("a signature twice", inside("reference.gctx", lambda file: file["0/META/COL/id"].__setitem__(1, file["0/META/COL/id"][0])),
         "reference.gctx, columns: The id DEMO001", "Give every row and column its own id"),
    gctx("no signatures", both(inside("reference.gctx", put("0/DATA/0/matrix", np.zeros((0, 150)))),
                               inside("reference.gctx", put("0/META/COL/id", np.zeros(0, "S4")))), "signature ids: None of them is in reference.gctx"),
    gctx("row numbers as genes", inside("reference.gctx", put("0/META/ROW/id", np.arange(150))), "gene ids: They are row numbers"),
    gctx("genes nobody knows", inside("reference.gctx", put("0/META/ROW/id", np.array([f"x{n}" for n in range(150)], "S"))), "gene ids: Only 0 of 150"),
    Row(GCTX, "build", "a damaged chunk, found late", damaged_chunk, (_DAMAGED,)),
    Row(GCTX, "build", "signatures without any value", inside("reference.gctx", lambda f: f["0/DATA/0/matrix"].__setitem__(slice(0, 3), np.nan)),
        ("3 signatures have no value",), told=True),
    Row(GCTX, "build", "infinite values", inside("reference.gctx", lambda f: f["0/DATA/0/matrix"].__setitem__(slice(0, 2), np.inf)),
        ("2 signatures have no value",), told=True),
    Row(GCTX, "build", "columns without metadata", replaced("siginfo.txt", "DEMO001", "OTHER"),
        ("of 66 columns of the matrix have no metadata",), told=True),
    gct("a web page", content("reference.gct", HTML), "reference.gct: It is an HTML page"),
    gct("gzip", lambda folder: (folder / "reference.gct").write_bytes(gzip.compress(b"#1.3\n")) and None, "line 1: A GCT file begins with #1.2 or #1.3"),
    gct("no version", replaced("reference.gct", "#1.3\n", ""), "reference.gct, line 1: A GCT file begins with #1.2 or #1.3"),
    gct("cut short", cut("reference.gct"), _UNPARSED, "Write or download the file again"),
    gct("sizes that are none", replaced("reference.gct", "150\t66\t0\t0", "many\t66\t0\t0"), _UNPARSED, "many"),
    gct("wrong sizes", replaced("reference.gct", "150\t66\t0\t0", "150\t65\t0\t0"), _UNPARSED, "not 150 rows of values"),
    gct("sizes below 0", replaced("reference.gct", "150\t66\t0\t0", "150\t66\t0\t-1"), _UNPARSED),
    gct("endless metadata", replaced("reference.gct", "150\t66\t0\t0", "150\t66\t0\t999999999999"), _UNPARSED),
    gct("text as value", replaced("reference.gct", "900002\t", "900002\thigh\t"), _UNPARSED),
    gct("only a version", content("reference.gct", "#1.3\n"), _UNPARSED, "it ends early"),
    pairs("a set without a partner", replaced("up.gmt", "demo-b@", "demo-c@"), "2 sets stand in one of the files up.gmt and down.gmt only"),
    pairs("a gene in both", replaced("down.gmt", "GENE0051", "GENE0001"), "holds genes that are in the up and in the down set", "one of them"),
    pairs("a set twice", replaced("up.gmt", "demo-b@", "demo-a@"), "up.gmt, set 'demo-a@MCF7#1e-05M_1': It stands more than once"),
    pairs("a line without genes", content("up.gmt", "demo-a@MCF7#1e-05M_1\tna\n"), "up.gmt, set 'demo-a@MCF7#1e-05M_1'", "a name, a description and genes"),
    pairs("commas", content("up.gmt", "demo-a@MCF7#1e-05M_1,na,GENE0001\n"), "A line of a GMT file has a name, a description and genes"),
    pairs("names that tell no compound", both(replaced("up.gmt", "@MCF7", ""), replaced("down.gmt", "@MCF7", "")), "set names: They do not tell the compound"),
    pairs("damaged gzip", content("down.gmt", DAMAGED_GZIP), "down.gmt: It is not a UTF-8 text file"),
    pairs("comments only", content("down.gmt", "# nothing\n"), "down.gmt: It holds no genes"),
    pairs("genes nobody knows", both(replaced("up.gmt", "GENE", "X"), replaced("down.gmt", "GENE", "X")), "gene ids: Only 0 of"),
    Row(TABLE, "check table", "text as value", replaced("plain.tsv", "900002\t", "900002\thigh"), ("plain.tsv: Column", "no numbers")),
    Row(TABLE, "check table", "uneven lines", replaced("plain.tsv", "900003\t", "900003\t1\t"), ("plain.tsv: Line 4 has 68 fields",)),
    Row(TABLE, "check table", "one column", content("plain.tsv", "gene\n1\n2\n"), ("plain.tsv: It has no values",)),
    Row(TABLE, "check table", "a signature twice", lambda folder: content("plain.tsv", "gene\ta\ta\n1\t2\t3\n")(folder),
        ("plain.tsv: The column 'a' stands more than once",)),
    Row(TABLE, "check table", "NUL", content("plain.tsv", b"gene\ta\n1\t\x00\n"), ("plain.tsv",)),
    Row(TABLE, "check parquet", "cut short", cut("plain.parquet"), ("plain.parquet: It is no readable Parquet file", "Write it again")),
    Row(TABLE, "check parquet", "something else", content("plain.parquet", "gene,a\n1,2\n"), ("plain.parquet: It is no readable Parquet file",)),
    Row(TABLE, "check parquet", "no columns", frame(lambda t: t.iloc[:0, :0].reset_index(drop=True)), ("plain.parquet: It has no values",)),
    Row(TABLE, "check parquet", "two names of every gene", frame(lambda t: t.set_index(t.columns[0], append=True)), _SEVERAL),
    Row(TABLE, "check parquet", "two names of every signature", frame(lambda t: t.set_axis([t.columns, t.columns], axis=1)), _SEVERAL),
    siginfo("a web page", content("siginfo.txt", HTML), "siginfo.txt: It is an HTML page"),
    siginfo("a pointer", content("siginfo.txt", POINTER), "siginfo.txt: It is a git-lfs pointer"),
    siginfo("empty", content("siginfo.txt", b""), "siginfo.txt: The file is empty"),
    siginfo("a picture", content("siginfo.txt", PNG), "siginfo.txt: It is not a UTF-8 text table"),
    siginfo("damaged gzip", content("siginfo.txt", gzip.compress(b"sig_id\tcmap_name\n" * 999)[:50]), "siginfo.txt: It is damaged or incomplete"),
    siginfo("one id for all", changed("siginfo.txt", lambda table: table.assign(sig_id="a")), "column 'sig_id': 1 signature ids stand more than once"),
    siginfo("of another matrix", changed("siginfo.txt", lambda table: table.assign(sig_id="x" + table["sig_id"])),
            "siginfo.txt, signature ids: None of them is in reference.gctx"),
    siginfo("a quality out of range", cell("siginfo.txt", "tas", "7"), "siginfo.txt, column 'tas': '7' is no number from 0 to 1"),
    siginfo("a flag that is none", cell("siginfo.txt", "qc_pass", "maybe"), "column 'qc_pass': 'maybe' is neither yes nor no", "Write 1 or 0"),
    siginfo("no compound", changed("siginfo.txt", lambda table: table.assign(pert_type="trt_sh")),
            "None of 66 is left after the filter 'compound treatments'", "'trt_sh'"),
    siginfo("compounds without names", changed("siginfo.txt", lambda table: table.assign(cmap_name="", pert_id="")),
            "is left after the filter 'with a compound name'"),
    siginfo("doses of no unit", changed("siginfo.txt", lambda table: table.assign(pert_idose="3 ug/ml")),
            "doses could not be read and are missing (such as '3 ug/ml')", told=True),
    siginfo("doses beyond all numbers", changed("siginfo.txt", lambda table: table.assign(pert_idose="1e999 uM")),
            "doses could not be read and are missing (such as '1e999 uM')", told=True),
    siginfo("times of no unit", changed("siginfo.txt", lambda table: table.assign(pert_itime="2 fortnights")),
            "times could not be read and are missing (such as '2 fortnights')", told=True),
    Row(GENEINFO, "check more", "a web page", content("geneinfo.txt", HTML), ("geneinfo.txt: It is an HTML page",)),
    Row(GENEINFO, "check more", "no symbols", changed("geneinfo.txt", lambda t: t.drop(columns="gene_symbol")), ("geneinfo.txt, column 'symbol'",)),
    Row(GENEINFO, "check more", "no numbers as ids", changed("geneinfo.txt", lambda t: t.assign(gene_id="x")), ("geneinfo.txt, column 'entrez_id'", "No row has an Entrez id")),
    Row(COMPOUNDINFO, "check more", "no ids", changed("compoundinfo.txt", lambda t: t.drop(columns="pert_id")),
        ("compoundinfo.txt, column 'pert_id': None of the columns", "Give the compoundinfo table")),
    Row(COMPOUNDINFO, "check more", "ragged", replaced("compoundinfo.txt", "DEMO-K00001\t", "DEMO-K00001\tx\t"), ("compoundinfo.txt: It does not parse as a table",)),
    library("a web page", content("lib.library.json", HTML), "lib.library.json: It is an HTML page"),
    library("cut short", cut("lib.library.json"), "lib.library.json: It is no valid JSON, or it is cut off", "Give the <reference>.library.json"),
    library("a list", content("lib.library.json", "[1, 2]"), "lib.library.json: It holds no names with values"),
    library("brackets without end", content("lib.library.json", "[" * 100_000), "lib.library.json: It is no valid JSON"),
    library("Latin-1", content("lib.library.json", b'{"kind": "\xe9"}'), "lib.library.json: It is no valid JSON"),
    library("of another program", about("lib.library.json", kind="other"), _NO_LIBRARY),
    library("no name", about("lib.library.json", reference=...), "lib.library.json: It does not tell reference"),
    library("no files", about("lib.library.json", files=[]), _NO_LIBRARY),
    library("files that are none", about("lib.library.json", files="lib.shard_0000.h5ad"), _NO_LIBRARY),
    library("a file without checksum", entry(sha256=...), _NO_LIBRARY),
    library("a size that is text", entry(bytes="many"), _NO_LIBRARY),
    library("a file that leads out", entry(file="../../secret.h5ad"), _NO_LIBRARY),
    library("a file that is a list", entry(file=["a"]), _NO_LIBRARY),
    library("a shard of another size", entry(bytes=5), "lib.shard_0000.h5ad: It has 19 bytes, and had 5 when the library was made", "build it again"),
    library("a lost shard", lost("lib.shard_0000.h5ad"), "lib.shard_0000.h5ad: It is not beside the library file"),
    library("under another name", about("lib.library.json", reference="other"), "It is the library of 'other', in the sheet it is called 'lib'"),
    library("of an earlier version", about("lib.library.json", files=[{"file": "lib.shard_0000.h5ad", "sha256": "0", "bytes": 19}]),
            "made by an earlier version, without reference queries", "Build it again"),
    Row(LIBRARY, "build", "a changed shard", both(about("lib.reference.json", path="lib.library.json", format="library"), options(
        "--path", "{folder}/lib.library.json", "--library-files", "{folder}/lib.shard_0000.h5ad", "{folder}/lib.genes.tsv",
        "{folder}/lib.reference_queries.h5ad")), ("lib.shard_0000.h5ad: It has changed since the library was made",)),
]  # fmt: skip
