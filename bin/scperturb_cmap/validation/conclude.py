"""What follows from a validation: the headline, what must stop the run, known indications."""

from collections.abc import Sequence

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import compound_key
from scperturb_cmap.validation.disease import indication_recovery
from scperturb_cmap.validation.headline import Headline, base_score, choose_headline
from scperturb_cmap.validation.leaks import Finding
from scperturb_cmap.validation.matrices import as_queries, oddness, score_matrices
from scperturb_cmap.validation.reference import Validated
from scperturb_cmap.validation.spaces import LEARNED

__all__ = ["headline_of_run", "indicated_compounds", "recover_indications", "refuse_leaks"]

#: Queries that the sign of a score is tested with.
_TURNED = 20


def refuse_leaks(findings: Sequence[Finding]) -> None:
    """Stop where a figure could not be believed.

    Raises
    ------
    InputError
        With every finding that is refused.
    """
    problems = [
        Problem(
            "validation", one.where, f"{one.check}: {one.detail}.", "Merge or remove these signatures in the reference."
        )
        for one in findings
        if one.action == "refused"
    ]
    if problems:
        raise InputError(problems)


def headline_of_run(
    wanted: str,
    found: Validated,
    searched: ad.AnnData,
    methods: Sequence[str],
    *,
    seed: int,
    **options: object,
) -> Headline:
    """The score that ranks the drugs of a run: the one asked for, or the one that the gates choose.

    Parameters
    ----------
    wanted
        A method, or "auto".
    found, searched
        Of :func:`~scperturb_cmap.validation.reference.validate_reference`.
    methods
        Scores of the run.
    seed, options
        As there.
    """
    classic, odd = [name for name in methods if name != LEARNED], {}
    if searched is not None:
        few = searched[np.linspace(0, searched.n_obs - 1, min(_TURNED, searched.n_obs)).astype(int)].copy()
        odd = oddness(as_queries(few), few, classic, **options) | found.oddness
    default = base_score("" if searched is None else str(searched.uns["effect"]), classic)
    judged = [*classic, *[LEARNED] * (LEARNED in found.oddness)]
    chosen = choose_headline(found.queries, judged, oddness=odd, learned=LEARNED, default=default, seed=seed)
    if LEARNED in methods and LEARNED not in found.oddness:
        why = "the embedding was not tested here"
        chosen = chosen._replace(reason=f"{chosen.reason}; {why}")
    if wanted != "auto":
        reason = f"{wanted} ranks the drugs because --headline says so; left to the gates, {chosen.reason}"
        return Headline(wanted, reason, chosen.gates)
    return chosen


def indicated_compounds(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Bring a table of indications into the columns dataset and compound_id, each pair once.

    Parameters
    ----------
    table
        Table of text: dataset (or disease, called as the data set is), and compound (or pert_iname, drug).
    name
        What to call it in messages.

    Raises
    ------
    InputError
        A column is missing.

    Examples
    --------
    >>> indicated_compounds(pd.DataFrame({"disease": ["lupus"], "drug": ["Drug A"]}), "x.tsv").to_dict("records")
    [{'dataset': 'lupus', 'compound_id': 'drug-a'}]
    """
    found = {}
    for column, names in (("dataset", ("dataset", "disease")), ("compound", ("compound", "pert_iname", "drug"))):
        there = [one for one in names if one in table]
        if not there:
            raise InputError(Problem(name, column, "The column is missing.", f"Name one column {' or '.join(names)}."))
        found[column] = table[there[0]].astype(str).str.strip()
    out = pd.DataFrame({"dataset": found["dataset"], "compound_id": found["compound"].map(compound_key)})
    return out[(out != "").all(axis=1)].drop_duplicates(ignore_index=True)


def recover_indications(
    populations: Sequence[ad.AnnData], searched: ad.AnnData | None, indications: pd.DataFrame | None, method: str, *,
    seed: int, **options: object,
) -> pd.DataFrame:  # fmt: skip
    """Whether drugs that treat a disease reverse its populations, beside the null.

    Parameters
    ----------
    populations
        Signature sets.
    searched
        Chosen signatures of the reference; ``obs["name_id"]`` is the compound as tables of drugs know it.
    indications
        Of :func:`indicated_compounds`; None gives an empty table.
    method
        A classic score; a drug's is the mean over its signatures.
    seed, options
        As in :func:`headline_of_run`.
    """
    columns = [
        "dataset",
        "population",
        "method",
        "auroc",
        "low",
        "high",
        "p",
        "null_low",
        "null_high",
        "n_drugs",
        "reason",
    ]
    rows = []
    for one in populations if indications is not None and searched is not None else []:
        dataset = str(one.obs["dataset"].iloc[0])
        mine = indications[indications["dataset"].str.casefold() == dataset.casefold()]
        if mine.empty:
            continue
        others = indications[indications["dataset"].str.casefold() != dataset.casefold()]
        usable = one[(one.obs["status"] != "skipped").to_numpy()].copy()
        scores = score_matrices(usable, searched, [method], **options)[method]
        degree = others["compound_id"].value_counts()
        for population, row in zip(usable.obs["population"], scores, strict=True):
            by_drug = pd.Series(row).groupby(searched.obs["name_id"].to_numpy(str)).mean()
            found = indication_recovery(by_drug, set(mine["compound_id"]), degree, seed=seed)
            rows.append((dataset, str(population), method, *found))
    return pd.DataFrame(rows, columns=columns)
