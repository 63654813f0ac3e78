"""Every parser the project wrote, on what hypothesis makes up: a result, or a sentence; never another exception, never a hang.

`make test` gives each parser a second or two; `make fuzz` (MINUTES=10) gives them all the time there is, in turn.
"""

import gzip
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from scperturb_cmap.genes import GeneTable, check_mapping, harmonise_gene_table
from scperturb_cmap.io.any_table import read_any_table
from scperturb_cmap.io.cells import Cells
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.queries import read_gmt, read_queries
from scperturb_cmap.io.sheets import check_sheet, listed, read_row
from scperturb_cmap.io.signature_set import read_about, read_signature_set
from scperturb_cmap.io.sources import MatrixTable, SetPairs, SignatureFile
from scperturb_cmap.io.tables import bare, decoded, read_text_table
from scperturb_cmap.orthologs import harmonise_orthologs
from scperturb_cmap.ranking.annotation import harmonise_annotation
from scperturb_cmap.ranking.known_drugs import indicated_compounds, measured_compounds
from scperturb_cmap.reference.contrasts import CellAtlas
from scperturb_cmap.reference.identity import add_compound_info, identify_compounds
from scperturb_cmap.reference.library import check_library_sizes, read_libraries, read_library
from scperturb_cmap.reference.metadata import harmonise_metadata, parse_dose, parse_time
from scperturb_cmap.reference.quality import parse_filters, quality_funnel
from scperturb_cmap.report.branding import contact_line, logo_ending
from scperturb_cmap.utils.errors import InputError
from scperturb_cmap.utils.names import compound_key
from scperturb_cmap.validation.tables import validate_scores

#: Minutes of CPU for all parsers together, which `make fuzz` sets; another seed makes other examples.
MINUTES = float(os.environ.get("FUZZ_MINUTES", 0.3))
SEED = int(os.environ.get("FUZZ_SEED", 1))

#: One example may take so long; a larger file is read in less.
MOST_SECONDS = 20

NAMES = [
    "a",
    "b",
    "GENE0001",
    "drug-1",
    "900001",
    "ENSG01.2",
    "MCF7",
    "DMSO",
    "",
    " ",
    "NA",
    "-666",
    "nan",
    "inf",
    "1e999",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "0.5",
    "1e-5",
    "1_0",
    "0x1",
    "+",
    "-",
    "1.5.2",
    "NaN",
    "-inf",
    "1e400",
    "",
    "x",
    "٣",
    "10 uM",
    "24 h",
]
AWKWARD = [
    '"',
    "'",
    "\t",
    ",",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\x1a",
    "\x85",
    "\u2028",
    "\ufeff",
    "µ",
    "é",
    "#",
    "!",
    "|",
    ";",
    "\\",
    "=1+1",
]

TEXT = st.one_of(st.sampled_from(NAMES), st.sampled_from(NUMBERS), st.sampled_from(AWKWARD), st.text(max_size=12))
PACK = st.sampled_from(
    [lambda raw: raw] * 6 + [gzip.compress, lambda raw: gzip.compress(raw)[:-9], lambda raw: b"\x1f\x8b" + raw]
)
ENCODING = st.sampled_from(["utf-8"] * 6 + ["latin-1", "utf-16", "utf-8-sig", "cp1252"])


@st.composite
def tables(draw, columns):
    """Bytes of a table: its columns with values that are good, mostly, or any; ragged or not, in any encoding, packed or cut."""
    known, good = list(columns), draw(st.integers(0, 3))
    header = (
        draw(st.one_of(st.just(known), st.permutations(known)))
        if good
        else draw(st.lists(st.one_of(st.sampled_from(known), TEXT), min_size=1, max_size=7))
    )
    header = header[: len(header) - draw(st.sampled_from([0, 0, 0, 1, 2]))] or known[:1]
    if good > 1:
        cells = st.tuples(*(st.sampled_from(columns.get(column) or NAMES) for column in header))
        rows = [list(row) for row in draw(st.lists(cells, max_size=8))]
        for _ in range(draw(st.sampled_from([0, 0, 1, 2])) if rows else 0):
            row = draw(st.sampled_from(rows))
            row[draw(st.integers(0, len(row) - 1))] = draw(TEXT)
    else:
        width = st.just(len(header)) if good else st.integers(0, len(header) + 2)
        rows = [draw(st.lists(TEXT, min_size=n, max_size=n)) for n in draw(st.lists(width, max_size=6))]
    if draw(st.booleans()):  # mostly a table that parses
        rows = [[re.sub(r"[\t,\r\n\"\0]", " ", cell) for cell in row] for row in rows]
    sign, end = draw(st.sampled_from("\t\t,")), draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    before = draw(st.sampled_from(["", "", "", "# a\n", "#", "!x\n\n", "\n"]))
    text = before + end.join(sign.join(row) for row in [header, *rows]) + draw(st.sampled_from(["", end]))
    return draw(PACK)(text.encode(draw(ENCODING), "replace"))


def lines(*words: str):
    """Bytes of lines of words, separated by tabs or commas."""
    part = st.one_of(st.sampled_from(words), TEXT)
    line = st.tuples(st.lists(part, min_size=1, max_size=6), st.sampled_from("\t\t,")).map(
        lambda one: one[1].join(one[0])
    )
    text = st.tuples(st.lists(line, max_size=8), st.sampled_from(["\n", "\r\n"])).map(lambda one: one[1].join(one[0]))
    return st.tuples(text, ENCODING, PACK).map(lambda one: one[2](one[0].encode(one[1], "replace")))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def documents(valid: dict):
    """Bytes of a JSON file that differs from a valid one in some of its values, or is any other."""

    @st.composite
    def make(draw):
        content = json.loads(json.dumps(valid))
        for _ in range(draw(st.integers(0, 3))):
            place, key = content, None
            for _ in range(draw(st.integers(1, 4))):  # down to some value
                keys = (
                    list(place)
                    if isinstance(place, dict)
                    else list(range(len(place)))
                    if isinstance(place, list)
                    else []
                )
                if not keys:
                    break
                key = draw(st.sampled_from(keys))
                if not isinstance(place[key], dict | list) or draw(st.booleans()):
                    break
                place = place[key]
            if (
                key is None
                or not isinstance(place, dict | list)
                or (isinstance(place, list) and key not in range(len(place)))
            ):
                continue
            if isinstance(place, dict) and draw(st.booleans()):
                place.pop(key, None)
            elif key in (place if isinstance(place, dict) else range(len(place))):
                place[key] = draw(JSON)
        return json.dumps(draw(st.one_of(st.just(content), st.just(content), JSON))).encode()

    return st.one_of(make(), make(), damaged(json.dumps(valid).encode()), st.binary(max_size=60))


def damaged(whole: bytes):
    """Bytes of a valid file of which some were changed, cut off or put in."""

    @st.composite
    def make(draw):
        content = bytearray(whole)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, max(len(content) - 1, 0)))
            how = draw(st.integers(0, 3))
            if how == 0:
                del content[at:]
            elif how == 1:
                content[at : at + draw(st.integers(1, 16))] = draw(st.binary(max_size=16))
            elif content:
                content[at % len(content)] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x0A]))
        return bytes(content)

    return make()


# -- HDF5: valid files of which a part was changed, by its meaning or byte by byte ------------------------------------


def _h5ad(folder: Path, sparse: bool = True, n: int = 1) -> bytes:
    from scipy.sparse import csr_matrix

    counts = np.random.default_rng(0).poisson(9, (8 * n, 5)).astype(np.float32)
    obs = pd.DataFrame({"cell_type": list("aabbaabb"), "condition": list("xxxxyyyy"), "donor": list("12341234")})
    obs = pd.concat([obs.assign(perturbation=["control"] * 4 + ["drug"] * 4, age=1.5)] * n)
    obs.index = [f"c{number}" for number in range(8 * n)]
    var = pd.DataFrame({"symbol": list("abcde")}, index=[str(n) for n in range(5)])
    file = ad.AnnData(csr_matrix(counts) if sparse else counts, obs, var, uns={"effect": "modz"})
    file.write_h5ad(folder / "whole.h5ad")
    return (folder / "whole.h5ad").read_bytes()


def _set(folder: Path) -> bytes:
    from tests.conftest import make_sets

    shard, _ = make_sets(np.ones((3, 4)), np.ones((1, 4)))
    shard.write_h5ad(folder / "set.h5ad")
    return (folder / "set.h5ad").read_bytes()


def _gctx(folder: Path) -> bytes:
    with h5py.File(folder / "whole.gctx", "w") as file:
        file.create_dataset(
            "0/DATA/0/matrix", data=np.arange(6, dtype=np.float32).reshape(2, 3), chunks=(1, 3), compression="gzip"
        )
        file["0/META/ROW/id"], file["0/META/COL/id"] = np.array([b"1", b"2", b"3"]), np.array([b"a", b"b"])
        file["0/META/COL/pert_iname"] = np.array([b"x", b"y"])
    return (folder / "whole.gctx").read_bytes()


ARRAYS = st.sampled_from([
    np.zeros(0), np.zeros(3), np.arange(8), np.arange(5.0), np.zeros((8, 5)), np.zeros((5, 8)), np.full((8, 5), np.nan), np.array(7),
    np.array([b"a"] * 8), np.array([b"\xff", b""]), np.full((8, 5), b"x"), np.zeros(8, bool), np.zeros((2, 3, 4)), np.zeros(8, complex),
    np.array([2**62, -1]), np.zeros(3, [("a", "i4"), ("b", "f8")]), "text", np.zeros((2, 3)), np.full((2, 3), np.inf, np.float16),
])  # fmt: skip


def hdf5(make: Callable[[Path], bytes]):
    """Valid HDF5 of which datasets, groups or attributes were changed; or bytes."""

    def strategy(folder: Path):
        whole = make(folder)
        with h5py.File(folder / "keys.h5", "w"):
            pass
        (folder / "keys.h5").write_bytes(whole)
        keys: list[str] = []
        with h5py.File(folder / "keys.h5") as file:
            file.visit(keys.append)

        @st.composite
        def changed(draw):
            path = folder / "changed.h5"
            path.write_bytes(whole)
            with h5py.File(path, "a") as file:
                for _ in range(draw(st.integers(1, 2))):
                    key = draw(st.sampled_from(keys))
                    if key not in file:
                        continue
                    how, kept = draw(st.integers(0, 4)), dict(file[key].attrs)
                    if how == 0:
                        del file[key]
                    elif how == 1:
                        del file[key]
                        file.create_group(key)
                    elif how == 2 and kept:
                        name = draw(st.sampled_from(sorted(kept)))
                        file[key].attrs[name] = draw(
                            st.sampled_from(["", "array", "csr_matrix", "dataframe", "x", 7, np.array([3, 9])])
                        )
                    elif (
                        how == 3
                        and isinstance(file[key], h5py.Dataset)
                        and file[key].shape
                        and file[key].dtype.kind in "if"
                    ):
                        place = draw(st.integers(0, file[key].shape[0] - 1)) if file[key].shape[0] else None
                        if place is not None:
                            file[key][place] = draw(st.sampled_from([-1, 0, 7, 127]))
                    else:
                        del file[key]
                        file[key] = draw(ARRAYS)
                        if draw(st.booleans()):
                            file[key].attrs.update(kept)
            return path.read_bytes()

        return st.one_of(changed(), changed(), damaged(whole))

    return strategy


# -- the parsers ------------------------------------------------------------------------------------------------------


def _cells(path: Path) -> None:
    cells = Cells(path)
    cells.labels(
        {"cell_type_key": "cell_type", "condition_key": "condition", "donor_key": "donor", "case": "x"}, ["age"]
    )
    cells.check_counts()
    cells.sum_by_group(np.zeros(cells.n_cells, int), 1)


def _atlas(path: Path) -> None:
    atlas = CellAtlas(Cells(path))
    atlas.check()
    atlas.cells.check_counts()


def _signatures(path: Path) -> None:
    source = SignatureFile(path, path.name)
    harmonise_metadata(source.metadata.rename(columns={"perturbation": "compound"}), path.name)
    assert source.read(np.arange(len(source.signatures))).shape == (len(source.signatures), len(source.genes))


def _matrix(layout: str) -> Callable[[Path], None]:
    def parse(path: Path) -> None:
        matrix = GeneMatrix(path, layout)
        assert len(matrix.metadata) == len(matrix.signatures)
        assert matrix.read(np.arange(len(matrix.signatures))).shape == (len(matrix.signatures), len(matrix.genes))

    return parse


def _beside(path: Path, text: str) -> Path:
    """A valid file beside the one that is looked at."""
    other = path.with_name(f"down{path.suffix}")
    other.write_text(text)
    return other


_DRUG_NAME = "a@MCF7#1e-05M_1"


def _pairs(path: Path) -> None:
    read_gmt(path, path.name)
    source = SetPairs(path, _beside(path, f"{_DRUG_NAME}\tna\ty\tz\n"), path.name, "down.gmt")
    harmonise_metadata(source.metadata, path.name)
    source.read(np.arange(len(source.signatures)))


def _plain(path: Path) -> None:
    source = MatrixTable(path, path.name)
    assert source.read(np.arange(len(source.signatures))).shape == (len(source.signatures), len(source.genes))


def _metadata(path: Path) -> None:
    metadata, _ = harmonise_metadata(read_text_table(path), path.name)
    add_compound_info(metadata, read_text_table(path), path.name)
    identify_compounds(metadata)
    quality_funnel(metadata, metadata.index, {"reference": "r", "path": path.name})


def _genes(path: Path) -> None:
    table = GeneTable.from_tables([harmonise_gene_table(read_text_table(path), path.name)])
    check_mapping(table.map(["900001", "GENE0001", "", "ENSG01.2"]), table, path.name, 0)


_TABLE = GeneTable.from_tables([pd.DataFrame({
    "entrez_id": ["1", "2"], "symbol": ["a", "b"], "ensembl_id": "", "synonyms": "", "feature_space": "other",
})])  # fmt: skip


def _library(path: Path) -> None:
    row = {"path": path.name, "reference": "lib"}
    check_library_sizes(read_library(path, row), {"lib.shard_0000.h5ad": 7, "lib.reference_queries.h5ad": 7}, path.name)


def _sheet(kind: str) -> Callable[[Path], None]:
    def parse(path: Path) -> None:
        rows, problems = check_sheet(path, kind)
        if problems:
            raise InputError(problems)
        assert rows and all(isinstance(value, str) for row in rows for value in row.values())

    return parse


def _of_table(parse: Callable[[pd.DataFrame, str], object]) -> Callable[[Path], None]:
    return lambda path: parse(read_text_table(path), path.name)


def _texts(path: Path) -> None:
    text = decoded(path.read_bytes())
    for parse in (parse_dose, parse_time, compound_key, bare, listed, contact_line):
        parse(text)
    for found in (parse_dose(text), parse_time(text)):
        assert found != found or np.isfinite(found)
    parse_filters(text)


def _scores(path: Path) -> None:
    table = read_any_table(path)
    labels = pd.DataFrame(
        {"query": ["a", "b"] * 30, "item": [f"i{n}" for n in range(60)], "label": ["1", "1", "0", "0"] * 15}
    )
    validate_scores(table, labels)
    validate_scores(table, table)


def _checkpoint(path: Path) -> None:
    from scperturb_cmap.embedding.checkpoint import read_checkpoint

    space = read_checkpoint(path)
    for kind, encoder in space.encoders.items():
        assert np.isfinite(encoder.encode_query(np.ones((1, len(space.query_genes[kind])), np.float32))).all()


def _space(folder: Path):
    from scperturb_cmap.embedding.checkpoint import Checkpoint, write_checkpoint
    from scperturb_cmap.embedding.linear import Block, LinearEncoder

    axes = np.eye(3, 2, dtype=np.float32)
    encoders = {"profile": LinearEncoder([Block("plain", axes, axes)])}
    keys = ["1", "2", "3"]
    path = folder / "input.embedding.json"
    write_checkpoint(Checkpoint(encoders, {"profile": keys}, keys, np.zeros(3, np.float32), {}), path)
    return documents(json.loads(path.read_text()))


_LIBRARY = {"kind": "scPerturb-CMap library 1", "reference": "lib", "effect": "modz", "n_signatures": 3, "files": [
    {"file": "lib.shard_0000.h5ad", "sha256": "0", "bytes": 7}, {"file": "lib.reference_queries.h5ad", "sha256": "0", "bytes": 7},
]}  # fmt: skip
_ROW = dict.fromkeys(
    ("dataset", "path", "path_down", "cell_type_key", "condition_key", "case", "control", "donor_key"), "x"
)
_ROW |= dict.fromkeys(("populations", "covariates", "layer", "organism"), "")
_SAMPLES = {"dataset": ["a", "b", "c.d", "A"], "path": ["cells.h5ad", "a.gmt", "de.csv"], "cell_type_key": ["type", "none"],
            "condition_key": ["when"], "case": ["ill", "NA"], "control": ["well", "None"], "donor_key": ["donor", "none"],
            "populations": ["", "B*; T"], "organism": ["", "mouse"]}  # fmt: skip
_REFERENCES = {"reference": ["r", "s", "t"], "path": ["a.gctx", "b.gmt"], "format": ["gctx", "gmt", "cells", "table"], "role": ["both", "search", "train"],
               "path_down": ["", "d.gmt"], "siginfo": ["", "s.txt"], "filter": ["", "tas>=0.2"], "level": ["", "4"]}  # fmt: skip
_NUMBER = ["1", "-2", "0.5", "-1e-3", "0", "NA", "Inf"]
_DE = {
    "gene": ["A", "B", "C", "1"],
    "cluster": ["B", "T"],
    "logFC": _NUMBER,
    "PValue": ["0", "0.5", "1", "1e-320"],
    "FDR": ["0.1", ""],
}
_GENE = {"entrez_id": ["1", "2", "2.0", "900001"], "symbol": ["A", "B", "GENE0001"], "ensembl_id": ["", "ENSG01.2"], "synonyms": ["", "A|C", "-"],
         "pr_is_lm": ["0", "1"], "dbXrefs": ["", "Ensembl:ENSG01"]}  # fmt: skip
_DRUG = {
    "pert_iname": ["Drug A", "drug-a HCl", "b"],
    "moa": ["x|y", ""],
    "target": ["A"],
    "clinical_phase": ["Launched"],
}
_SIGINFO = {"sig_id": ["a", "b", "c", "d", "e", "f"], "cmap_name": ["x", "y", "DMSO"], "pert_type": ["trt_cp", "ctl_vehicle"],
    "tas": ["0.5", "-666"], "pert_idose": ["10 uM", "1"], "pert_itime": ["24 h"], "qc_pass": ["1", "no"], "pct_self_rank_q25": ["1", "0.5", "-9"], "pert_id": ["BRD-K01", "p"], "inchi_key": [""], "distil_nsample": ["3"]}  # fmt: skip
_PAIRS = {"gene": ["Cd14", "Mif", "x"], "human_gene": ["a", "b", "1"], "Human homology type": ["ortholog_one2one", "x"]}
_KNOWN = {"dataset": ["a", "b"], "compound": ["x", "Y"], "sensitivity": ["0.5", "", "-1"]}
_SCORES = {
    "query": ["a", "b"],
    "item": [f"i{n}" for n in range(60)],
    "tool": _NUMBER[:6],
    "label": ["1", "0", "yes"],
    "cluster": ["a", ""],
}
_GCT = ("#1.3", "#1.2", "1\t1\t0\t0", "2\t1\t0\t0", "id", "a", "900001", "1", "-666")
_SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><style>.a{fill:url(#b)}</style><path d="M0 0" style="fill:red" href="#a"/></svg>'


def _gct():
    head = st.tuples(st.integers(-1, 3), st.integers(-1, 3), st.integers(-1, 2), st.integers(-1, 2)).map(
        lambda n: "\t".join(map(str, n))
    )
    cells = st.lists(st.one_of(st.sampled_from(_GCT), TEXT), min_size=1, max_size=4).map("\t".join)
    text = st.tuples(st.sampled_from(["#1.3", "#1.2"]), head, st.lists(cells, max_size=5)).map(
        lambda one: "\n".join([*one[:2], *one[2]])
    )
    whole = "#1.3\n2\t2\t1\t1\nid\td\ta\tb\npert_id\tna\tx\ty\n1\tn\t1\t2\n2\tn\t3\t4\n"
    return st.one_of(text.map(lambda t: t.encode("utf-8", "replace")), damaged(whole.encode()), lines(*_GCT))


#: Parser -> what it is given (or what makes that, in a folder), the name of the file, the function.
PARSERS = {
    "tables": (tables({"a": ["1", "x"], "b": ["", "NA"]}), "a.tsv", read_text_table),
    "sample sheet": (tables(_SAMPLES), "samples.csv", _sheet("samples")),
    "reference sheet": (tables(_REFERENCES), "references.csv", _sheet("references")),
    "differential expression": (tables(_DE), "de.csv", read_queries),
    "ranked list": (lines("a\t1", "b\t-1", "c"), "a.rnk", read_queries),
    "gene set": (lines("a", "b"), "a.grp", read_queries),
    "two gene sets": (lines("a", "b"), "a.txt", lambda path: read_queries(path, _beside(path, "y\nz\n"))),
    "gene sets": (st.one_of(lines("x_UP", "x_DN", "a", "na"), damaged(b"x_UP\tna\ta\tb\nx_DN\tna\tc\ny_up\tna\td\n")), "a.gmt", read_queries),
    "pairs of sets": (st.one_of(lines(_DRUG_NAME, "na", "a", "b"), damaged(f"{_DRUG_NAME}\tna\ta\tb\n".encode())), "a.gmt", _pairs),
    "GCT": (_gct(), "a.gct", _matrix("gct")),
    "GCTX": (hdf5(_gctx), "a.gctx", _matrix("gctx")),
    "cells": (hdf5(_h5ad), "a.h5ad", _cells),
    "dense cells": (hdf5(lambda folder: _h5ad(folder, False)), "a.h5ad", _cells),
    "perturbation atlas": (hdf5(lambda folder: _h5ad(folder, n=12)), "a.h5ad", _atlas),
    "signatures": (hdf5(_h5ad), "a.h5ad", _signatures),
    "signature set": (hdf5(_set), "a.h5ad", lambda path: read_signature_set(path, "perturbations")),
    "shard": (hdf5(_set), "a.h5ad", read_about),
    "plain table": (tables({"gene": ["A", "B", "7"], "1": _NUMBER, "2": _NUMBER}), "a.tsv", _plain),
    "siginfo": (tables(_SIGINFO), "siginfo.txt", _metadata),
    "gene table": (tables(_GENE), "genes.tsv", _genes),
    "drugs": (tables(_DRUG), "drugs.tsv", _of_table(harmonise_annotation)),
    "orthologs": (tables(_PAIRS), "o.tsv",
                  _of_table(lambda table, name: harmonise_orthologs(table, _TABLE, name))),
    "indications": (tables(_KNOWN), "i.tsv", _of_table(indicated_compounds)),
    "sensitivities": (tables(_KNOWN), "s.tsv", _of_table(measured_compounds)),
    "scores": (tables(_SCORES), "scores.tsv", _scores),
    "library": (documents(_LIBRARY), "lib.library.json", _library),
    "libraries": (documents(_LIBRARY), "lib.library.json", lambda path: read_libraries([path], ("effect", "n_signatures"))),
    "row of a sheet": (documents(_ROW), "a.sample.json", lambda path: read_row(path, "samples")),
    "checkpoint": (_space, "input.embedding.json", _checkpoint),
    "logo": (st.one_of(damaged(_SVG), st.tuples(st.just(b"<svg"), st.binary(max_size=80)).map(b"".join)), "logo.svg", logo_ending),
    "doses, times, filters, names": (st.one_of(
        st.from_regex(r"[0-9.]{0,4}(e[+-]?[0-9]{1,4})? ?([munpµμ]?M|h|days?|min)?", fullmatch=True),
        st.lists(st.sampled_from(["tas", "dose_um", "gold", "cell_line", ">=", "=", "|", ";", "0.2", "1e999", "nan", " "]), max_size=7).map("".join),
        TEXT).map(lambda text: text.encode("utf-8", "replace")), "a.txt", _texts),
}  # fmt: skip


#: Examples come in lots, since hypothesis knows no time but their number.
PROFILE = settings(
    max_examples=100,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", PARSERS)
@pytest.mark.filterwarnings("ignore")  # of other packages, about what they are given here
def test_a_result_or_a_sentence(name, tmp_path, caplog):
    caplog.set_level("ERROR")
    strategy, file, parse = PARSERS[name]
    path, until, seen = (
        tmp_path / file,
        time.process_time() + 60 * MINUTES / len(PARSERS),
        dict.fromkeys(("examples", "refused", "wrong"), 0),
    )
    strategy = strategy(tmp_path) if callable(strategy) else strategy

    def examine(content: bytes) -> None:
        if time.process_time() > until and not seen["wrong"]:
            return
        path.write_bytes(content)
        start = time.monotonic()
        seen["examples"] += 1
        try:
            parse(path)
        except InputError as error:
            seen["refused"] += 1
            for problem in error.problems:
                assert problem.file and problem.message and problem.remedy, repr(problem)
        except BaseException:
            seen["wrong"] = 1  # what follows makes it smaller
            raise
        assert time.monotonic() - start < MOST_SECONDS, "It hangs."

    number = 0
    while time.process_time() < until:
        number += 1
        seed(1000 * SEED + number)(PROFILE(given(strategy)(examine)))()
    print(f"{name}: {seen['examples']} examples, {seen['refused']} of them refused")
    assert seen["examples"] > seen["refused"] > 0 or seen["examples"] < 200, "What is tried is all good or all bad."
