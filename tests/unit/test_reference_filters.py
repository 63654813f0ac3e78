"""Which signatures of a reference are kept, and what its metadata must say."""

import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.reference import (
    harmonise_metadata,
    quality_funnel,
)
from scperturb_cmap.reference.identity import add_compound_info
from scperturb_cmap.reference.quality import parse_filters
from scperturb_cmap.utils.errors import InputError

INFO = pd.DataFrame({
    "sig_id": list("abcdefg"),
    "cmap_name": ["x", "x", "y", "y", "z", "DMSO", "w"],
    "pert_type": ["trt_cp"] * 5 + ["ctl_vehicle", "TRT_CP"],
    "cell_iname": ["MCF7", "A375", "MCF7", "A375", "PC3", "MCF7", "MCF7"],
    "pert_idose": ["10 uM", "3.33 uM", "0.1 uM", "10 uM", "10 uM", "", "3.3333 uM"],
    "pert_itime": ["24 h", "6 h", "24 h", "24 h", "24 h", "24 h", "24 h"],
    "cc_q75": ["0.5", "0.1", "0.2", "-666", "0.9", "0.9", "0.3"],
    "pct_self_rank_q25": ["1", "1", "5", "1", "50", "1", "4.9"],
    "is_exemplar_sig": ["1", "0", "1", "1", "", "1", "1"],
    "tas": ["0.5", "0.1", "0.2", "0.4", "0.9", "0.1", "0.3"],
    "nsample": ["3", "2", "4", "3", "5", "60", "3"],
}).replace("-666", "")  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "kept"),
    [
        ("", "abcdeg"),
        ("gold", "acg"),
        ("exemplar", "acdg"),
        ("tas>=0.2", "acdeg"),
        ("tas > 0.2; replicates >= 3", "adeg"),
        ("cell_line=mcf7|PC3", "aceg"),
        ("dose_um=3.33", "bg"),
        ("dose_um<=1", "c"),
        ("time_h=6|48", "b"),
        ("pert_type=ctl_vehicle", "f"),
    ],
)
def test_filters_keep_what_they_say(wish, kept):
    metadata, _ = harmonise_metadata(INFO, "siginfo")
    found, funnel = quality_funnel(metadata, pd.Index(list("abcdefg")), {"reference": "r", "filter": wish})
    assert "".join(found.index) == kept
    assert funnel["n_signatures"].is_monotonic_decreasing and funnel["n_signatures"].iloc[-1] == len(kept)
    steps = [part.replace(" ", "").casefold() for part in wish.split(";") if part]
    assert funnel["step"].tolist()[-len(steps) or len(funnel) :] == steps


def test_percent_and_fraction_are_told_apart():
    """A peer took percent for fractions and kept almost nothing, or the reverse and kept everything."""
    fractions = INFO.assign(pct_self_rank_q25=(INFO["pct_self_rank_q25"].astype(float) / 100).astype(str))
    one, other = (harmonise_metadata(table, "siginfo")[0]["self_rank"] for table in (INFO, fractions))
    np.testing.assert_allclose(one, other)
    assert "taken as a fraction" in harmonise_metadata(fractions, "siginfo")[1][0]
    spoiled, warnings = harmonise_metadata(
        INFO.assign(pct_self_rank_q25=["-98.1", *INFO["pct_self_rank_q25"][1:]]), "s"
    )
    assert np.isnan(spoiled["self_rank"].iloc[0]) and "1 values of pct_self_rank_q25 are negative" in warnings[0]
    with pytest.raises(InputError, match="column 'self_rank': '500' is no number from -666 to 100"):
        harmonise_metadata(INFO.assign(pct_self_rank_q25="500"), "siginfo")
    with pytest.raises(InputError, match="column 'cc_q75': '20' is no number from -1 to 1"):
        harmonise_metadata(INFO.assign(cc_q75="20"), "siginfo")


def test_flags_in_any_spelling_but_no_other_text():
    spelled = INFO.assign(qc_pass=["1", "PASS", "true", "0", "fail", "", "no"])
    flags = harmonise_metadata(spelled, "s")[0]["qc_pass"]
    np.testing.assert_array_equal(flags, [1, 1, 1, 0, 0, np.nan, 0])
    with pytest.raises(InputError, match="column 'qc_pass': 'maybe' is neither yes nor no"):
        harmonise_metadata(INFO.assign(qc_pass="maybe"), "s")


@pytest.mark.parametrize("wish", ["golden", "tas", "tas>=high", "tas>=0.1|0.2", "cell_line>=A", "tas=>1"])
def test_a_filter_that_is_not_understood(wish):
    with pytest.raises(InputError, match="column 'filter': .* is not understood"):
        parse_filters(wish)


def test_a_filter_without_its_column_is_refused():
    metadata, _ = harmonise_metadata(INFO.drop(columns=["cc_q75", "tas"]), "siginfo")
    for wish, column in (("gold", "cc_q75"), ("tas>=0.2", "tas"), ("qc_pass", "qc_pass")):
        with pytest.raises(InputError, match=f"The filter '{wish}' needs {column}, which the metadata do not have"):
            quality_funnel(metadata, pd.Index(list("abcdefg")), {"reference": "r", "filter": wish})


def test_vehicles_are_known_by_name_where_types_are_not_given():
    metadata, _ = harmonise_metadata(INFO.drop(columns="pert_type"), "siginfo")
    assert "".join(quality_funnel(metadata, pd.Index(list("abcdefg")), {"reference": "r"})[0].index) == "abcdeg"


def test_several_rows_per_compound_never_multiply_signatures():
    """A peer joined compoundinfo, one row per target, and counted signatures several times."""
    metadata, _ = harmonise_metadata(
        INFO.assign(pert_id=[f"BRD-K{n:08d}" for n in range(7)], cmap_name="").drop(columns=[]), "s"
    )
    info = pd.DataFrame({
        "pert_id": ["BRD-K00000000"] * 3 + ["BRD-K00000001-001-02-3"],
        "cmap_name": ["x", "x", "other"] + ["y"],
        "inchi_key": ["", "AAAAAAAAAAAAAA-B-C", "DDDDDDDDDDDDDD-E-F", ""],
    })  # fmt: skip
    found, warnings = add_compound_info(metadata, info, "compoundinfo")
    assert len(found) == 7 and found["compound"].tolist()[:3] == ["x", "y", ""]
    assert found["inchi_key"].iloc[0] == "AAAAAAAAAAAAAA-B-C" and warnings == [
        "1 compound ids have several structures; the first counts."
    ]
