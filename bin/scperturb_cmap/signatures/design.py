"""Design guard: which pseudobulk samples of a population enter its contrast, and whether that is enough."""

from dataclasses import dataclass

import pandas as pd

__all__ = ["Design", "choose_design"]


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
        "replicated" (at least 3 donors per arm), "limited" (2), or "" when the contrast is skipped.
    reason
        Why the contrast is skipped; "" when it is not.
    """

    samples: pd.DataFrame
    kind: str = ""
    evidence: str = ""
    reason: str = ""

    @property
    def used(self) -> pd.DataFrame:
        """The samples that enter the contrast."""
        return self.samples[self.samples["used"] == "yes"]


def choose_design(samples: pd.DataFrame, min_cells: int, min_donors: int) -> Design:
    """Choose paired or unpaired, whichever keeps more donors per arm; pairs win a tie.

    A donor in both arms is either one half of a pair or left out: in an unpaired contrast its two samples would not be
    independent.

    Parameters
    ----------
    samples
        One row per donor and arm of one population: donor, arm ("case", "control"), n_cells.
    min_cells
        Fewest cells of a sample that is used.
    min_donors
        Fewest donors per arm (at least 2: a variance needs replicates).

    Examples
    --------
    >>> samples = pd.DataFrame({"donor": ["a", "b", "c", "a", "b", "d"], "arm": ["case"] * 3 + ["control"] * 3,
    ...                         "n_cells": [50, 40, 3, 60, 70, 20]})
    >>> design = choose_design(samples, min_cells=10, min_donors=2)
    >>> design.kind, design.evidence, design.used["donor"].tolist()
    ('paired', 'limited', ['a', 'b', 'a', 'b'])
    >>> choose_design(samples, min_cells=10, min_donors=3).reason
    'Too few donors with at least 10 cells: 2 case, 3 control, 2 of them in both arms; 3 per arm are needed.'
    """
    samples = samples.assign(used="no", reason=f"fewer than {min_cells} cells")
    enough = samples["n_cells"] >= min_cells
    case = set(samples.loc[enough & (samples["arm"] == "case"), "donor"])
    control = set(samples.loc[enough & (samples["arm"] == "control"), "donor"])
    pairs = case & control
    n_unpaired = min(len(case - pairs), len(control - pairs))

    paired = bool(pairs) and len(pairs) >= n_unpaired
    n_donors = len(pairs) if paired else n_unpaired
    if n_donors < min_donors:
        samples.loc[enough, "reason"] = "population skipped"
        both = f", {len(pairs)} of them in both arms" if pairs else ""
        reason = (
            f"Too few donors with at least {min_cells} cells: {len(case)} case, {len(control)} control{both}; "
            f"{min_donors} per arm are needed."
        )
        return Design(samples, reason=reason)

    in_pair = samples["donor"].isin(pairs)
    chosen = enough & (in_pair if paired else ~in_pair)
    samples.loc[enough, "reason"] = "donor in one arm only" if paired else "donor in both arms of an unpaired contrast"
    samples.loc[chosen, ["used", "reason"]] = ["yes", ""]
    return Design(samples, "paired" if paired else "unpaired", "replicated" if n_donors >= 3 else "limited")
