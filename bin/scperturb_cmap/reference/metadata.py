"""Signature metadata: the dialects of LINCS brought into one set of columns."""

import re

import numpy as np
import pandas as pd

from scperturb_cmap.io.tables import MISSING
from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.names import compound_key

__all__ = ["COLUMNS", "harmonise_metadata", "parse_dose", "parse_time"]

#: Our columns and their names in LINCS2020 (siginfo_beta), GSE92742 / GSE70138 (sig_info), and GCTX column metadata.
#: The lineage stands in their tables of cells (cellinfo_beta, cell_info), from where it is to be joined.
_ALIASES = {
    "sig_id": ("sig_id", "distil_id", "inst_id", "sample_id", "id", "cid"),
    "compound": ("cmap_name", "pert_iname", "pert_name", "compound", "perturbation", "pert_desc"),
    "pert_id": ("pert_id",),
    "pert_type": ("pert_type",),
    "inchi_key": ("inchi_key", "inchikey", "InChIKey"),
    "cell_line": ("cell_iname", "cell_id", "cell_mfc_name", "cell_line", "cell_type", "celltype"),
    "cell_lineage": ("cell_lineage", "primary_site", "organ"),
    "dose": ("pert_idose", "dose_um"),
    "dose_value": ("pert_dose", "exp_pert_dose", "dose_value"),
    "dose_unit": ("pert_dose_unit", "exp_pert_dose_unit", "dose_unit"),
    "time": ("pert_itime", "time_h"),
    "time_value": ("pert_time", "exp_pert_time", "time", "time_value"),
    "time_unit": ("pert_time_unit", "exp_pert_time_unit", "time_unit"),
    "batch": ("det_plate", "rna_plate", "brew_prefix", "batch", "plate"),
    "n_replicates": ("distil_nsample", "nsample", "n_replicates"),
    "tas": ("tas", "distil_tas"),
    "cc_q75": ("distil_cc_q75", "cc_q75"),
    "self_rank": ("pct_self_rank_q25",),
    "exemplar": ("is_exemplar_sig", "is_exemplar"),
    "qc_pass": ("qc_pass",),
}

#: Range of the numbers.
_NUMBERS = {"n_replicates": (0, np.inf), "tas": (0, 1), "cc_q75": (-1, 1), "self_rank": (-666, 100)}

#: Every column that is looked at.
COLUMNS = frozenset(name for names in _ALIASES.values() for name in names)

#: What columns of flags hold.
_YES_NO = dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "pass"), 1.0)
_YES_NO |= dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "fail"), 0.0)

#: Micromolar per unit.
_DOSE_UNITS = {"m": 1e6, "mm": 1e3, "um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "pm": 1e-6}

#: Hours per unit.
_TIME_UNITS = {
    "s": 1 / 3600,
    "min": 1 / 60,
    "m": 1 / 60,
    "h": 1.0,
    "hr": 1.0,
    "hrs": 1.0,
    "hour": 1.0,
    "hours": 1.0,
    "d": 24.0,
    "day": 24.0,
    "days": 24.0,
}


def parse_dose(text: str) -> float:
    """Dose in micromolar; NaN where it is missing or has no molar unit.

    Examples
    --------
    >>> [parse_dose(text) for text in ("10 uM", "500nM", "1.0 µM", "0.04", "3 ug/ml", "")]
    [10.0, 0.5, 1.0, 0.04, nan, nan]
    """
    return _parse(text, _DOSE_UNITS)


def parse_time(text: str) -> float:
    """Time in hours; NaN where it is missing or has no known unit.

    Examples
    --------
    >>> [parse_time(text) for text in ("24 h", "6H", "2 days", "30 min", "soon")]
    [24.0, 6.0, 48.0, 0.5, nan]
    """
    return _parse(text, _TIME_UNITS)


def harmonise_metadata(table: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[str]]:
    """Bring one table of signature metadata into this project's columns.

    Parameters
    ----------
    table
        Table of text, missing values ``""``; LINCS2020, GSE92742 and GSE70138 dialects are recognised.
    name
        What to call the file in messages.

    Returns
    -------
    metadata
        Index sig_id; columns compound, compound_id (the normalised name), pert_id, pert_type, inchi_key, cell_line, cell_lineage,
        batch, dose, time (text as written, missing = "") and dose_um, time_h, n_replicates, tas, cc_q75, self_rank (a fraction),
        exemplar, qc_pass (1 or 0) as numbers (NaN = missing).
    warnings
        How many doses and times are there but could not be read.

    Raises
    ------
    InputError
        No column of signature ids or compound names, an id that stands twice, or a quality column that holds no number
        or one outside its range.

    Examples
    --------
    >>> table = pd.DataFrame({"sig_id": ["a"], "pert_iname": ["Drug A"], "cell_id": ["MCF7"], "pert_idose": ["10 uM"]})
    >>> metadata, warnings = harmonise_metadata(table, "sig_info.txt")
    >>> metadata.loc["a", ["compound_id", "cell_line", "dose_um", "time_h"]].astype(str).tolist(), warnings
    (['drug-a', 'MCF7', '10.0', 'nan'], [])
    """
    remedy = "Give the siginfo table that belongs to the matrix."
    text = pick_columns(table, _ALIASES, ["sig_id", "compound"], name, remedy).astype(str)
    text = text.mask(text.isin([*MISSING, "N/A", "NULL", "-"]), "")
    if (twice := text["sig_id"][text["sig_id"].duplicated()]).size:
        raise InputError(
            Problem(
                name,
                "column 'sig_id'",
                f"{twice.nunique()} signature ids stand more than once (such as {twice.iloc[0]}).",
                "Keep one row per signature.",
            )
        )
    named = ["compound", "pert_id", "pert_type", "inchi_key", "cell_line", "cell_lineage", "batch"]
    out = text.set_index("sig_id")[named].assign(pert_type=text["pert_type"].str.casefold().to_numpy())
    out.insert(1, "compound_id", out["compound"].map(compound_key))
    # A unit without a value is no dose.
    joined = {
        what: (text[f"{what}_value"] + text[f"{what}_unit"]).where(text[f"{what}_value"] != "", "")
        for what in ("dose", "time")
    }
    dose, time = (text[what].where(text[what] != "", joined[what]) for what in ("dose", "time"))
    out = out.assign(dose=dose.to_numpy(), time=time.to_numpy())
    out = out.assign(dose_um=dose.map(parse_dose).to_numpy(), time_h=time.map(parse_time).to_numpy())
    for column, (low, high) in _NUMBERS.items():
        out[column] = _number(text[column], column, low, high, name).to_numpy()
    # A quartile of ranks some of which were -666 is a negative number without meaning (three of 272 in a published file).
    spoiled = out["self_rank"] < 0
    out["self_rank"] = out["self_rank"].mask(spoiled)
    # CMap's builds write percent, its guide to gold signatures fractions.
    highest = out["self_rank"].max()
    if highest > 1:
        out["self_rank"] /= 100
    for column in ("exemplar", "qc_pass"):
        out[column] = _flags(text[column], column, name).to_numpy()
    warnings = [
        f"{len(lost)} {what}s could not be read and are missing (such as {lost.iloc[0]!r})."
        for what, given, read in (("dose", dose, out["dose_um"]), ("time", time, out["time_h"]))
        if len(lost := given[(given != "") & read.isna().to_numpy()])
    ]
    if 0 < highest <= 1:
        warnings.append("pct_self_rank_q25 is at most 1 everywhere and is taken as a fraction, not as percent.")
    if spoiled.any():
        warnings.append(f"{spoiled.sum()} values of pct_self_rank_q25 are negative (a -666 was averaged in): missing.")
    return out, warnings


def _flags(text: pd.Series, column: str, name: str) -> pd.Series:
    """1 or 0 of a column that says yes or no, NaN where it says nothing; anything else is refused."""
    spelled = text.str.strip().str.casefold()
    values = spelled.map(_YES_NO)
    wrong = text[(spelled != "") & values.isna()]
    if len(wrong):
        why = f"{wrong.iloc[0]!r} is neither yes nor no."
        raise InputError(Problem(name, f"column '{column}'", why, "Write 1 or 0, or leave the column out."))
    return values.astype(float)


def _number(text: pd.Series, column: str, low: float, high: float, name: str) -> pd.Series:
    """Numbers of a quality column, missing = NaN; anything else, or a number outside its range, is refused."""
    values = pd.to_numeric(text.where(text != "", None), errors="coerce").astype(float)
    wrong = text[(text != "") & ~values.between(low, high)]
    if len(wrong):
        why = f"{wrong.iloc[0]!r} is no number from {low:g} to {high:g}."
        raise InputError(Problem(name, f"column '{column}'", why, "Correct the metadata, or leave the column out."))
    return values


def _parse(text: str, units: dict[str, float]) -> float:
    """A number with a unit; a bare number is in the standard unit."""
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([^\W\d]*)\s*", str(text).lower())
    if not found or (found[2] and found[2] not in units):
        return np.nan
    try:
        number = float(found[1]) * (units[found[2]] if found[2] else 1.0)
    except ValueError:  # "1.2.3"
        return np.nan
    return number if np.isfinite(number) else np.nan
