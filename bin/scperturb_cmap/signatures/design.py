"""Design guard: which pseudobulk samples of a population enter its contrast, and whether that is enough."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

__all__ = ["Design", "choose_design", "standardised"]


@dataclass(frozen=True)
class Design:
    """The samples of one contrast and what they can carry.

    Parameters
    ----------
    samples
        The population's samples with added columns ``used`` ("yes", "no") and ``reason`` (why not).
    kind
        "paired" (every donor in both arms), "unpaired", or "" when the contrast is skipped.
    evidence
        "replicated" (at least 3 donors per arm), "limited" (2), "exploratory" (1: an effect
        without a variance, so no p-value), or "" when the contrast is skipped.
    reason
        Why the contrast is skipped; "" when it is not.
    covariates
        Columns of ``samples`` that enter the model: those given, without the ones that say nothing here (one value only,
        or constant within the pairs of a paired contrast).
    """

    samples: pd.DataFrame
    kind: str = ""
    evidence: str = ""
    reason: str = ""
    covariates: tuple[str, ...] = ()

    @property
    def used(self) -> pd.DataFrame:
        """The samples that enter the contrast."""
        return self.samples[self.samples["used"] == "yes"]


def choose_design(samples: pd.DataFrame, min_cells: int, min_donors: int, covariates: Sequence[str] = ()) -> Design:
    """Choose paired or unpaired, whichever keeps more donors per arm; pairs win a tie.

    A sample without counts is left out, and one that lacks a covariate the model needs. So is a donor in both arms who is
    not one half of a pair: in an unpaired contrast its two samples would not be independent.

    Parameters
    ----------
    samples
        One row per donor and arm of one population: donor, arm ("case", "control"), n_cells, n_counts, and the covariates
        (numbers are taken as such, text as levels; missing = NaN or "").
    min_cells
        Fewest cells of a sample that is used.
    min_donors
        Fewest donors per arm.
    covariates
        Columns to account for; an exploratory contrast leaves them aside. A contrast whose arms a covariate tells apart, or
        with too few samples for all of them, is skipped with the reason.

    Examples
    --------
    >>> samples = pd.DataFrame({"donor": ["a", "b", "c", "a", "b", "d"], "arm": ["case"] * 3 + ["control"] * 3,
    ...                         "n_cells": [50, 40, 3, 60, 70, 20], "n_counts": 9000})
    >>> design = choose_design(samples, min_cells=10, min_donors=2)
    >>> design.kind, design.evidence, design.used["donor"].tolist()
    ('paired', 'limited', ['a', 'b', 'a', 'b'])
    >>> choose_design(samples, min_cells=10, min_donors=3).reason.split(";")[0]
    'Too few donors with at least 10 cells: 2 case, 3 control, 2 of them in both arms'
    """
    samples = samples.assign(used="no", reason=f"fewer than {min_cells} cells")
    samples.loc[samples["n_counts"] <= 0, "reason"] = "no counts"
    enough = (samples["n_cells"] >= min_cells) & (samples["n_counts"] > 0)
    given = samples[list(covariates)]
    given = given.where(given.notna() & (given != ""))  # missing text is no level of its own
    samples = samples.assign(**given)

    def attempt(wanted: Sequence[str]) -> tuple[Design, list[str]]:
        """The design of the samples that have these covariates, and which of all covariates it needs."""
        reasons = samples.copy()
        complete = enough.copy()
        for name in wanted:
            reasons.loc[complete & given[name].isna(), "reason"] = f"covariate '{name}' is missing"
            complete &= given[name].notna()
        design = _choose(reasons, complete, min_cells, min_donors)
        if design.evidence in ("", "exploratory"):
            return design, []
        return design, [name for name in covariates if not _says_nothing(design.used, name, design.kind == "paired")]

    # Only a covariate that the model needs may cost a sample; which ones it needs depends on the samples left.
    wanted: list[str] = []
    design, needed = attempt(wanted)
    while more := [name for name in needed if name not in wanted and design.used[name].isna().any()]:
        wanted = [*wanted, *more]
        design, needed = attempt(wanted)
    spare, same = attempt([name for name in wanted if name in needed])
    if same == needed and not spare.used[needed].isna().any(axis=None):
        design = spare
    if design.evidence in ("", "exploratory"):
        return design
    if reason := _model_problem(design.used, needed, design.kind == "paired"):
        samples = design.samples.copy()
        samples.loc[design.used.index, ["used", "reason"]] = ["no", "population skipped"]
        return Design(samples, reason=reason)
    return replace(design, covariates=tuple(needed))


def standardised(values: pd.Series) -> pd.Series:
    """Numbers with mean 0 and standard deviation 1, so that a year or a count does not upset the fit; text as it is.

    Examples
    --------
    >>> standardised(pd.Series([1950.0, 1960.0, 1970.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    if not pd.api.types.is_numeric_dtype(values):
        return values
    return (values - values.mean()) / (values.std() or 1.0)


def _choose(samples: pd.DataFrame, enough: pd.Series, min_cells: int, min_donors: int) -> Design:
    """The design without covariates, of the samples that are good enough."""
    samples = samples.copy()
    case = set(samples.loc[enough & (samples["arm"] == "case"), "donor"])
    control = set(samples.loc[enough & (samples["arm"] == "control"), "donor"])
    pairs = case & control
    n_unpaired = min(len(case - pairs), len(control - pairs))

    paired = bool(pairs) and len(pairs) >= n_unpaired
    n_donors = len(pairs) if paired else n_unpaired
    if n_donors < max(min_donors, 1):
        samples.loc[enough, "reason"] = "population skipped"
        both = f", {len(pairs)} of them in both arms" if pairs else ""
        n_empty = int(((samples["n_cells"] >= min_cells) & (samples["n_counts"] <= 0)).sum())
        cells = "cells that have counts" if n_empty else "cells"
        reason = (
            f"Too few donors with at least {min_cells} {cells}: {len(case)} case, {len(control)} control{both}; "
            f"{max(min_donors, 1)} per arm are needed. In all there are {_size(samples, 'case')} "
            f"and {_size(samples, 'control')}."
            + (f" In {n_empty} of the {len(samples)} samples every count is 0." if n_empty else "")
        )
        return Design(samples, reason=reason)

    in_pair = samples["donor"].isin(pairs)
    chosen = enough & (in_pair if paired else ~in_pair)
    samples.loc[enough, "reason"] = "donor in one arm only" if paired else "donor in both arms of an unpaired contrast"
    samples.loc[chosen, ["used", "reason"]] = ["yes", ""]
    evidence = "exploratory" if n_donors == 1 else "limited" if n_donors == 2 else "replicated"
    return Design(samples, "paired" if paired else "unpaired", evidence)


def _size(samples: pd.DataFrame, arm: str) -> str:
    mine = samples[samples["arm"] == arm]
    return f"{mine['n_cells'].sum()} {arm} cells of {len(mine)} donor{'' if len(mine) == 1 else 's'}"


def _says_nothing(used: pd.DataFrame, covariate: str, paired: bool) -> bool:
    """Whether a covariate has one value only, or one per pair, whose level the model estimates anyway."""
    values = used.groupby("donor")[covariate].nunique() if paired else used[[covariate]].nunique()
    return values.max() <= 1


def _model_problem(used: pd.DataFrame, covariates: Sequence[str], paired: bool) -> str:
    """Why the model cannot be fitted; "" if it can."""

    def columns(names: Sequence[str]) -> np.ndarray:
        parts = [np.ones((len(used), 1))]
        for name in names:
            values = standardised(used[name])
            numeric = pd.api.types.is_numeric_dtype(values)
            coded = values.to_frame() if numeric else pd.get_dummies(values, drop_first=True, dtype=float)
            parts.append(coded.to_numpy())
        return np.hstack(parts)

    rank = np.linalg.matrix_rank
    for name in covariates:
        if rank(columns([name, "arm"])) == rank(columns([name])):
            return f"Covariate '{name}' tells cases from controls completely: its effect and the disease's cannot be parted."
    model = columns([*(["donor"] if paired else []), *covariates, "arm"])
    if covariates and len(used) <= model.shape[1]:
        return f"Too few samples for the covariates: {len(used)} samples, {model.shape[1]} coefficients."
    if covariates and rank(model) < model.shape[1]:
        return f"The covariates {', '.join(covariates)} cannot be told apart from each other or from the arms."
    return ""
