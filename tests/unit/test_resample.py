"""Resamples: the same statistic on other donors."""

import numpy as np
import pandas as pd
import pytest
from simulate import simulate

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.signatures.derive import Settings, derive_signatures
from scperturb_cmap.signatures.design import choose_design
from scperturb_cmap.signatures.differential import wald_contrast
from scperturb_cmap.signatures.resample import donor_weights, weighted_wald


def fitted(paired: bool, n_donors: int = 4, covariate: bool = False):
    counts, rows = simulate(11, effect=1, n_donors=n_donors, paired=paired)
    mine = rows[rows["population"] == "B"].assign(n_counts=1)
    if covariate:
        mine["sex"] = [("f", "m")[int(donor[-1]) % 2] for donor in mine["donor"]]
    design = choose_design(mine, 10, 1, ["sex"] if covariate else [])
    table, fit = wald_contrast(pd.DataFrame(counts), design, 10)
    return table, fit, design


@pytest.mark.parametrize(("paired", "covariate"), [(False, False), (True, False), (False, True)])
def test_with_every_donor_once_it_is_the_signature(paired, covariate):
    table, fit, _ = fitted(paired, covariate=covariate)
    assert_same(table, fit)


def assert_same(table, fit):
    z = weighted_wald(fit, np.ones(len(fit.counts)))
    np.testing.assert_allclose(z, table["value"].to_numpy()[fit.tested], rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("n_donors", [4, 8])
def test_genes_off_in_one_arm_and_outliers_too(n_donors):
    """The genes where floors and replacements matter: unseen in controls, and one wild donor (replaced from 7 on)."""
    counts, rows = simulate(13, effect=1, n_donors=n_donors)
    mine = rows[rows["population"] == "B"].assign(n_counts=1)
    control = (mine["arm"] == "control").to_numpy()
    counts = pd.DataFrame(counts).loc[mine.index].copy()
    counts.loc[control, list(range(5))] = 0
    counts.iloc[np.flatnonzero(~control)[0], 5:15] = counts.iloc[:, 5:15].mean() * 60
    table, fit = wald_contrast(counts, choose_design(mine, 10, 1), 10)
    assert fit.tested[:5].sum() >= 4 and fit.tested[5:15].sum() == (10 if n_donors == 8 else 0)
    assert_same(table, fit)


@pytest.mark.parametrize("paired", [False, True])
def test_weights_are_copies_and_absences(paired):
    """A donor of weight 0 is not there; one of weight 2 is there twice (statsmodels as the independent model)."""
    import statsmodels.api as sm

    _, fit, design = fitted(paired)
    weights = np.ones(len(fit.counts))
    donors = design.used["donor"].to_numpy()
    weights[donors == donors[0]], weights[donors == donors[1]] = 0, 2
    rows = np.repeat(np.arange(len(weights)), weights.astype(int))
    columns = fit.model[rows].any(axis=0)
    z = weighted_wald(fit, weights)
    for gene in (0, 30, 100, 200):
        family = sm.families.NegativeBinomial(alpha=fit.dispersions[gene])
        model = sm.GLM(
            fit.counts[rows, gene], fit.model[rows][:, columns], family=family, offset=np.log(fit.size_factors[rows])
        ).fit()
        assert z[gene] == pytest.approx(model.params[-1] / model.bse[-1], rel=5e-3, abs=5e-3)


def test_donors_that_cannot_tell_the_arms_from_a_covariate_give_nothing():
    """Without the only man among the cases, sex is the arm: no number, rather than any."""
    _, fit, design = fitted(paired=False, covariate=True)
    case, sex = (design.used["arm"] == "case").to_numpy(), design.used["sex"].to_numpy()
    alone = np.where(case == (sex == "f"), 1.0, 0.0)  # women ill, men well
    assert np.isnan(weighted_wald(fit, alone)).all() and not np.isnan(weighted_wald(fit, np.ones(len(alone)))).any()


@pytest.mark.parametrize(
    ("paired", "n_donors", "left_out", "drawn"), [(True, 5, 5, 3), (False, 4, 8, 3), (True, 3, 3, 0), (False, 2, 0, 0)]
)
def test_which_resamples_there_are(paired, n_donors, left_out, drawn):
    _, _, design = fitted(paired, n_donors)
    resamples = dict(donor_weights(design, 3, seed=1))
    assert sum(name.startswith("without") for name in resamples) == left_out
    assert sum(name.startswith("bootstrap") for name in resamples) == drawn
    case = (design.used["arm"] == "case").to_numpy()
    for name, weights in resamples.items():
        assert min((weights[case] > 0).sum(), (weights[~case] > 0).sum()) >= 2
        if name.startswith("bootstrap"):  # as many donors in each arm as there were
            assert weights[case].sum() == case.sum() and weights[~case].sum() == (~case).sum()
        if paired:  # both halves of a pair go together
            assert pd.Series(weights).groupby(design.used["donor"].to_numpy()).nunique().eq(1).all()


def test_resamples_are_stored_with_their_signature():
    counts, rows = simulate(12, effect=1)
    names = [f"G{n}" for n in range(300)]
    genes = {"entrez_id": [str(n + 1) for n in range(300)], "symbol": names, "ensembl_id": "", "synonyms": ""}
    table = GeneTable.from_tables([pd.DataFrame(genes | {"feature_space": "other"})])
    about = {"dataset": "d", "case": "ill", "control": "well"}
    first, second = (
        derive_signatures(counts, rows, ["B"], table.map(names), table, settings=Settings(resamples=4, seed=3), **about)
        for _ in range(2)
    )
    stored = first.resamples
    assert np.array_equal(stored.X, second.resamples.X, equal_nan=True)
    assert stored.var_names.equals(first.signatures.var_names)
    mine = stored[stored.obs["population"] == "B"]
    assert mine.n_obs == 8 + 4 and "without case0" in set(mine.obs["resample"])
    r = [pd.Series(row).corr(pd.Series(first.signatures["d|B"].X[0])) for row in mine.X]
    assert 0.8 < min(r) < max(r) < 0.999  # other donors: alike, not the same
