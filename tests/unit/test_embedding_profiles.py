"""The layer of profiles: what repeats in another cell line counts, what a line's signatures have in common does not."""

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.embedding import profiles as module
from scperturb_cmap.embedding.inputs import Centring
from scperturb_cmap.embedding.linear import LinearEncoder
from scperturb_cmap.embedding.profiles import BLOCKS, FEWEST_IN_SEVERAL_LINES, discriminant, fit_profiles

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
    return np.vstack(scores).astype(np.float32), labels_of(n)


def labels_of(n, batches=None):
    """n compounds in three lines, in batches of ten where these are known."""
    names = [f"c{number:03d}" for number in range(n)]
    batch = [f"p{number // 10}" for number in range(n)] if batches else [""] * n
    return pd.DataFrame({"compound_id": names * 3, "cell_line": np.repeat(["A", "B", "C"], n), "batch": batch * 3})


def share_found(encoder, centring, case):
    """Of new compounds: how often the signature in line B nearest to the one of line A is of the same compound."""
    scores, labels = case
    one, other = ((labels["cell_line"] == line).to_numpy() for line in "AB")
    places = encoder.encode_perturbation(centring.of_perturbations(scores, labels["cell_line"])[other])
    near = (encoder.encode_query(scores[one]) @ places.T).argmax(axis=1)
    return (labels["compound_id"].to_numpy()[other][near] == labels["compound_id"].to_numpy()[one]).mean()


def names_of(encoder):
    return tuple(block.name for block in encoder.blocks)


def test_what_repeats_in_another_line_finds_unseen_compounds():
    encoder, centring, table = fit_profiles(*planted())
    chosen = names_of(encoder)
    assert "other lines" in chosen and " + ".join(chosen) == table.loc[table["mean_percentile"].idxmin(), "blocks"]
    scores, labels = planted()
    white = fit_profiles(scores, labels.assign(cell_line=""))[0]
    new = planted(seed=7)
    learned = LinearEncoder([block for block in encoder.blocks if block.name in ("discriminant", "other lines")])
    shares = [share_found(one, centring, new) for one in (white, encoder, learned)]
    assert shares[2] > 2 * shares[0] and shares[0] < shares[1] < shares[2]
    assert len(table) == len(BLOCKS[False]) and table["mean_percentile"].between(0, 1).all()


@pytest.mark.parametrize("case", ["no lines", "one line", "few compounds", "nothing", "alone"])
def test_where_no_compound_can_be_compared_nothing_but_whitening_is_fitted(case):
    scores, labels = planted(FEWEST_IN_SEVERAL_LINES - 1 if case == "few compounds" else N)
    if case in ("no lines", "one line"):
        labels["cell_line"] = "" if case == "no lines" else "A"
    elif case == "nothing":
        scores[:] = 0
    elif case == "alone":  # every signature has a line of its own
        labels["cell_line"] = [f"L{n}" for n in range(len(labels))]
    encoder, _, table = fit_profiles(scores, labels)
    assert names_of(encoder) == ("whitened",) and table.empty


def test_what_a_line_has_in_common_does_not_move_a_query():
    """No mean is taken off a query, so the maps must not see it: also where the query is of a line nobody has seen."""
    scores, labels = planted()
    encoder, centring, _ = fit_profiles(scores, labels)
    assert np.allclose(encoder.encode_query(scores[:5]), -encoder.encode_query(-scores[:5]), atol=1e-6)
    encoder = LinearEncoder([block for block in encoder.blocks if block.name != "plain"])  # genes as they are do see it
    query, mean = scores[:5], centring.means["B"]
    assert np.allclose(encoder.encode_query(query), encoder.encode_query(query + 3 * mean), atol=1e-4)


def test_of_many_lines_the_main_directions_are_taken():
    """What most lines share goes; what is of one line alone may stay."""
    random = np.random.default_rng(0)
    shared = np.zeros(N_GENES)
    shared[0] = 5.0
    means = {f"L{n}": shared + 0.1 * random.normal(size=N_GENES) for n in range(30)}
    found = Centring(means | {"": shared}).common_directions()
    assert found.shape == (5, N_GENES) and abs(found[0] @ shared) > 4.9
    assert np.allclose(found @ found.T, np.eye(5), atol=1e-9)


@pytest.mark.parametrize("known", [True, False])
def test_a_batch_is_no_compound(known):
    """Ten compounds of a plate look alike in every line and have no effect of their own: no map of compounds is better."""
    random = np.random.default_rng(0)
    plates = np.repeat(2 * random.normal(size=(N // 10, N_GENES)), 10, axis=0)
    scores = np.vstack([plates + random.normal(size=(N, N_GENES)) for _ in range(3)]).astype(np.float32)
    _, _, table = fit_profiles(scores, labels_of(N, batches=known))
    best = table["mean_percentile"].min()
    assert best > 0.4 if known else best < 0.3


def test_what_chooses_has_not_been_fitted_on(monkeypatch):
    """Signatures of validation compounds may be anything: means, axes and maps that choose stay the same."""
    fitted, fit = [], module.fit_encoders

    def recorded(*given, **options):
        fitted.append(fit(*given, **options))
        return fitted[-1]

    monkeypatch.setattr(module, "fit_encoders", recorded)
    monkeypatch.setattr(module, "_MOST_GENES", 10)  # axes, too
    scores, labels = planted()
    folds = module.compound_folds(sorted(set(labels["compound_id"])), 5, 3)
    changed = scores.copy()
    changed[(labels["compound_id"].map(folds) == 0).to_numpy()] *= -5
    for one in (scores, changed):
        fit_profiles(one, labels, seed=3)
    assert len(fitted) == 4  # to choose and to keep, twice
    for (first, before), (again, after) in zip(fitted[0], fitted[2], strict=True):
        assert names_of(first) == names_of(again)
        assert all((before.means[line] == after.means[line]).all() for line in before.means)
        for one, other in zip(first.blocks, again.blocks, strict=True):
            assert (one.query == other.query).all() and (one.perturbation == other.perturbation).all()
    kept = fitted[1][0][0].blocks[-1].query, fitted[3][0][0].blocks[-1].query
    assert kept[0].shape != kept[1].shape or not np.allclose(*kept)  # with them, the last fit is another one


def test_directions_beyond_the_compounds_are_not_kept():
    random = np.random.default_rng(0)
    scores = random.normal(size=(40, 30))
    assert discriminant(scores, np.repeat(np.arange(10), 4), 25).shape == (30, 10)


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
