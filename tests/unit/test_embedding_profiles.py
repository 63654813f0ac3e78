"""The layer of profiles: what repeats in another cell line counts, what a line's signatures have in common does not."""

import numpy as np
import pytest

from scperturb_cmap.embedding import profiles as module
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.profiles import FEWEST_IN_SEVERAL_LINES, fit_profiles

N, N_GENES = 80, 60


def planted(n=N, seed=0, common=4.0):
    """Compounds in three lines: 5 directions repeat between lines, 10 stronger ones are drawn anew, every line has a mean."""
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(np.random.default_rng(1).normal(size=(N_GENES, 18)))[0].T
    state = random.normal(size=(n, 5))
    scores = [
        state @ directions[:5] + 2 * random.normal(size=(n, 10)) @ directions[5:15] + common * directions[15 + line]
        for line in range(3)
    ]
    names = np.array([f"c{n:03d}" for n in range(n)])
    return np.vstack(scores).astype(np.float32), np.repeat(["A", "B", "C"], n), np.tile(names, 3)


def share_found(encoder, centring, case):
    """Of new compounds: how often the signature in line B nearest to the one of line A is of the same compound."""
    scores, lines, compounds = case
    one, other = lines == "A", lines == "B"
    near = (
        encoder.encode_query(scores[one])
        @ encoder.encode_perturbation(centring.of_perturbations(scores, lines)[other]).T
    )
    return (compounds[other][near.argmax(axis=1)] == compounds[one]).mean()


def test_what_repeats_in_another_line_finds_unseen_compounds():
    encoder, centring, table = fit_profiles(*planted())
    chosen = [block.name for block in encoder.blocks]
    assert "other lines" in chosen and " + ".join(chosen) == table.loc[table["mean_percentile"].idxmin(), "blocks"]
    white = fit_profiles(*one_line())[0]
    new = planted(seed=7)
    assert share_found(encoder, centring, new) > 2 * share_found(white, centring, new)
    assert len(table) == len(module.BLOCKS) and table["mean_percentile"].between(0, 1).all()


def one_line():
    """The same signatures, as if their line were not known."""
    scores, _, compounds = planted()
    return scores, np.full(len(scores), ""), compounds


@pytest.mark.parametrize("case", ["no lines", "few compounds"])
def test_without_enough_compounds_in_two_lines_nothing_but_whitening_is_fitted(case):
    scores, lines, compounds = one_line() if case == "no lines" else planted(FEWEST_IN_SEVERAL_LINES - 1)
    encoder, _, table = fit_profiles(scores, lines, compounds)
    assert [block.name for block in encoder.blocks] == ["whitened"] and table.empty


def test_what_a_line_has_in_common_does_not_move_a_query():
    """No mean is taken off a query, so the maps must not see it: also where the query is of a line nobody has seen."""
    scores, lines, compounds = planted()
    encoder, centring, _ = fit_profiles(scores, lines, compounds)
    query, mean = scores[:5], centring.means["B"]
    assert np.allclose(encoder.encode_query(query), encoder.encode_query(query + 3 * mean), atol=1e-4)
    assert np.allclose(encoder.encode_query(query), -encoder.encode_query(-query), atol=1e-6)


def test_what_chooses_has_not_been_fitted_on(monkeypatch):
    """Signatures of validation compounds may be anything: means, axes and maps that choose stay the same."""
    fitted, fit = [], module._fit

    def recorded(*given):
        fitted.append(fit(*given))
        return fitted[-1]

    monkeypatch.setattr(module, "_fit", recorded)
    scores, lines, compounds = planted()
    fit_profiles(scores, lines, compounds, seed=3)
    folds = module.compound_folds(sorted(set(compounds)), 5, 3)
    changed = scores.copy()
    changed[[folds[name] == 0 for name in compounds]] *= -5
    fit_profiles(changed, lines, compounds, seed=3)
    first, again = fitted[0][0][0], fitted[2][0][0]
    assert all((one.query == other.query).all() for one, other in zip(first.blocks, again.blocks, strict=True))
    assert len(fitted) == 4  # to choose and to keep, twice


def test_two_signatures_of_one_compound_in_one_line_are_no_pair():
    scores, _, compounds = planted()
    _, _, table = fit_profiles(scores, np.full(len(scores), "A"), compounds)
    assert table.empty


def test_a_small_gene_set_is_not_made_of_the_mean():
    random = np.random.default_rng(0)
    sets = np.where(random.random((200, 50)) < 0.4, 1.0, 0.0).astype(np.float32)
    centring = Centring.fit(sets, ["A"] * 200, sets=True)
    small = np.zeros((1, 50), np.float32)
    small[0, 0] = 1.0
    found = centring.of_perturbations(small, ["A"])[0]
    assert found[0] > 0.9 and abs(found[1:]).max() < 0.05
    full = Centring.fit(sets, ["A"] * 200).of_perturbations(small, ["A"])[0]
    assert (full[1:] == 0).all()
