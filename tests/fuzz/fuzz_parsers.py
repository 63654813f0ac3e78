"""The parsers that are fuzzed, each with what it is given; a new reader gets a line in PARSERS."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from fuzz_examples import TEXT, _gctx, _h5ad, _set, damaged, documents, hdf5, lines, tables
from hypothesis import strategies as st

from scperturb_cmap.embedding.inputs import Centring
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
    write_checkpoint(Checkpoint(encoders, {"profile": keys}, keys, Centring({"": np.zeros(3, np.float32)}), {}), path)
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
