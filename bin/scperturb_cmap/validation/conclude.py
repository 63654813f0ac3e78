"""What follows from a validation: the headline, and what must stop the run."""

from collections.abc import Sequence

import anndata as ad
import numpy as np

from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.validation.headline import Headline, base_score, choose_headline
from scperturb_cmap.validation.leaks import Finding
from scperturb_cmap.validation.matrices import as_queries, oddness
from scperturb_cmap.validation.reference import Validated
from scperturb_cmap.validation.spaces import LEARNED

__all__ = ["headline_of_run", "refuse_leaks"]

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
    kinds: Sequence[str] = ("single_cells",),
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
    kinds
        Of :func:`~scperturb_cmap.validation.headline.choose_headline`.
    seed, options
        As there.
    """
    classic, odd = [name for name in methods if name != LEARNED], {}
    if searched is not None:
        few = searched[np.linspace(0, searched.n_obs - 1, min(_TURNED, searched.n_obs)).astype(int)].copy()
        odd = oddness(as_queries(few), few, classic, **options) | found.oddness
    default = base_score(searched, classic)
    judged = [*classic, *[LEARNED] * (LEARNED in found.oddness)]
    chosen = choose_headline(
        found.queries, judged, oddness=odd, learned=LEARNED, default=default, kinds=kinds, seed=seed
    )
    if LEARNED in methods and LEARNED not in found.oddness:
        why = "the embedding was not tested here"
        chosen = chosen._replace(reason=f"{chosen.reason}; {why}")
    if wanted != "auto":
        reason = f"{wanted} ranks the drugs because --headline says so; left to the gates, {chosen.reason}"
        return Headline(wanted, reason, chosen.gates)
    return chosen
