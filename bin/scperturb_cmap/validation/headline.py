"""Which score ranks the drugs: chosen by gates on the validation half of the compounds, reported on the other half."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import anndata as ad
import numpy as np
import pandas as pd

from scperturb_cmap.embedding.inputs import is_gene_sets
from scperturb_cmap.validation.controls import EXCHANGED, LABELS
from scperturb_cmap.validation.metrics import PRIMARY
from scperturb_cmap.validation.uncertainty import cluster_interval, cluster_means

__all__ = ["DEFAULT", "FEWEST_CLUSTERS", "OWN_KIND", "Headline", "base_score", "choose_headline"]

#: The score that ranks where nothing speaks against it: best of the classic ones on single cells (docs/validation.md).
DEFAULT = "spearman"

#: The same for a reference of gene sets, where Spearman's score calls too many drugs under shuffled labels.
_DEFAULT_OF_SETS = "wtcs"

#: Tasks that decide, the first with enough compounds or mechanisms.
_DECIDE = ("mechanism", "other_line", "other_platform", "single_cell", "other_dose_or_time", "replicate")

#: Tasks on which a learned score must not be worse than this.
_NOT_WORSE, _MARGIN = ("other_line", "unseen_line"), -0.01

#: Task whose queries are of the same kind as the populations of a run.
OWN_KIND = {"single_cells": "single_cell", "gene_sets": "other_platform"}

#: Part of a difference that must be left among weaker signatures.
_PERSISTS = 0.5

#: With fewer compounds or mechanisms in the validation half a task decides nothing.
FEWEST_CLUSTERS = 20

#: Deviation from the definition, and from a change of sign, that rounding explains.
_ROUNDING = 1e-5


class Headline(NamedTuple):
    """What was chosen.

    Parameters
    ----------
    method
        The score.
    reason
        One sentence.
    gates
        One row per gate and method: gate, method, passed ("yes", "no", "not decided" for a method without a score,
        "not asked" where there is nothing to ask), detail.
    """

    method: str
    reason: str
    gates: pd.DataFrame


def base_score(searched: ad.AnnData | None, methods: Sequence[str]) -> str:
    """The classic score that a validation starts from.

    It is the headline where nothing speaks against it, what others are compared with, and, without a learned score, what
    controls are made of.

    Parameters
    ----------
    searched
        Signatures of the searched reference; None where none could be chosen.
    methods
        Classic scores of the run; where the default is not among them, the first.

    Examples
    --------
    >>> profiles, sets = (ad.AnnData(uns={"effect": effect}) for effect in ("modz", "rank"))
    >>> [base_score(one, ["cosine", "spearman", "wtcs"]) for one in (profiles, sets, None)], base_score(profiles, ["xsum"])
    (['spearman', 'wtcs', 'spearman'], 'xsum')
    """
    sets = searched is not None and is_gene_sets(str(searched.uns["effect"]))
    default = _DEFAULT_OF_SETS if sets else DEFAULT
    return default if default in methods else methods[0]


def choose_headline(
    found: pd.DataFrame,
    methods: Sequence[str],
    *,
    oddness: dict[str, float],
    learned: str = "embedding",
    default: str = DEFAULT,
    kinds: Sequence[str] = ("single_cells",),
    seed: int = 0,
) -> Headline:
    """Choose the score that ranks the drugs.

    G0: a query with its sign turned has the turned score. G1: the learned score finds nothing where compounds or genes are
    exchanged; what it learns from exchanged compounds finds nothing, or surely less than what it learns from the true ones. G2:
    on the task that decides it is better than the classic score to beat, the interval of the paired difference above 0, and not
    worse than -0.01 across lines where that was measured. G3: at least half of the difference is left among the two weaker
    thirds of signatures, and it is above 0 against compounds of the same batch. G4: with queries of the kind that the run's
    populations are of it is not worse than -0.01, by the area under the curve either, for a space learned on other platforms
    may be of no use, or harm, there. That one is the default unless another one's difference has an interval
    above 0, as wide as so many comparisons need (Bonferroni). A gate that the data cannot decide is not passed; but where
    batches are unknown, or no compound was tried in two lines, these parts of G3 and G2 ask nothing, and the table of gates
    says so.

    Parameters
    ----------
    found
        Metrics of queries (:func:`~scperturb_cmap.validation.evaluate.evaluate_queries`) with task, kind, half, cluster, method
        and strength_third (1 = weakest); only the validation half is looked at.
    methods
        Scores to choose among.
    oddness
        Method -> largest abs(score(-query) + score(query)), relative to the scores' size.
    learned
        Name of the learned score.
    default
        The classic score that ranks unless another one is surely better.
    kinds
        What the populations of the run are: keys of :data:`OWN_KIND`.
    seed
        Of the bootstrap.
    """
    mine = found[(found["half"] == "validation") & ~found["method"].str.startswith("control")]
    controls = found[(found["half"] == "validation") & found["method"].str.startswith("control")]
    gates = [("G0", name, _word(value), f"largest deviation {value:.1g}") for name, value in oddness.items()]
    odd = {name for name, value in oddness.items() if value <= _ROUNDING}
    task = next(
        (name for name in _DECIDE if mine.loc[mine["task"] == name, "cluster"].nunique() >= FEWEST_CLUSTERS), ""
    )
    measured = set(mine.loc[mine["task"] == task, "method"]) if task else set(methods)
    usable = [name for name in methods if name in odd and name in measured]
    # the learned score never ranks without having passed the gates
    classic = [name for name in usable if name != learned] or [name for name in methods if name != learned]
    best = first = default if default in classic else classic[0]
    if not task:
        why = f"no task has {FEWEST_CLUSTERS} compounds or mechanisms to decide by"
        return Headline(best, f"{best} ranks the drugs: {why}", _table(gates))
    for name in classic:
        difference = _difference(mine, task, name, best, seed, level=1 - 0.05 / max(len(classic) - 1, 1))
        if name != best and difference.low > 0:
            best = name
    how = f"the classic score that is taken first, which no other one surely beats on {task}"
    if best != first:
        how = f"surely better than {first} on {task}"
    gates.append(("classic score to beat", best, "yes", how))
    if learned not in usable:
        return Headline(best, f"{best} ranks the drugs: {how}", _table(gates))
    nothing = _finds_nothing(controls, task, seed, gates)
    asked = dict.fromkeys([task, *(OWN_KIND[kind] for kind in kinds)])
    passed = {"G0": True, "G1": _labels_tell(controls, asked, seed, gates) and nothing}
    better = _difference(mine, task, learned, best, seed)
    watched = [name for name in _NOT_WORSE if name != task and (mine["task"] == name).any()]
    others = {name: _difference(mine, name, learned, best, seed) for name in watched}
    passed["G2"] = better.low > 0 and all(one.value >= _MARGIN for one in others.values())
    said = [f"{task}: {better}", *(f"{name}: {one}" for name, one in others.items())]
    said += [] if watched or task in _NOT_WORSE else ["across lines: not measured"]
    gates.append(("G2", learned, "yes" if passed["G2"] else "no", "; ".join(said)))
    weak = _difference(mine[mine["strength_third"] <= 2], task, learned, best, seed)
    batch = _difference(mine, "other_line_same_batch", learned, best, seed)
    passed["G3"] = weak.value >= _PERSISTS * better.value and weak.value > 0 and not batch.value <= 0
    gates.append(("G3", learned, "yes" if passed["G3"] else "no", f"weaker signatures: {weak}; same batch: {batch}"))
    tried, holds, said = True, True, []
    for kind in kinds:
        part = mine[mine["kind"] == kind]
        # average precisions of one answer among thousands are small, and so are their differences
        for metric in (PRIMARY, "auroc"):
            one = _difference(part, OWN_KIND[kind], learned, best, seed, metric=metric)
            tried, holds = tried and one.n >= FEWEST_CLUSTERS, holds and one.value >= _MARGIN
            said.append(f"{OWN_KIND[kind]} by {metric}: {one}")
    passed["G4"] = tried and holds
    detail = f"{'; '.join(said)}; {FEWEST_CLUSTERS} compounds of the half that chooses are needed"
    gates.append(("G4", learned, "yes" if passed["G4"] else "no", detail))
    if all(passed.values()):
        return Headline(
            learned, f"the embedding ranks the drugs: it passed all gates against {best} on {task}", _table(gates)
        )
    failed = [name for name, fine in passed.items() if not fine and name != "G4"]
    why = [f"did not pass {', '.join(failed)} on {task}"] if failed else []
    if not passed["G4"]:
        why.append("did not pass G4" if tried else f"was not tried on enough {' and '.join(kinds).replace('_', ' ')}")
    return Headline(best, f"{best} ranks the drugs: the embedding {', and '.join(why)}", _table(gates))


class _Difference(NamedTuple):
    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}], n {self.n}" if self.n else "not measured"


def _difference(
    table: pd.DataFrame, task: str, method: str, base: str, seed: int = 0, level: float = 0.95, metric: str = PRIMARY
) -> _Difference:
    """Macro mean of the paired difference of a metric; missing where there is none."""
    part = table[table["task"] == task]
    one, other = (part[part["method"] == name].set_index("query") for name in (method, base))
    both = one.index.intersection(other.index)
    if not len(both):
        return _Difference(np.nan, np.nan, np.nan, 0)
    values, clusters = (one.loc[both, metric] - other.loc[both, metric]).to_numpy(), one.loc[both, "cluster"]
    means = cluster_means(values, clusters)
    low, high = cluster_interval(values, clusters, seed=seed, level=level)[:, 0]
    return _Difference(float(means.mean()), float(low), float(high), len(means))


def _finds_nothing(controls: pd.DataFrame, task: str, seed: int, gates: list) -> bool:
    """Whether the area under the curve of both controls has an interval around 0.5, or below it."""
    passed = True
    for name in ("control: permuted labels", "control: shuffled genes"):
        part = controls[(controls["task"] == task) & (controls["method"] == name)]
        at_chance, said = _area(part, seed)
        passed &= at_chance
        gates.append(("G1", name, "yes" if at_chance else "no", said))
    return passed


def _area(part: pd.DataFrame, seed: int) -> tuple[bool, str]:
    """Whether the interval of the area under the curve reaches down to 0.5, and its ends; not where nothing was asked."""
    low = high = np.nan
    if len(part):
        low, high = cluster_interval(part["auroc"].to_numpy(), part["cluster"], seed=seed)[:, 0]
    return bool(low <= 0.5), f"area under the curve [{low:.3f}, {high:.3f}], chance 0.5"


def _labels_tell(controls: pd.DataFrame, tasks: Iterable[str], seed: int, gates: list) -> bool:
    """Whether what is learned from exchanged compounds finds nothing, or surely less than the same from the true ones.

    Chance alone cannot be asked for: within a platform both sides go through one map, and any map keeps some of the likeness
    that signatures of a compound have, whatever it was learned from.
    """
    said, answers = [], []
    for task in tasks:
        part = controls[controls["task"] == task]
        n = part.loc[part["method"] == LABELS, "cluster"].nunique()
        if n < FEWEST_CLUSTERS:  # labels had hardly a part in the space
            said.append(f"{task}: {n} compounds or mechanisms are placed by anything that is learned from labels")
            continue
        at_chance, area = _area(part[part["method"] == EXCHANGED], seed)
        more = _difference(part, task, LABELS, EXCHANGED, seed, metric="auroc")
        answers.append(bool(at_chance or more.low > 0))
        said.append(f"{task}: {area}; from the true labels {more} more")
    passed = all(answers)
    gates.append(("G1", EXCHANGED, ("yes" if passed else "no") if answers else "not asked", "; ".join(said)))
    return passed


def _word(deviation: float) -> str:
    return "not decided" if np.isnan(deviation) else "yes" if deviation <= _ROUNDING else "no"


def _table(gates: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(gates, columns=["gate", "method", "passed", "detail"])
