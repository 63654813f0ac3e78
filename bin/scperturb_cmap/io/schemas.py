"""The contract of every published table, and the one way to write one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pyarrow

from scperturb_cmap.io.parquet import parquet_writer, read_parquet
from scperturb_cmap.utils.files import whole_file

__all__ = [
    "COMPOUNDS", "CONNECTIONS", "DESIGN", "DRUGS", "EFFICACY", "ENRICHMENT", "FINDINGS", "FUNNEL", "GATES", "GENES",
    "INDICATIONS", "LEADING_EDGES", "LEFT_OUT", "MEANINGS", "NEIGHBOURS", "PAIRS", "POPULATIONS", "QUERY_GENES", "SCORES",
    "SPLITS", "TASKS", "VALIDATION",
    "connections_writer", "read_scores", "read_tables", "scores_writer", "write_table",
]  # fmt: skip

_TEXT = pa.Column(str)
_COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)
_MAYBE_COUNT = pa.Column("Int64", pa.Check.ge(0), nullable=True)
_MAYBE_NUMBER = pa.Column(float, nullable=True, coerce=True)
_MAYBE_TEXT = pa.Column(object, nullable=True)


def _is(*choices: str) -> pa.Column:
    return pa.Column(str, pa.Check.isin(choices))


def _reason_given(fine: tuple[str, ...]) -> pa.Check:
    """A status other than these must come with a reason."""
    return pa.Check(
        lambda table: table["status"].isin(fine) | (table["reason"] != ""), error="a status without a reason"
    )


def _gap_explained(column: str) -> pa.Check:
    """A missing value must come with a reason."""
    return pa.Check(lambda table: table[column].notna() | (table["reason"] != ""), error="a gap without a reason")


#: signatures/<dataset>.design.tsv
DESIGN = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "donor": _TEXT, "arm": _is("case", "control"), "condition": _TEXT, "covariates": _TEXT,
    "n_cells": _COUNT, "n_counts": _COUNT, "used": _is("yes", "no"), "reason": _TEXT,
    **dict.fromkeys(("pc1", "pc2", "pc1_share", "pc2_share"), _MAYBE_NUMBER),
}, strict=True)  # fmt: skip

#: <dataset or reference>.genes.tsv
GENES = pa.DataFrameSchema({"gene": _TEXT, "gene_key": _TEXT, "matched_by": _TEXT}, strict=True)

#: reference/<reference>.funnel.tsv
FUNNEL = pa.DataFrameSchema({
    "reference": _TEXT, "step": _TEXT, "n_signatures": _COUNT, "n_compounds": _COUNT, "detail": _TEXT,
}, strict=True)  # fmt: skip

#: reference/<reference>.left_out.tsv
LEFT_OUT = pa.DataFrameSchema({
    **dict.fromkeys(("perturbation", "cell_line", "dose", "time", "batch"), _TEXT), "n_cells": _COUNT,
    "reason": pa.Column(str, pa.Check.str_length(min_value=1)), "n_signatures": _COUNT,
}, strict=True)  # fmt: skip

#: reference/<reference>.compounds.tsv
COMPOUNDS = pa.DataFrameSchema({
    **dict.fromkeys(("compound_id", "compound", "names", "pert_ids", "inchi_keys", "merged_by"), _TEXT), "n_signatures": _COUNT,
}, strict=True)  # fmt: skip

#: ranking/<dataset>.populations.tsv
POPULATIONS = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "case": _TEXT, "control": _TEXT, "n_donors_case": _COUNT, "n_donors_control": _COUNT,
    "n_cells_case": _COUNT, "n_cells_control": _COUNT, "design": _is("paired", "unpaired", ""), "covariates": _TEXT,
    "evidence": _is("replicated", "limited", "exploratory", "given", ""), "effect": _TEXT,
    "status": _is("ok", "skipped"), "reason": _TEXT, "n_genes": _COUNT,
    "n_genes_shared": _COUNT, "n_changed_shared": _COUNT, "n_landmarks": _COUNT, "n_drugs": _COUNT, "caution": _TEXT,
}, checks=_reason_given(("ok",)), strict=True)  # fmt: skip

#: ranking/<dataset>.drugs.tsv; besides these, score_<method> and rank_<method> for every chosen method.
DRUGS = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "evidence": _TEXT, "rank": _MAYBE_COUNT, "compound": _MAYBE_TEXT,
    "compound_id": _MAYBE_TEXT, "score": _MAYBE_NUMBER, "method": _TEXT, "scored_by": _MAYBE_TEXT,
    **dict.fromkeys(("score_low", "score_high", "rank_low", "rank_high", "top_share"), _MAYBE_NUMBER),
    "n_resamples": _MAYBE_COUNT, "interval": _MAYBE_TEXT, "interval_reason": _TEXT,
    **dict.fromkeys(("p_value", "fdr", "effective_n"), _MAYBE_NUMBER), "p_reason": _TEXT,
    **dict.fromkeys(("ncs", "tau"), _MAYBE_NUMBER), "norm_reason": _TEXT,
    "consensus": _MAYBE_NUMBER, "consensus_rank": _MAYBE_COUNT, "disagreement": _MAYBE_NUMBER, "n_methods": _MAYBE_COUNT,
    "selectivity": _MAYBE_NUMBER, "selectivity_to_best": _MAYBE_NUMBER,
    "n_signatures": _MAYBE_COUNT, "n_cell_lines": _MAYBE_COUNT, "best_reference": _MAYBE_TEXT, "best_cell_line": _MAYBE_TEXT,
    "best_dose_um": _MAYBE_NUMBER, "best_time_h": _MAYBE_NUMBER, "best_signature": _MAYBE_TEXT,
    **dict.fromkeys(("mechanism", "targets", "clinical_phase", "indications"), _MAYBE_TEXT),
    "status": _is("ok", "few_genes", "limited_evidence", "exploratory_evidence", "not_ranked"), "reason": _TEXT,
}, checks=[
    _reason_given(("ok",)),
    pa.Check(
        lambda table: table["rank"].notna() == (table["status"] != "not_ranked"),
        error="a rank without a score or the reverse",
    ),
])  # fmt: skip

_NUMBER = pa.Column(float, coerce=True)

#: <shard>.query_genes.parquet, between two stages: the genes of the populations' up and down sets.
QUERY_GENES = pa.DataFrameSchema({
    **dict.fromkeys(("dataset", "population", "gene_key", "symbol"), _TEXT), "set": _is("up", "down"), "disease_z": _NUMBER,
}, strict=True)  # fmt: skip

#: ranking/<dataset>.leading_edges.tsv
LEADING_EDGES = pa.DataFrameSchema({
    **dict.fromkeys(("dataset", "population", "compound", "compound_id", "signature", "gene_key", "symbol"), _TEXT),
    "set": _is("up", "down"), "disease_z": _NUMBER, "drug_z": _NUMBER, "drug_rank": _COUNT,
}, strict=True)  # fmt: skip

#: ranking/<dataset>.pairs.tsv
PAIRS = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "rank": _MAYBE_COUNT, "first": _MAYBE_TEXT, "first_id": _MAYBE_TEXT,
    "second": _MAYBE_TEXT, "second_id": _MAYBE_TEXT, "n_leading_genes": _MAYBE_COUNT, "covered_by_first": _MAYBE_NUMBER,
    "covered_by_both": _MAYBE_NUMBER, "gain": _MAYBE_NUMBER, "status": _is("ok", "alone", "not_paired"), "reason": _TEXT,
}, checks=[
    _reason_given(("ok",)),
    pa.Check(lambda table: table["second"].notna() == (table["status"] == "ok"), error="a pair without a second drug"),
], strict=True)  # fmt: skip

#: ranking/<dataset>.enrichment.tsv
ENRICHMENT = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "kind": _is("mechanism", "target"), "name": _TEXT, "n_drugs": _COUNT,
    **dict.fromkeys(("es", "nes", "p_value", "fdr"), _MAYBE_NUMBER), "null": _is("drugs permuted", "reference queries", ""),
    "leading_drugs": _TEXT, "status": _is("ok", "not_tested", "not_run"), "reason": _TEXT,
}, checks=[
    _reason_given(("ok",)),
    pa.Check(lambda table: table["p_value"].notna() == (table["status"] == "ok"), error="a p-value that is no test's"),
    pa.Check(lambda table: table["nes"].notna() | (table["reason"] != ""), error="no NES and no reason"),
], strict=True)  # fmt: skip


#: embedding/<name>.neighbours.tsv
NEIGHBOURS = pa.DataFrameSchema({
    "dataset": _TEXT, "population": _TEXT, "direction": _is("reverses", "mimics"), "neighbour": _COUNT, "compound": _TEXT,
    "compound_id": _TEXT, "score": pa.Column(float, pa.Check.in_range(-1.001, 1.001), coerce=True), "n_signatures": _COUNT,
    "genes": _TEXT, "share": pa.Column(float, pa.Check.in_range(0, 1.001), coerce=True),
}, strict=True)  # fmt: skip

_ALL_OR_REASON = pa.Check(
    lambda table: table["value"].notna() & (table["low"].notna() | (table["reason"] != "")),
    error="a gap without a reason",
)

#: validation/<name>.validation.tsv; validation.COLUMNS says what each column holds.
VALIDATION = pa.DataFrameSchema({
    "task": _TEXT, "split": _is("all", "validation", "test"), **dict.fromkeys(("method", "compared_with", "metric"), _TEXT),
    **dict.fromkeys(("value", "low", "high"), _MAYBE_NUMBER), "n": _COUNT, "n_queries": _COUNT,
    **dict.fromkeys(("chance", "p", "p_holm"), _MAYBE_NUMBER), "reason": _TEXT,
}, checks=_ALL_OR_REASON, strict=True)  # fmt: skip

#: validation/<name>.validation_meanings.tsv
MEANINGS = pa.DataFrameSchema(
    {"kind": _is("column", "metric", "control"), "name": _TEXT, "meaning": _TEXT}, strict=True
)

#: validation/<name>.validation_tasks.tsv
TASKS = pa.DataFrameSchema({
    "task": _TEXT, "title": _TEXT, "status": _is("run", "not run"), "n_queries": _COUNT, "reason": _TEXT,
}, checks=_reason_given(("run",)), strict=True)  # fmt: skip

#: validation/<name>.validation_splits.tsv
SPLITS = pa.DataFrameSchema({
    "split": _is("compound", "mechanism", "cell_line", "batch", "mechanism and cell_line"), "name": _TEXT, "group": _TEXT,
    "fold": _COUNT, "half": _is("validation", "test", ""),
}, strict=True)  # fmt: skip

#: validation/<name>.validation_gates.tsv
GATES = pa.DataFrameSchema(
    {"gate": _TEXT, "method": _TEXT, "passed": _is("yes", "no", "not decided", "not asked"), "detail": _TEXT},
    strict=True,
)

#: validation/<name>.validation_findings.tsv
FINDINGS = pa.DataFrameSchema({
    "check": _TEXT, "where": _TEXT, "detail": _TEXT, "n": _COUNT, "action": _is("refused", "left out", "told", "not looked at"),
}, strict=True)  # fmt: skip

#: validation/<name>.indications.tsv
INDICATIONS = pa.DataFrameSchema({
    **dict.fromkeys(("dataset", "population", "method"), _TEXT),
    **dict.fromkeys(("auroc", "low", "high", "p", "null_low", "null_high"), _MAYBE_NUMBER), "n_drugs": _COUNT, "reason": _TEXT,
}, checks=_gap_explained("auroc"), strict=True)  # fmt: skip

#: validation/<name>.efficacy.tsv
EFFICACY = pa.DataFrameSchema({
    **dict.fromkeys(("dataset", "population", "method"), _TEXT),
    **dict.fromkeys(("spearman", "low", "high", "p"), _MAYBE_NUMBER), "n_drugs": _COUNT, "reason": _TEXT,
}, checks=_gap_explained("spearman"), strict=True)  # fmt: skip

#: ranking/<dataset>.connections.parquet
CONNECTIONS = {
    **dict.fromkeys(
        ("dataset", "population", "signature", "reference", "compound", "compound_id", "cell_line"), "string"
    ),
    **dict.fromkeys(("dose_um", "time_h", "tas", "score", "ncs", "tau", "p_value", "fdr"), "float64"),
    **dict.fromkeys(("fdr_null", "status", "reason", "norm_reason"), "string"),
}

#: scores/<shard>.scores.parquet; besides these, one column per method, and the p-value of the headline.
SCORES = {
    **dict.fromkeys(
        ("dataset", "population", "signature", "reference", "compound", "compound_id", "pert_type", "cell_line"),
        "string",
    ),
    **dict.fromkeys(("dose_um", "time_h", "tas"), "float64"),
    **dict.fromkeys(("n_genes", "n_changed", "n_up", "n_down"), "int64"),
    **dict.fromkeys(("status", "reason"), "string"),
}


def write_table(table: pd.DataFrame, schema: pa.DataFrameSchema, path: Path) -> None:
    """Check a table against its contract and write it; it appears under its name only when it is complete.

    Parameters
    ----------
    table
        What to write.
    schema
        Its contract, one of this module's.
    path
        Ends in .tsv or .parquet. In text, which people read, numbers have 6 significant digits; Parquet has them all.

    Raises
    ------
    pandera.errors.SchemaError
        The table breaks its contract (a fault of the program).
    """
    table = schema.validate(table)
    with whole_file(path) as partial:
        if path.suffix == ".parquet":
            table.to_parquet(partial, index=False)
        else:
            # A line break inside a name would break the table for the next reader.
            text = [c for c in table.select_dtypes("object") if table[c].notna().any()]
            table.assign(**{c: table[c].replace(r"[\t\r\n]+", " ", regex=True) for c in text}).to_csv(
                partial, sep="\t", index=False, float_format="%.6g"
            )


@contextmanager
def scores_writer(columns: Sequence[str], path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write scores that come in blocks as Parquet; only one block is in memory, and the file appears when complete.

    Parameters
    ----------
    columns
        Columns of numbers besides those of :data:`SCORES`: one per method, p_value.
    path
        Where to write.

    Yields
    ------
    What writes a block of the table.
    """
    with _table_writer(SCORES | dict.fromkeys(columns, "float64"), path) as write:
        yield write


@contextmanager
def connections_writer(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write the single pairs of a data set (:data:`CONNECTIONS`), as :func:`scores_writer`, population by population."""
    with _table_writer(CONNECTIONS, path) as write:
        yield write


@contextmanager
def _table_writer(types: dict[str, str], path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    schema = pyarrow.schema([(name, pyarrow.type_for_alias(kind)) for name, kind in types.items()])
    with parquet_writer(schema, path) as writer:
        yield lambda block: writer.write_table(pyarrow.Table.from_pandas(block, schema=schema, preserve_index=False))


def read_scores(paths: Sequence[Path], dataset: str, population: str, methods: Sequence[str] = ()) -> pd.DataFrame:
    """Scores of one population from all shards; the others are not read into memory.

    Raises
    ------
    InputError
        A file is missing, damaged, or lacks a method.
    """
    wanted, needs = [("dataset", "=", dataset), ("population", "=", population)], [*SCORES, *methods]
    tables = [read_parquet(path, needs, filters=wanted) for path in sorted(paths, key=lambda path: path.name)]
    return pd.concat(tables, ignore_index=True)


def read_tables(paths: Sequence[Path], schema: pa.DataFrameSchema, dataset: str) -> pd.DataFrame:
    """Rows of one data set from the Parquet tables of all shards, of which some may be empty.

    Raises
    ------
    InputError
        A file is missing, damaged, or another table.
    """
    wanted = [("dataset", "==", dataset)]
    tables = [read_parquet(path, schema.columns, filters=wanted) for path in sorted(paths)]
    parts = [table for table in tables if len(table)]  # an empty one may not know the types of its columns
    return schema.validate(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(schema.columns)))
