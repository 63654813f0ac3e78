"""The null of single pairs: random queries like the run's own, each population's apart."""

import numpy as np
import pytest
from tests.conftest import make_sets

from scperturb_cmap.scoring import SCORES
from scperturb_cmap.scoring.engine import score_blocks

N_RANDOM = 99


def p_values(method, ill, drugs):
    blocks = score_blocks(
        ill, drugs, [method], headline=method, n_random=N_RANDOM, seed=3, n_genes=15, min_tags=5, device="cpu"
    )
    table = next(blocks).table
    return {population: mine["p_value"].to_numpy() for population, mine in table.groupby("population")}


@pytest.mark.parametrize("method", SCORES)
def test_another_population_in_the_run_changes_no_p_value(method):
    """Both measure the same genes, so the pool of random genes is the same with and without the other."""
    rng = np.random.default_rng(5)
    drugs, ill = make_sets(rng.standard_normal((6, 200)), rng.standard_normal((2, 200)) ** 3)
    both, alone = p_values(method, ill, drugs), p_values(method, ill[1:], drugs)
    assert np.array_equal(both["population1"], alone["population1"])
    assert ((both["population1"] > 0) & (both["population1"] <= 1)).all()


@pytest.mark.parametrize("method", ["xcos", "xcor", "xspe", "xsum", "wtcs"])
def test_gene_sets_that_mean_nothing_are_not_significant(method):
    """Sets have no values outside of them: a null that looked for values there would make every pair significant."""
    rng = np.random.default_rng(6)
    sets = np.full((1, 1000), np.nan)
    sets[0, rng.choice(1000, 60, replace=False)] = np.repeat([1.0, -1], 30)
    drugs, ill = make_sets(rng.standard_normal((80, 1000)), np.concatenate([sets, rng.standard_normal((1, 1000))]))
    ill.obs["effect"] = ["set", "wald_z"]
    assert np.mean(p_values(method, ill, drugs)["population0"] < 0.1) < 0.25
