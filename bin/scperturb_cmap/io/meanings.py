"""What every published table holds and what its columns mean: the one source of docs/output.md and of the report's key."""

from dataclasses import dataclass

import pandera.pandas as pa

from scperturb_cmap.io import schemas

__all__ = ["TABLES", "Table", "markdown"]


@dataclass(frozen=True)
class Table:
    """A published table in words.

    Parameters
    ----------
    title
        What it holds, as one line.
    contract
        Its columns and their types, from :mod:`~scperturb_cmap.io.schemas`.
    columns
        Column -> what it means; columns that are explained together are separated by commas. Between backticks stand
        names and values as they are in the table.
    """

    title: str
    contract: pa.DataFrameSchema
    columns: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Every column that is explained.

        Examples
        --------
        >>> TABLES["genes"].names
        ['gene', 'gene_key', 'matched_by']
        """
        return [name for together in self.columns for name in together.split(", ")]

    def is_number(self, column: str) -> bool:
        """Whether a column holds numbers; a name that looks like a number is none.

        Examples
        --------
        >>> [TABLES["drugs"].is_number(name) for name in ("compound", "rank", "score_wtcs")]
        [False, True, True]
        """
        if column in self.contract.columns:
            kind = str(self.contract.columns[column].dtype).lower()
            return kind.startswith(("int", "float"))
        return column.startswith(("score_", "rank_"))


_WHERE = {"dataset, population": "where; `all cells` is the bulk-like control over every cell"}

# fmt: off
#: Kind of table, the last part of its file name before .tsv -> what it says.
TABLES = {
    "drugs": Table(
        "The ranking: one row per population and drug, best first.", schemas.DRUGS,
        _WHERE | {
            "evidence": "`replicated` (3 or more donors per arm), `limited` (2), `exploratory` (1), or `given` (ready-made "
                "signature)",
            "rank": "1 = strongest reversal (most negative score); equal scores share the better rank",
            "compound, compound_id": "name as in the reference; normalised name",
            "score, method, scored_by": "what decides the rank; the connectivity score it is made of (`--headline`); how: "
                "`z`, `maxq`, `mean`, `best` or `srges` (`--aggregation`). z is in standard deviations of chance",
            "score_low, score_high, rank_low, rank_high, top_share": "interval of score and rank over resampled donors; share "
                "of resamples in which the drug is among the first 10",
            "n_resamples, interval, interval_reason": "resamples behind it; `bootstrap` (5th to 95th percentile), `range` or "
                "`none`; why there is none",
            "p_value, fdr": "one-sided p of reversal, and the false discovery rate over the population's drugs",
            "effective_n, p_reason": "as many independent signatures would be worth as much; why p is missing",
            "ncs, tau, norm_reason": "normalised connectivity score, and percentile among reference queries (-100 to 100): "
                "maxq over the signatures; why one is missing",
            "score_<method>, rank_<method>": "maxq of the signatures' scores by each method, and the rank by it. WTCS is "
                "exactly 0 for a drug that moves up and down genes the same way",
            "consensus, consensus_rank, disagreement, n_methods": "mean over the methods of the drug's place (0 = strongest "
                "reversal, 1 = last), the rank by it, largest less smallest place, methods with a score; empty without any",
            "selectivity": "how much further up the drug stands here than in the median of the data set's other populations, "
                "in normal scores: negative = selective reversal; empty for `all cells` and where no other population has the "
                "drug",
            "selectivity_to_best": "the same beside the population that it reverses most of the others: negative only where "
                "none is reversed as much",
            "n_signatures, n_cell_lines": "what stands behind the score",
            "best_reference, best_cell_line, best_dose_um, best_time_h": "the signature that supports the score most; empty "
                "where the score is 0, which has no direction",
            "best_signature": "its id in the reference",
            "mechanism, targets, clinical_phase, indications": "from `--drugs`",
            "status, reason": "`ok`, `few_genes` (fewer than 300 measured in cells and drug alike), `limited_evidence`, "
                "`exploratory_evidence`, or `not_ranked` (then there is no score) with the reason",
        },
    ),
    "populations": Table(
        "One row per population: donors, cells, design, and how far its signature can be trusted.", schemas.POPULATIONS,
        _WHERE | {
            "case, control": "the conditions that are compared",
            "n_donors_case, n_donors_control, n_cells_case, n_cells_control": "donors and cells of each arm that were used",
            "design, covariates": "`paired` (the same donors in both arms) or `unpaired`; covariates in the model",
            "evidence": "as in the ranking",
            "effect": "what the signature's numbers are: `wald_z`, `log_fc`, `statistic`, `signed_z`, `rank`, `set`",
            "status, reason": "`ok`, or `skipped` with the reason",
            "n_genes, n_landmarks": "genes tested, landmarks among them",
            "n_genes_shared, n_changed_shared": "most genes in common with a reference signature; those of them that change "
                "at FDR 5 %",
            "n_drugs": "drugs ranked",
            "caution": "`few genes` (fewer than 300 in common), `weak signal` (fewer than 50 of them changed), both, or empty",
        },
    ),
    "leading_edges": Table(
        "Why a drug: one row per reported drug (the first 50 of each population) and gene by which it reverses the "
            "population, or mimics it, if its score is above 0.",
        schemas.LEADING_EDGES,
        {
            "dataset, population, compound, compound_id, signature": "the drug and the signature that supports it most",
            "gene_key, symbol, set": "the gene; `up` or `down` in the disease",
            "disease_z, drug_z": "its value in the population's signature and in the drug's",
            "drug_rank": "its place among the genes of the drug's signature, 1 = most up",
        },
    ),
    "pairs": Table(
        "Which second drug completes a reported one: one row per drug, and one with the reason for a population without "
            "ranking.",
        schemas.PAIRS,
        _WHERE | {
            "rank, first, first_id": "the drug",
            "second, second_id": "the reported drug that reverses most of what the first leaves",
            "n_leading_genes": "genes of the first in the table of leading edges",
            "covered_by_first, covered_by_both, gain": "share of the weight, abs(z), of the population's up and down genes "
                "that the first reverses, that the two together do, and the difference",
            "status, reason": "`ok`, `alone` (no second drug adds anything), `not_paired` (the drug does not reverse)",
        },
    ),
    "enrichment": Table(
        "Mechanisms and targets whose drugs stand together, the surest reversal first: one row per population and mechanism "
            "or target that at least 3 ranked drugs have.",
        schemas.ENRICHMENT,
        _WHERE | {
            "kind, name, n_drugs": "`mechanism` or `target`; which; how many ranked drugs have it",
            "es, nes": "enrichment score, and the same over that expected by chance; below 0 its drugs reverse",
            "p_value, fdr": "one-sided, for reversal; false discovery rate over the sets of the population and kind",
            "null": "what it is compared with: `drugs permuted` (then a small p says that its drugs stand together, which "
                "they may do under any signature) or `reference queries`",
            "leading_drugs": "the drugs that make the score, strongest first, separated by `|`",
            "status, reason": "`ok`, `not_tested`, or `not_run` (no `--drugs`)",
        },
    ),
    "design": Table(
        "Donors: one row per population, donor and arm.", schemas.DESIGN,
        {
            "dataset, population, donor": "where, and who",
            "arm, condition, covariates": "`case` or `control`; the condition as the data call it; the donor's covariates",
            "n_cells, n_counts": "cells, and their counts added up",
            "used, reason": "`yes`, or `no` with the reason",
            "pc1, pc2, pc1_share, pc2_share": "its place among the population's samples by principal components, and the "
                "share of variance of each",
        },
    ),
    "genes": Table(
        "How each gene of a file found its key.", schemas.GENES,
        {
            "gene": "the gene as the file names it",
            "gene_key": "its Entrez id; empty where none was found",
            "matched_by": "what the two were matched by, or why they were not",
        },
    ),
    "funnel": Table(
        "Signatures and compounds of a reference that are left after each filter.", schemas.FUNNEL,
        {
            "reference, step": "which reference, which filter",
            "n_signatures, n_compounds": "left after it; for wells (levels 3 and 4) the first steps count wells",
            "detail": "what was done",
        },
    ),
    "left_out": Table(
        "Samples of single cells that are in no drug signature.", schemas.LEFT_OUT,
        {
            "perturbation, cell_line, dose, time, batch": "the sample",
            "n_cells": "its cells",
            "reason": "why it was left out",
            "n_signatures": "how many signatures its perturbation has nevertheless",
        },
    ),
    "compounds": Table(
        "Every compound of a reference, with all its names, ids and structures.", schemas.COMPOUNDS,
        {
            "compound_id, compound": "normalised name; name as in the reference",
            "names, pert_ids, inchi_keys": "all its names, ids and structures, separated by `|`",
            "merged_by": "what joined them: name, InChIKey, pert_id",
            "n_signatures": "its signatures",
        },
    ),
    "neighbours": Table(
        "Compounds nearest to each population and to its opposite in the learned space, up to 50 each.", schemas.NEIGHBOURS,
        _WHERE | {
            "direction": "`mimics`: near the population; `reverses`: near its opposite",
            "neighbour, compound, compound_id": "1 = nearest",
            "score, n_signatures": "mean cosine of the compound's signatures with the population: negative reverses",
            "genes, share": "the population's 20 genes that carry the score most (+ up, - down in the disease), and their "
                "share of all that carries it",
        },
    ),
    "validation": Table(
        "Which method finds what is known: a row per task, split, method and metric, and per pair compared.", schemas.VALIDATION,
        {
            "task": "what had to be found; the table of tasks has the titles",
            "split": "which queries: `all`; the `validation` half of the compounds, which chooses the headline; the `test` "
                "half, which did not",
            "method": "the score, or a control that must be near chance",
            "compared_with": "empty, or the method whose value was taken off, query by query",
            "metric": "the table of meanings explains each; `share_found`: compounds (or mechanisms) beyond chance at an FDR "
                "of 5 %",
            "value": "macro mean: of each compound (or mechanism) the mean over its queries, then the mean of these",
            "low": "lower bound of the 95 % interval; compounds (or mechanisms) are drawn again",
            "high": "upper bound",
            "n": "compounds (or mechanisms)",
            "n_queries": "queries with a positive and a negative",
            "chance": "what a random order gives; 0 for differences",
            "p": "of average_precision: against random orders (copairs); of differences: Wilcoxon's signed rank test over "
                "compounds",
            "p_holm": "of differences: adjusted over the tasks of the run",
            "reason": "why a value, an interval or a p is missing",
        },
    ),
    "validation_tasks": Table(
        "What every method was asked.", schemas.TASKS,
        {
            "task, title": "name, and what had to be found",
            "status, n_queries, reason": "`run` with so many queries, or `not run` with the reason",
        },
    ),
    "validation_splits": Table(
        "Who is held out with whom, in which fold, and which half chooses the headline: for use by others.", schemas.SPLITS,
        {
            "split, name, group": "what is held out; which; with whom: family of mechanisms, lineage or batch (else itself)",
            "fold": "the fold in which it is held out",
            "half": "`validation` chooses the headline, `test` only reports; empty where it is in neither",
        },
    ),
    "validation_gates": Table(
        "The gates that the headline was chosen by.", schemas.GATES,
        {
            "gate, method": "which gate, for which method",
            "passed, detail": "`yes`, `no`, `not decided` or `not asked`; the figures behind it",
        },
    ),
    "validation_findings": Table(
        "Leaks and shortcuts that were found, and what was done about them.", schemas.FINDINGS,
        {
            "check, where, detail": "what was looked for, where it was found, and what",
            "n, action": "how many; `refused`, `left out`, `told`, or `not looked at` where the data do not allow the check",
        },
    ),
    "validation_meanings": Table(
        "Columns, metrics and controls of the validation in words, for whoever has the tables alone.", schemas.MEANINGS,
        {"kind, name, meaning": "`column`, `metric` or `control`; its name; what it means"},
    ),
    "indications": Table(
        "Whether drugs that are known to treat the disease reverse the populations.", schemas.INDICATIONS,
        {
            "dataset, population, method": "which signature, which score",
            "auroc, low, high, p": "area under the curve, its 95 % interval, p",
            "null_low, null_high": "what 95 % of random choices reach",
            "n_drugs, reason": "known drugs among the signatures that validation drew; why there is no value",
        },
    ),
    "efficacy": Table(
        "Whether drugs that reverse a population more kill more of such cells.", schemas.EFFICACY,
        {
            "dataset, population, method": "which signature, which score",
            "spearman, low, high, p": "rank correlation of score and sensitivity (positive: reversers kill), 95 % interval, p",
            "n_drugs, reason": "drugs with both; why there is no value",
        },
    ),
}
# fmt: on


def markdown(kind: str) -> str:
    """The columns of a table for docs/output.md.

    Examples
    --------
    >>> print(markdown("validation_gates"))
    | column | what it is |
    |---|---|
    | `gate`, `method` | which gate, for which method |
    | `passed`, `detail` | `yes`, `no`, `not decided` or `not asked`; the figures behind it |
    """
    rows = [
        (", ".join(f"`{name}`" for name in together.split(", ")), meaning.replace("|", "\\|"))
        for together, meaning in TABLES[kind].columns.items()
    ]
    return "\n".join(["| column | what it is |", "|---|---|", *(f"| {names} | {meaning} |" for names, meaning in rows)])
