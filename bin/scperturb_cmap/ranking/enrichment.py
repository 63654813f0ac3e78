"""Mechanisms and targets whose drugs stand together at one end of a ranking."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import stats

from scperturb_cmap.utils.running_sum import leading_edge

__all__ = ["FEWEST_MEMBERS", "KINDS", "PERMUTED", "QUERIES", "enrich_ranking", "enrichment"]

#: Ranked drugs a mechanism or target must have.
FEWEST_MEMBERS = 3

#: Kind of set -> column of the annotation.
KINDS = {"mechanism": "mechanism", "target": "targets"}

#: What a score is compared with.
PERMUTED, QUERIES = "drugs permuted", "reference queries"

_PERMUTATIONS = 1000

#: Scores this close are equal: the order of a sum must not decide.
_TIE = 1e-9

_COLUMNS = [
    "population", "kind", "name", "n_drugs", "es", "nes", "p_value", "fdr", "null", "leading_drugs", "status", "reason",
]  # fmt: skip


def enrichment(
    scores: pd.DataFrame, annotation: pd.DataFrame, null: pd.DataFrame | None = None, seed: int = 0
) -> pd.DataFrame:
    r"""Enrichment of every mechanism and target at the ends of each population's ranking.

    The enrichment score (ES) is that of GSEA over the drugs, by decoupler: below 0 the set's drugs reverse, above 0 they
    mimic. With m scores under the null hypothesis,

    .. math:: p = (1 + \#\{ES_{null} \le ES\}) / (1 + m), \quad NES = ES / \overline{|ES_{null}|},

    the mean over those of the sign of ES; p is one-sided, for reversal. Drugs of one mechanism are alike under *any* query,
    so sets of drugs drawn at random make nearly every mechanism significant. Therefore the null hypothesis is best given
    by queries that have nothing to do with the disease, each as it is and turned round (the ES of a turned query is the
    ES, turned). Without them the drugs are permuted, and p says no more than that the drugs of a set are alike.

    Parameters
    ----------
    scores
        Drugs x populations: scores of the drugs, negative = reversal, NaN = none. Index = compound_id.
    annotation
        Index compound_id; columns mechanism and targets, several of one drug separated by ``|``.
    null
        Drugs x reference queries, as ``scores``. A drug that a query has no score for is left out of that query's list.
    seed
        Of the permutations.

    Returns
    -------
    One row per population, kind ("mechanism", "target") and set with at least :data:`FEWEST_MEMBERS` ranked drugs, by p:
    population, kind, name, n_drugs, es, nes, p_value, fdr (Benjamini-Hochberg over the sets of a population and kind), null
    (:data:`PERMUTED` or :data:`QUERIES`), leading_drugs (compound_id of the leading edge, strongest first, separated by
    ``|``), status ("ok"; "not_tested" with a reason, also where a population has no set to test), reason.

    References
    ----------
    Subramanian et al. 2005, doi:10.1073/pnas.0506580102; Badia-i-Mompel et al. 2022, doi:10.1093/bioadv/vbac016
    (decoupler).

    Examples
    --------
    >>> scores = pd.DataFrame({"B": np.linspace(-1, 1, 21)}, index=[f"drug {n}" for n in range(21)])
    >>> annotation = pd.DataFrame({"mechanism": ["X inhibitor"] * 4 + ["Y agonist"] * 17, "targets": ""}, index=scores.index)
    >>> found = enrichment(scores, annotation, seed=1)
    >>> found.loc[0, ["name", "leading_drugs"]].tolist(), float(found.loc[0, "es"])
    (['X inhibitor', 'drug 0|drug 1|drug 2|drug 3'], -1.0)
    """
    members = _members(annotation)
    rows = []
    # Populations that rank the same drugs share what they are compared with, unless it is made of their own scores.
    groups = _patterns(scores) if null is not None else ((scores[[name]].dropna().index, [name]) for name in scores)
    for drugs, names in groups:
        sets = members[members["drug"].isin(drugs)]
        sets = sets[sets.groupby("set")["drug"].transform("size") >= FEWEST_MEMBERS]
        mine = scores.loc[drugs, names]
        if null is None:
            es = _enrichment_scores(mine, sets)
            chance = _permuted(mine[names[0]], sets, np.random.default_rng([seed, list(scores).index(names[0])]))
        else:
            # One call for all, and for the queries turned round: their ES is the ES, turned.
            both = _enrichment_scores(pd.concat([mine, null.reindex(drugs)], axis=1), sets)
            es, chance = both.iloc[: len(names)], both.iloc[len(names) :].to_numpy()
            chance = np.concatenate([chance, -chance])
        for number, name in enumerate(names):
            rows += _compare(name, mine[name], es.iloc[number], chance, sets, PERMUTED if null is None else QUERIES)
    return _table(rows).sort_values(["population", "kind", "p_value", "es"], kind="stable", ignore_index=True)


def enrich_ranking(
    drugs: pd.DataFrame, annotation: pd.DataFrame | None, null: Mapping[str, pd.DataFrame] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Enrichment of mechanisms and targets over the ranking of one data set, by its headline score.

    Parameters
    ----------
    drugs
        Ranking of one data set.
    annotation
        As :func:`~scperturb_cmap.ranking.harmonise_annotation` gives it; None: every row has the status "not_run".
    null, seed
        As for :func:`enrichment`, by population; populations without one are compared with permuted drugs.

    Returns
    -------
    dataset and the columns of :func:`enrichment`, with names of drugs in place of compound_id; populations in the order of the
    ranking. A population without ranking has one row per kind, with its reason.
    """
    ranked = drugs[drugs["rank"].notna()]
    populations = drugs.drop_duplicates("population").set_index("population")["reason"]
    if annotation is None:
        lost = dict.fromkeys(populations.index, "No drug annotation was given (--drugs).")
        found = _table([_nothing(name, kind, "not_run", lost[name]) for name in lost for kind in KINDS])
    else:
        scores = ranked.pivot(index="compound_id", columns="population", values="score").astype(float)
        nulls = {name: (null or {}).get(name) for name in populations.index if name in scores}
        found = _table([])
        for one in {id(table): table for table in nulls.values()}.values():
            mine = [name for name in nulls if nulls[name] is one]
            found = _table(
                [*found.to_dict("records"), *enrichment(scores[mine], annotation, one, seed).to_dict("records")]
            )
        names = ranked.drop_duplicates("compound_id").set_index("compound_id")["compound"]
        found["leading_drugs"] = [
            "|".join(names[drug] for drug in row.split("|") if drug) for row in found["leading_drugs"]
        ]
        lost = {name: reason for name, reason in populations.items() if name not in scores}
        rest = [_nothing(name, kind, "not_tested", lost[name]) for name in lost for kind in KINDS]
        found = _table(found.to_dict("records") + rest)
    place = {name: n for n, name in enumerate(populations.index)}
    found = found.iloc[np.argsort(found["population"].map(place).to_numpy(int), kind="stable")].reset_index(drop=True)
    found.insert(0, "dataset", drugs["dataset"].iloc[0])
    return found


def _members(annotation: pd.DataFrame) -> pd.DataFrame:
    """One row per set and drug: kind, name, set (its number), drug."""
    tables = []
    for kind, column in KINDS.items():
        names = (
            annotation[column].str.split("|").explode().str.strip() if column in annotation else pd.Series(dtype=object)
        )
        tables.append(pd.DataFrame({"kind": kind, "name": names, "drug": names.index}))
    members = pd.concat(tables, ignore_index=True).fillna({"name": ""})
    members = members[members["name"] != ""].drop_duplicates(ignore_index=True)
    return members.assign(set=members.groupby(["kind", "name"]).ngroup())


def _patterns(table: pd.DataFrame) -> Iterator[tuple[pd.Index, list]]:
    """Rows, and the columns that have values in just these rows."""
    patterns, which = np.unique(table.notna().to_numpy().T, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        yield table.index[pattern], list(table.columns[which.ravel() == number])


def _permuted(scores: pd.Series, sets: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """ES of permuted drugs, shape (permutations, n_sets): by chance a set is like any other of its size."""
    shuffled = rng.permuted(np.repeat(scores.to_numpy(float)[:, None], _PERMUTATIONS, axis=1), axis=0)
    sizes = sets.groupby("set").size()
    each = [pd.DataFrame({"set": size, "drug": scores.index[:size]}) for size in sorted(set(sizes))]
    if not each:
        return np.empty((_PERMUTATIONS, 0))
    return _enrichment_scores(pd.DataFrame(shuffled, index=scores.index), pd.concat(each))[sizes].to_numpy()


def _enrichment_scores(scores: pd.DataFrame, sets: pd.DataFrame) -> pd.DataFrame:
    """ES of every set (columns) for every column of scores (rows), NaN where a set holds none or all of its drugs."""
    import decoupler
    import numba

    numbers = {drug: str(n) for n, drug in enumerate(scores.index)}
    net = pd.DataFrame({"source": sets["set"].astype(str), "target": sets["drug"].map(numbers), "weight": 1.0})
    result = pd.DataFrame(np.nan, index=range(scores.shape[1]), columns=np.sort(sets["set"].unique()))
    table = pd.DataFrame(scores.to_numpy(float), index=list(numbers.values()))
    threads = numba.get_num_threads()
    # Each list is little work: on a busy machine threads wait for each other fifty times as long.
    numba.set_num_threads(1)
    try:
        for drugs, columns in _patterns(table):
            mine = net[net["target"].isin(drugs)]
            mine = mine[mine.groupby("source")["target"].transform("size") < len(drugs)]
            if len(mine):
                # empty=False: drugs with a score of 0 throughout are part of the list. What is too small is left out before.
                es, _ = decoupler.mt.gsea(table.loc[drugs, columns].T, mine, tmin=1, times=0, empty=False)
                result.loc[columns, es.columns.astype(int)] = es.to_numpy()
    finally:
        numba.set_num_threads(threads)
    return result


def _compare(
    population: str, scores: pd.Series, es: pd.Series, chance: np.ndarray, sets: pd.DataFrame, null: str
) -> list[dict]:
    """Rows of one population."""
    few = f"Nothing in the annotation has {FEWEST_MEMBERS} ranked drugs."
    rows = [_nothing(population, kind, "not_tested", few) for kind in KINDS if kind not in set(sets["kind"])]
    ranks = pd.Series(stats.rankdata(-scores, method="ordinal") - 1, index=scores.index)
    for at, (number, mine) in enumerate(sets.groupby("set")):
        value, against = es[number], chance[~np.isnan(chance[:, at]), at]
        row = _nothing(population, mine["kind"].iloc[0], "not_tested", "")
        row |= {"name": mine["name"].iloc[0], "n_drugs": len(mine), "es": value, "null": null}
        rows.append(row)
        if np.isnan(value):
            row["reason"] = "Every ranked drug is in the set."
            continue
        if value:
            side = int(np.sign(value))
            drugs, places = mine["drug"].to_numpy(), ranks[mine["drug"]].to_numpy()
            _, edge = leading_edge(places, scores[drugs].abs().to_numpy(), len(scores), side)
            row["leading_drugs"] = "|".join(drugs[edge][np.argsort(side * places[edge])])
        if not len(against):
            row["reason"] = "No reference query has scores of these drugs."
            continue
        same = np.abs(against[against * value > 0])
        row |= {"p_value": (1 + (against <= value + _TIE).sum()) / (1 + len(against)), "status": "ok"}
        if len(same) or not value:
            row["nes"] = value / same.mean() if value else 0.0
        else:
            row["reason"] = "No score under the null hypothesis has this sign, so there is no NES."
    return rows


def _nothing(population: str, kind: str, status: str, reason: str) -> dict:
    """Row of a set, or of a population without any, before anything is known of it."""
    missing = dict.fromkeys(("es", "nes", "p_value"), np.nan)
    row = {"population": population, "kind": kind, "name": "", "n_drugs": 0, "null": "", "leading_drugs": ""}
    return row | missing | {"status": status, "reason": reason}


def _table(rows: list[dict]) -> pd.DataFrame:
    """All rows, with the false discovery rate over the sets of a population and kind."""
    table = pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(("es", "nes", "p_value", "fdr"), float))
    for _, tested in table[table["p_value"].notna()].groupby(["population", "kind"]):
        table.loc[tested.index, "fdr"] = stats.false_discovery_control(tested["p_value"])
    return table
