"""Who is held out with whom: folds by compound, mechanism, cell line and batch, as a table that others can use."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from scperturb_cmap.utils.batches import beside
from scperturb_cmap.validation.tasks import membership

__all__ = ["CROSSED", "SPLITS", "alike", "fold_of", "fold_table"]

#: Split -> the column of the labels that is held out as a whole: folds are made of it.
SPLITS = {"compound": "compound_id", "mechanism": "family", "cell_line": "lineage", "batch": "batch"}

#: Split -> columns in which nobody seen may have a tested one's value.
_WHOLE = {"compound": ("compound_id",), "mechanism": ("compound_id",), "cell_line": ("cell_line", "lineage")}

#: Share of the compounds that either half has at least.
_LEAST = 0.2

#: Two splits at once: no family and no lineage of a query is seen.
CROSSED = ("mechanism", "cell_line")


def fold_table(labels: pd.DataFrame, n_folds: int, seed: int) -> pd.DataFrame:
    """A fold for every compound, mechanism, cell line and batch, and the half of the first two that chooses the headline.

    Parameters
    ----------
    labels
        compound_id (one identity over all references: InChIKey skeleton, vendor id or name), mechanism, families and family
        (:func:`~scperturb_cmap.validation.families.add_families`), cell_line and lineage, batch.
    n_folds
        Folds; of lineages and batches never more than there are.
    seed
        Another one gives other folds.

    Returns
    -------
    Columns split, name, group, fold, half. ``group`` is what goes together: the family of a mechanism, the lineage of a cell
    line, else the name itself. Half is "validation" or "test" for compounds and mechanisms, else "": what is chosen by the
    first is reported on the second, so a compound is in the half of its family. Of :data:`CROSSED` only the diagonal is there:
    pairs of a family ("name") and a lineage ("group") whose folds have the same number, so that it needs no more spaces than
    one split.

    Examples
    --------
    >>> labels = pd.DataFrame({"compound_id": list("abcd"), "mechanism": ["x", "y", "", ""], "cell_line": list("AABB"),
    ...     "batch": ""})
    >>> labels = labels.assign(families=labels["mechanism"], family=labels["mechanism"], lineage=labels["cell_line"])
    >>> table = fold_table(labels, 2, seed=0)
    >>> table.groupby("split")["fold"].nunique().to_dict()
    {'cell_line': 2, 'compound': 2, 'mechanism': 2, 'mechanism and cell_line': 1}
    """
    parts, folds = [], {}
    for number, (split, column) in enumerate(SPLITS.items()):
        groups = sorted(set(labels[column].astype(str)) - {""})
        order = np.random.default_rng([seed, number]).permutation(len(groups))
        place = pd.Series(np.argsort(order), groups, dtype=int)
        pairs = _names(labels, split)
        pairs = pairs[pairs["group"].isin(groups)]
        where = pairs["group"].map(place).to_numpy(int)
        parts.append(pairs.assign(split=split, fold=where % n_folds))
        folds[split] = place % n_folds
    mechanism, line = (folds[split] for split in CROSSED)
    pairs = labels[["family", "lineage"]].astype(str).drop_duplicates().set_axis(["name", "group"], axis=1)
    fold = pairs["name"].map(mechanism)
    met = (fold % max(line.nunique(), 1) == pairs["group"].map(line)) & (line.nunique() > 1)
    crossed = pairs.assign(split=_title(CROSSED), fold=fold)[met].sort_values(["name", "group"])
    compounds, families = _halves(labels, seed)
    for part, halves in zip(parts, (compounds, families, {}, {}), strict=True):
        part["half"] = part["group"].map(halves).fillna("")
    parts.append(crossed.assign(half=crossed["name"].map(families)))
    return pd.concat(parts, ignore_index=True).astype({"fold": int})[["split", "name", "group", "fold", "half"]]


def _halves(labels: pd.DataFrame, seed: int) -> tuple[dict[str, str], dict[str, str]]:
    """Half of every compound and of every family: else what one task chose by would be reported by another.

    Families stay whole, the largest first, each in the half with fewer compounds; then compounds without one. Where a family
    is so large that this leaves a half next to nothing, compounds are halved without it.
    """
    random = np.random.default_rng([seed, len(SPLITS)])
    pairs = labels[["compound_id", "family"]].astype(str).drop_duplicates().query("compound_id != ''")
    pairs = pairs.sort_values(["compound_id", "family"]).sample(frac=1, random_state=random)
    sizes = (
        pairs.loc[pairs["family"] != "", "family"].value_counts(sort=False).sort_values(ascending=False, kind="stable")
    )
    counts, families = dict.fromkeys(("validation", "test"), 0), {}
    for family, size in sizes.items():
        families[family] = min(counts, key=counts.get)
        counts[families[family]] += size
    compounds = dict(zip(pairs["compound_id"], pairs["family"].map(families), strict=True))
    without = [name for name, half in compounds.items() if not isinstance(half, str)]
    if min(counts.values()) + len(without) < _LEAST * len(compounds):
        compounds, without, counts = {}, list(compounds), dict.fromkeys(counts, 0)
    for name in without:
        compounds[name] = min(counts, key=counts.get)
        counts[compounds[name]] += 1
    return compounds, families


def _names(labels: pd.DataFrame, split: str) -> pd.DataFrame:
    """What stands in a split, and what each goes with."""
    name = split if split in ("mechanism", "cell_line") else SPLITS[split]
    group = "families" if split == "mechanism" else SPLITS[split]
    pairs = pd.DataFrame({"name": labels[name].astype(str), "group": labels[group].astype(str)}).drop_duplicates()
    if split == "mechanism":  # each of "a|b" with its family
        pairs = pairs.apply(lambda column: column.str.split("|")).explode(["name", "group"]).drop_duplicates()
    return pairs.sort_values(["name", "group"])


def _title(holds_out: Sequence[str]) -> str:
    return " and ".join(holds_out)


def fold_of(labels: pd.DataFrame, folds: pd.DataFrame, holds_out: Sequence[str]) -> pd.Series:
    """Fold of each query; missing for one that is in none, as most of a crossing are.

    Parameters
    ----------
    labels
        Of the queries.
    folds
        Of :func:`fold_table`.
    holds_out
        One of :data:`SPLITS`, or :data:`CROSSED`.
    """
    mine = folds[folds["split"] == _title(holds_out)]
    if len(holds_out) == 1:
        return labels[SPLITS[holds_out[0]]].map(mine.drop_duplicates("group").set_index("group")["fold"])
    key = pd.MultiIndex.from_frame(labels[[SPLITS[split] for split in holds_out]])
    return pd.Series(mine.set_index(["name", "group"])["fold"].reindex(key).to_numpy(), labels.index)


def alike(labels: pd.DataFrame, tested: pd.DataFrame, holds_out: Sequence[str]) -> np.ndarray:
    """Which signatures share with tested ones what is held out of them, and so must not be learned from.

    Parameters
    ----------
    labels, tested
        As for :func:`fold_table`.
    holds_out
        "compound"; "mechanism": compounds, and whoever shares any family of mechanisms; "cell_line": the line and all of its
        lineage (compounds elsewhere may be seen); "batch" (a scan's neighbours, too). Of several, whoever shares any.

    Examples
    --------
    Compound b shares a family with the tested a, and d its lineage.

    >>> labels = pd.DataFrame({"compound_id": list("abcd"), "families": ["x", "x|y", "z", ""], "cell_line": list("ABCD"),
    ...     "lineage": list("LMNL")})
    >>> for held in (["compound"], ["mechanism"], ["cell_line"], ["mechanism", "cell_line"]):
    ...     print(alike(labels, labels[:1], held).tolist())
    [True, False, False, False]
    [True, True, False, False]
    [True, False, False, True]
    [True, True, False, True]
    """
    shared = np.zeros(len(labels), bool)
    for split in holds_out:
        for column in _WHOLE.get(split, ()):
            shared |= labels[column].isin(set(tested[column]) - {""}).to_numpy()
        if split == "mechanism":
            names = sorted(set("|".join(tested["families"]).split("|")) - {""})
            shared |= membership(labels["families"], names).any(axis=1)
        elif split == "batch":
            shared |= beside(tested["batch"], labels["batch"]).any(axis=0)
    return shared
