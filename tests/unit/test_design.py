"""The design guard: which samples enter a contrast, paired or not, and with which covariates."""

import pandas as pd
import pytest

from scperturb_cmap.signatures.design import choose_design


def samples(case: dict, control: dict) -> pd.DataFrame:
    rows = [(donor, "case", n) for donor, n in case.items()] + [(donor, "control", n) for donor, n in control.items()]
    return pd.DataFrame(rows, columns=["donor", "arm", "n_cells"]).assign(n_counts=1000)


@pytest.mark.parametrize(
    ("case", "control", "kind", "evidence", "used"),
    [
        ({"a": 50, "b": 50, "c": 50}, {"d": 50, "e": 50, "f": 50}, "unpaired", "replicated", "abcdef"),
        ({"a": 50, "b": 50}, {"d": 50, "e": 50, "f": 50}, "unpaired", "limited", "abdef"),
        ({"a": 50, "b": 50, "c": 50}, {"a": 50, "b": 50, "c": 50}, "paired", "replicated", "aabbcc"),
        # one donor in both arms of an otherwise unpaired design is left out of both
        ({"a": 50, "b": 50, "x": 50}, {"d": 50, "e": 50, "x": 50}, "unpaired", "limited", "abde"),
        # pairs win where they are as many
        ({"a": 50, "x": 50, "y": 50}, {"d": 50, "x": 50, "y": 50}, "paired", "limited", "xxyy"),
        ({"a": 50, "b": 9, "c": 50}, {"d": 50, "e": 50, "f": 50}, "unpaired", "limited", "acdef"),
        ({"a": 50, "b": 9}, {"d": 50, "e": 50}, "unpaired", "exploratory", "ade"),
        ({"a": 50}, {"a": 50}, "paired", "exploratory", "aa"),
        ({}, {"d": 50, "e": 50}, "", "", ""),
    ],
)
def test_choice_of_design(case, control, kind, evidence, used):
    design = choose_design(samples(case, control), min_cells=10, min_donors=1)
    assert (design.kind, design.evidence, "".join(sorted(design.used["donor"]))) == (kind, evidence, used)
    assert bool(design.reason) == (kind == "")
    assert (design.samples["reason"] != "").equals(design.samples["used"] == "no")  # nothing is dropped silently


def test_cells_without_counts_are_told():
    empty = samples({"a": 50, "b": 50}, {"d": 50, "e": 50}).assign(n_counts=0)
    reason = choose_design(empty, min_cells=10, min_donors=2).reason
    assert (
        "10 cells that have counts: 0 case, 0 control" in reason and "In 4 of the 4 samples every count is 0." in reason
    )
    few = choose_design(samples({"a": 5}, {"d": 5}).assign(n_counts=0), min_cells=10, min_donors=2).reason
    assert "at least 10 cells: 0 case" in few and "count is 0" not in few


def with_covariates(rows: str) -> pd.DataFrame:
    """Samples from lines of: donor arm sex age batch ("-" = missing)."""
    table = pd.DataFrame(
        [line.split() for line in rows.strip().splitlines()], columns=["donor", "arm", "sex", "age", "batch"]
    )
    table["age"] = pd.to_numeric(table["age"], errors="coerce")
    return table.replace("-", "").assign(n_cells=50, n_counts=1000)


UNPAIRED = """
a case m 30 x
b case f 40 x
c case m 50 x
d control f 35 y
e control m 45 y
f control f 55 y
"""
PAIRED = """
a case m 30 x
a control m 30 y
b case f 40 x
b control f 40 y
c case m 50 y
c control m 50 x
d case m 50 y
d control m 50 y
"""


@pytest.mark.parametrize(
    ("rows", "covariates", "kept", "reason"),
    [
        (UNPAIRED, ["sex"], ("sex",), ""),
        (PAIRED.replace("a case m 30", "a case m -"), ["age"], (), ""),  # says nothing, so nobody is left out for it
        (UNPAIRED, ["sex", "age"], ("sex", "age"), ""),
        (UNPAIRED, ["batch"], (), "'batch' tells cases from controls completely"),
        (UNPAIRED, ["sex", "age", "donor"], (), "'donor' tells cases from controls completely"),
        (UNPAIRED.replace(" f ", " m "), ["sex"], (), ""),
        (
            UNPAIRED.replace("a case m", "a case n").replace("f control f", "f control o"),
            ["sex", "age"],
            (),
            "Too few samples",
        ),
        (PAIRED, ["sex", "age"], (), ""),  # constant within the pairs
        (PAIRED, ["batch"], ("batch",), ""),
        (
            PAIRED.replace("d case m 50 y", "d case m 50 x").replace(
                "c case m 50 y\nc control m 50 x", "c case m 50 x\nc control m 50 y"
            ),
            ["batch"],
            (),
            "tells cases from controls completely",
        ),
    ],
)
def test_covariates_are_kept_left_out_or_refused(rows, covariates, kept, reason):
    design = choose_design(with_covariates(rows), 10, 2, covariates)
    assert design.covariates == kept
    assert (reason in design.reason) and bool(design.reason) == bool(reason)


def test_a_donor_without_a_covariate_is_left_out_with_the_reason():
    design = choose_design(
        with_covariates(UNPAIRED.replace("a case m", "a case -").replace("f control f 55", "f control f -")),
        10,
        2,
        ["sex", "age"],
    )
    left = design.samples.set_index("donor")["reason"]
    assert left["a"] == "covariate 'sex' is missing" and left["f"] == "covariate 'age' is missing"
    assert "Too few samples" in design.reason  # 4 samples for 4 coefficients


def test_a_missing_covariate_costs_nothing_where_covariates_are_not_used():
    """An exploratory contrast leaves them aside; a covariate that is the same in all samples says nothing."""
    one = with_covariates("a case - 30 x\nb control f 40 x")
    assert choose_design(one, 10, 1, ["sex"]).evidence == "exploratory"
    alike = with_covariates(UNPAIRED.replace(" f ", " m ").replace("a case m", "a case -"))
    assert len(choose_design(alike, 10, 2, ["sex"]).used) == 6


def test_missing_text_is_no_level_of_its_own():
    rows = UNPAIRED.replace(" f ", " m ").replace("d control m", "d control -")
    assert choose_design(with_covariates(rows), 10, 2, ["sex"]).covariates == ()
    half = PAIRED.replace("a case m", "a case -")  # one half of a pair, the other known
    design = choose_design(with_covariates(half), 10, 2, ["sex"])
    assert design.covariates == () and len(design.used) == 8 and not design.reason


def test_which_covariates_are_needed_is_asked_of_the_samples_left():
    """Batch costs two pairs, so the contrast becomes unpaired and needs the age, which one donor lacks."""
    rows = """
a case m 30 x
a control m 30 y
b case f 40 y
b control f 40 x
c case m 50 -
c control m 50 y
d case m 55 x
d control m 55 -
e case f 31 x
f case m 42 y
g case f 53 x
h control f 34 y
i control m 45 x
j control m - y
"""
    for covariates in (["age", "batch"], ["batch", "age"]):
        design = choose_design(with_covariates(rows), 10, 2, covariates)
        assert design.kind == "unpaired" and set(design.covariates) == {"age", "batch"}
        left = design.samples[design.samples["donor"] == "j"].iloc[0]
        assert (left["used"], left["reason"]) == ("no", "covariate 'age' is missing")
        assert design.used[["age", "batch"]].notna().all(axis=None)


def test_a_donor_is_not_dropped_for_a_covariate_that_then_says_nothing():
    """Only e is female, and e has no age: without e the sex says nothing, so d, whose sex is missing, stays."""
    rows = """
a case m 30 x
b case m 40 x
c case m 50 x
d control - 35 y
e control f - y
f control m 55 y
g control m 41 y
h case m 47 x
"""
    design = choose_design(with_covariates(rows), 10, 2, ["age", "sex"])
    assert design.covariates == ("age",) and set(design.used["donor"]) == set("abcdfgh")
