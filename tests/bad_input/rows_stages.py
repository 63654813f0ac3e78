"""What stages hand to each other, checkpoints of earlier runs, and what the report is made of."""

import hashlib
import json
from pathlib import Path

import numpy as np
from damages import HTML, PNG, about, both, changed, content, cut, inside, lost, options, put, rewritten
from safetensors.numpy import load_file, save_file

from bad_input import Row, rows_of

BETWEEN, SPACE, REPORT, NOTEBOOK = "between stages", "checkpoint", "report", "notebook"
_PARQUET = "It is no readable Parquet file, or it is cut off"
_SHARD, _SIGNATURES, _SCORES = "lib.shard_0000.h5ad", "d.signatures.h5ad", "lib.shard_0000.scores.parquet"
_NO_SPACE = "run.embedding.json: It does not describe an embedding"

report = rows_of(REPORT, "report")
notebook = rows_of(NOTEBOOK, "notebook")


def between(scene: str, name: str, damage, *said: str, told: bool = False) -> Row:
    return Row(BETWEEN, scene, name, damage, said, told)


def space(name: str, damage, *said: str, scene: str = "score space") -> Row:
    return Row(SPACE, scene, name, damage, said)


def tensors(change) -> object:
    """Other tensors, with a checksum that fits: as someone would write it who means harm, or a faulty program."""

    def damage(folder: Path) -> None:
        path = folder / "run.embedding.safetensors"
        found = load_file(path)
        change(found)
        save_file(found, path)
        about("run.embedding.json", tensors_sha256=hashlib.sha256(path.read_bytes()).hexdigest())(folder)

    return damage


def layout(**change: object) -> object:
    """Another description of the encoder."""

    def damage(folder: Path) -> None:
        path = folder / "run.embedding.json"
        found = json.loads(path.read_text())
        found["encoders"]["profile"] |= change
        path.write_text(json.dumps(found))

    return damage


def svg(inner: str, before: str = "") -> object:
    return content("logo.svg", f'{before}<svg xmlns="http://www.w3.org/2000/svg">{inner}</svg>')


def cells_of(change) -> object:
    """Another page."""

    def damage(folder: Path) -> None:
        path = folder / "01_overview.ipynb"
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return damage


ROWS = [
    between("derive", "a row cut short", cut("mine.sample.json"), "mine.sample.json: It is no valid JSON, or it is cut off", "CHECK_INPUTS"),
    between("derive", "a row without path", about("mine.sample.json", path=...), "mine.sample.json: It does not tell path"),
    between("derive", "a number as path", about("mine.sample.json", path=7), "mine.sample.json, path: It is 7, which is no text"),
    between("derive", "a name that leads out", about("mine.sample.json", dataset="../../x"), "'../../x' is no safe name for files"),
    between("derive", "lost signature", lost("de.csv"), "de.csv: The file does not exist"),
    between("derive cells", "cells cut short", cut("cells.h5ad"), "cells.h5ad: It is no HDF5 file, or it is damaged"),
    between("derive cells", "normalised cells", rewritten("cells.h5ad", lambda f: setattr(f, "X", f.X * 0.3)), "cells.h5ad, X: It holds values that are no"),
    between("build", "a row that is a list", content("lib.reference.json", "[]"), "lib.reference.json: It holds no names with values"),
    between("build", "a row without format", about("lib.reference.json", format=...), "lib.reference.json: It does not tell format"),
    between("build", "a lost matrix", lost("reference.gctx"), "reference.gctx: The file does not exist"),
    between("score", "a shard cut short", cut(_SHARD), f"{_SHARD}: It is no readable h5ad file", "Make the signature set again"),
    between("score", "populations as shard", options("--shard", "{folder}/d.signatures.h5ad"),
            f"{_SIGNATURES}, obs: It is no set of perturbations", "BUILD_REFERENCE"),
    between("score", "a shard as populations", options("--signatures", "{folder}/lib.shard_0000.h5ad"),
            f"{_SHARD}, obs: It is no set of populations: it has no column 'dataset'", "DERIVE_SIGNATURES"),
    between("score", "a set without effect", inside(_SHARD, lambda f: f["uns"].__delitem__("effect")), f"{_SHARD}, uns['effect']: The file is h5ad but"),
    between("score", "no populations", rewritten(_SIGNATURES, lambda f: f[:0].copy()), f"{_SIGNATURES}, obs: It holds no signature"),
    between("score", "text as values", inside(_SHARD, put("X", np.full((6, 90), b"1"))), f"{_SHARD}"),
    between("score", "values of another shape", inside(_SHARD, put("X", np.zeros((6, 7), np.float32))), f"{_SHARD}: It is no readable h5ad file"),
    between("score", "cells as populations", content(_SIGNATURES, PNG), f"{_SIGNATURES}: It is no readable h5ad file"),
    between("score", "lost reference queries", options("--reference-queries", "{folder}/lost.h5ad"), "lost.h5ad: The file does not exist"),
    between("score", "no gene in common", rewritten(_SHARD, lambda f: setattr(f, "var_names", [f"x{n}" for n in range(90)])),
            "0", told=True),
    between("rank", "scores cut short", cut(_SCORES), f"{_SCORES}: {_PARQUET}", "Write or copy it again"),
    between("rank", "empty scores", content(_SCORES, b""), f"{_SCORES}: The file is empty"),
    between("rank", "a web page as scores", content(_SCORES, HTML), f"{_SCORES}: It is an HTML page"),
    between("rank", "scores of other methods", changed(_SCORES, lambda t: t.drop(columns="cosine")), f"{_SCORES}, columns: It has no column 'cosine'"),
    between("rank", "another table as scores", options("--scores", "{folder}/lib.shard_0000.query_genes.parquet"), "query_genes.parquet, columns: It has no column"),
    between("rank", "reference queries cut short", cut("lib.shard_0000.reference_queries.parquet", 0.8), "reference_queries.parquet: It is no readable Parquet"),
    between("rank", "scores as reference queries", options("--reference-queries", "{folder}/lib.shard_0000.query_genes.parquet"),
            "query_genes.parquet, columns: It has no column 'reference', 'signature'"),
    between("rank", "lost signatures", lost(_SIGNATURES), f"{_SIGNATURES}: The file does not exist"),
    between("rank", "no scores of a population", changed(_SCORES, lambda t: t[t["population"] == "population0"]), "population1:", told=True),
    between("edges", "a ranking cut short", cut("d.drugs.parquet"), f"d.drugs.parquet: {_PARQUET}"),
    between("edges", "a ranking without scores", changed("d.drugs.parquet", lambda t: t.drop(columns="score")), "d.drugs.parquet, columns: It has no column 'score'"),
    between("edges", "a shard whose matrix is sparse", inside(_SHARD, lambda f: (f.__delitem__("X"), f.create_group("X"))),
            f"{_SHARD}, uns['effect']: The file is h5ad but no signature set"),
    between("edges", "a shard without its columns", rewritten(_SHARD, lambda f: f.obs.__delitem__("reference")), f"{_SHARD}, obs: It is no set of perturbations"),
    between("pair", "leading edges cut short", cut("lib.shard_0000.leading_edges.parquet"), f"leading_edges.parquet: {_PARQUET}"),
    between("pair", "genes for edges", options("--edges", "{folder}/lib.shard_0000.query_genes.parquet"), "query_genes.parquet, columns: It has no column"),
    between("pair", "a ranking without rows", changed("d.drugs.parquet", lambda t: t.head(0)), "d.drugs.parquet: The ranking has no rows"),
    between("embed", "a shard cut short, for the map", cut(_SHARD), f"{_SHARD}: It is no HDF5 file, or it is damaged"),
    between("embed", "too few genes in common", rewritten(_SHARD, lambda f: setattr(f, "var_names", [f"x{n}" for n in range(90)])),
            "the reference measures 0 of the space's 90 genes", told=True),
    between("train", "a library cut short", cut("source.library.json"), "source.library.json: It is no valid JSON, or it is cut off"),
    between("train", "a shard whose uns is no group", inside("target.shard_0000.h5ad", lambda f: (f.__delitem__("uns"), f.create_dataset("uns", data=[1, 2]))),
            "target.shard_0000.h5ad, uns['effect']: The file is h5ad but no signature set"),
    between("train", "a library without effect", about("source.library.json", effect=...), "source.library.json: It does not tell effect"),
    between("train", "text as a number", about("source.library.json", n_signatures="many"), "source.library.json, n_signatures: It is 'many'"),
    between("train", "a shard of no library", options("--libraries", "{folder}/target.library.json"), "source.shard_0000.h5ad: It belongs to none of the libraries"),
    between("train", "a library without shards", options("--shards", "{folder}/target.shard_0000.h5ad"), "source.library.json: None of its shards is there"),
    between("train", "an unknown name", options("--searched", "elsewhere"), "--searched, elsewhere: It is not among the libraries", "source, target"),
    between("train", "a lost table of compounds", options("--compounds", "{folder}/target.compounds.tsv"), "source.compounds.tsv: It is not there"),
    between("train", "compounds without structures", changed("source.compounds.tsv", lambda t: t.drop(columns="inchi_keys")), "column 'inchi_keys': The column is missing"),
    between("train", "a shard cut short, to learn from", cut("target.shard_0000.h5ad"), "target.shard_0000.h5ad: It is no HDF5 file, or it is damaged"),
    between("validate", "a web page as library", content("target.library.json", HTML), "target.library.json: It is an HTML page"),
    between("validate", "an unknown name, to validate", options("--searched", "elsewhere"), "--searched, elsewhere: It is not among the libraries"),
    between("validate", "indications without compounds", both(changed("indications.tsv", lambda t: t.drop(columns="compound")),
            options("--indications", "{folder}/indications.tsv")), "indications.tsv, column 'compound'"),
    space("cut short", cut("run.embedding.json"), "run.embedding.json: It is no valid JSON, or it is cut off", "TRAIN_EMBEDDING"),
    space("a web page", content("run.embedding.json", HTML), "run.embedding.json: It is an HTML page"),
    space("lost tensors", lost("run.embedding.safetensors"), "run.embedding.safetensors: The file does not exist"),
    space("tensors cut short", cut("run.embedding.safetensors"), "run.embedding.json, tensors_sha256: run.embedding.safetensors is not the file"),
    space("tensors of another run", content("run.embedding.safetensors", PNG), "is not the file it was written with", "Copy both files again"),
    space("other genes", about("run.embedding.json", perturbation_genes=["1"]), "genes_sha256: Its genes are not those it was written with"),
    space("of another program", about("run.embedding.json", kind="pickle"), _NO_SPACE),
    space("of another version", about("run.embedding.json", kind="scPerturb-CMap embedding 1"), "It was written by another version of scPerturb-CMap"),
    space("cell lines without means", about("run.embedding.json", perturbation_cell_lines=["", "A375"]), _NO_SPACE),
    space("no mean of all", about("run.embedding.json", perturbation_cell_lines=["A375"]), _NO_SPACE),
    space("a set of no size", about("run.embedding.json", perturbation_set_size=-1), _NO_SPACE),
    space("a size of no number", about("run.embedding.json", perturbation_set_size="large"), _NO_SPACE),
    space("a list", content("run.embedding.json", "[]"), "run.embedding.json: It holds no names with values"),
    space("no encoder", about("run.embedding.json", encoders={}), _NO_SPACE),
    space("an unknown encoder", layout(form="transformer"), _NO_SPACE),
    space("no blocks", layout(blocks=[]), _NO_SPACE),
    space("blocks of no tensors", layout(blocks=[["nothing", 1.0]]), _NO_SPACE),
    space("a weight that is none", layout(blocks=[["plain", "heavy"]]), _NO_SPACE),
    space("a weight of no number", layout(blocks=[["plain", float("nan")]]), _NO_SPACE),
    space("a weight of nothing", layout(blocks=[["plain", 0]]), _NO_SPACE),
    space("a weight below nothing", layout(blocks=[["plain", -1.0]]), _NO_SPACE),
    space("no members", layout(form="torch", n_hidden=4, n_dimensions=4, shared=True, members=0), _NO_SPACE),
    space("fewer members than none", layout(form="torch", n_hidden=4, n_dimensions=4, shared=True, members=-1), _NO_SPACE),
    space("a network larger than memory", layout(form="torch", n_hidden=10**9, n_dimensions=10**9, shared=True, members=1), _NO_SPACE),
    space("endless members", layout(form="torch", n_hidden=4, n_dimensions=4, shared=True, members=10**12), _NO_SPACE),
    space("not-a-number in a tensor", tensors(lambda t: t["profile/plain/query"].__setitem__((0, 0), np.nan)), _NO_SPACE),
    space("sides of different width", tensors(lambda t: t.__setitem__("profile/plain/query", np.zeros((90, 7), np.float32))), _NO_SPACE),
    space("a tensor of three sides", tensors(lambda t: t.__setitem__("profile/plain/query", np.zeros((90, 4, 4), np.float32))), _NO_SPACE),
    space("a tensor of another length", tensors(lambda t: t.__setitem__("perturbation_means", np.zeros((1, 3), np.float32))), _NO_SPACE),
    space("positions outside", tensors(lambda t: t.__setitem__("profile/plain/query", np.array([0, 1, 2, 900]))), _NO_SPACE),
    space("the tensors in its place", options("--embedding", "{folder}/run.embedding.safetensors"),
          "run.embedding.safetensors: These are the tensors of a checkpoint, not its description", "Give the <name>.embedding.json"),
    space("the tensors in its place, for the map", options("--embedding", "{folder}/run.embedding.safetensors"),
          "run.embedding.safetensors: These are the tensors of a checkpoint", scene="embed"),
    space("cut short, for the map", cut("run.embedding.json"), "run.embedding.json: It is no valid JSON", scene="embed"),
    report("a lost logo", lost("logo.svg"), "--report-logo, logo.svg: The file does not exist"),
    report("a logo of another kind", content("logo.svg", b"GIF89a"), "--report-logo, logo.svg: It is no PNG, JPG or SVG picture", "Export the logo"),
    report("a logo of 2 MB", content("logo.svg", PNG + bytes(2_000_000)), "It has 2.0 MB; at most 1 MB is allowed", "Make the picture smaller"),
    report("a logo with a script", svg("<script>alert(1)</script>"), "The drawing holds a <script>", "Export it as a plain SVG"),
    report("a logo with a handler", svg('<path onload="alert(1)"/>'), "The drawing holds a script (onload)"),
    report("a logo that loads", svg('<image href="https://example.org/x.png"/>'), "The drawing holds an address (href)"),
    report("a logo with a loading style", svg("<style>@import 'x.css';</style>"), "The drawing holds an address (style)"),
    report("a logo with entities", svg("&a;", '<!DOCTYPE svg [<!ENTITY a "b">]>'), "The drawing holds declarations of entities"),
    report("a logo of broken XML", content("logo.svg", "<svg><path></svg>"), "The drawing holds text that is no valid XML"),
    report("a logo in an unknown encoding", svg("", '<?xml version="1.0" encoding="klingon"?>'), "The drawing holds text that is no valid XML"),
    report("a logo in an encoding of many bytes", svg("", '<?xml version="1.0" encoding="shift_jis"?>'), "text that is no valid XML"),
    report("a page cut short", cut("01_overview.ipynb"), "01_overview.ipynb: It is no Jupyter notebook"),
    report("a page that is a list", content("01_overview.ipynb", "[]"), "01_overview.ipynb: It is no Jupyter notebook"),
    report("a page with a list as metadata", cells_of({"metadata": []}), "01_overview.ipynb: It is no Jupyter notebook"),
    report("a page with a list as place", cells_of({"metadata": {"report": ["index"]}}), "01_overview.ipynb: It is no Jupyter notebook"),
    report("a page with text as cells", cells_of({"cells": "none"}), "01_overview.ipynb: It is no Jupyter notebook"),
    report("no first page", cells_of({"metadata": {}}), "--notebooks: The overview, the first page, is missing"),
    report("results cut short", content("run.params.json", '{"a": '), "run.params.json: It is no valid JSON, or it is cut off"),
    notebook("parameters cut short", content("parameters.json", '{"results": '), "parameters.json: It is no valid JSON or YAML"),
    notebook("parameters of no names", content("parameters.json", "[1]"), "parameters.json: It holds no names with values"),
    notebook("parameters of odd names", content("parameters.json", "{1: 2, a: 3}"), "page.ipynb has no such parameter", "Its parameters are results"),
    notebook("a page cut short", cut("page.ipynb"), "page.ipynb: It is no Jupyter notebook"),
]  # fmt: skip
