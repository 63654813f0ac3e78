"""Signature metadata: the dialects of LINCS brought into one set of columns, and what is left after each filter."""

import re

import numpy as np
import pandas as pd

from scperturb_cmap.utils.columns import pick_columns
from scperturb_cmap.utils.errors import InputError, Problem, some
from scperturb_cmap.utils.names import compound_key

__all__ = ["COLUMNS", "harmonise_metadata", "parse_dose", "parse_time", "quality_funnel"]

#: Our columns and their names in LINCS2020 (siginfo_beta), GSE92742 / GSE70138 (sig_info), and GCTX column metadata.
_ALIASES = {
    "sig_id": ("sig_id", "distil_id", "id", "cid"),
    "compound": ("cmap_name", "pert_iname", "compound"),
    "pert_id": ("pert_id",),
    "pert_type": ("pert_type",),
    "cell_line": ("cell_iname", "cell_id", "cell_mfc_name", "cell_line"),
    "dose": ("pert_idose", "dose_um"),
    "dose_value": ("pert_dose",),
    "dose_unit": ("pert_dose_unit",),
    "time": ("pert_itime", "time_h"),
    "time_value": ("pert_time",),
    "time_unit": ("pert_time_unit",),
}

#: Every column that is looked at.
COLUMNS = frozenset(name for names in _ALIASES.values() for name in names)

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

#: Perturbation types that are compound treatments; poscon = a compound that serves as positive control.
_TREATMENTS = ("trt_cp", "trt_poscon")


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
        Index sig_id; columns compound, compound_id, pert_id, pert_type, cell_line (text) and dose_um, time_h (NaN =
        missing).
    warnings
        How many doses and times are there but could not be read.

    Raises
    ------
    InputError
        No column of signature ids or compound names, or an id that stands twice.

    Examples
    --------
    >>> table = pd.DataFrame({"sig_id": ["a"], "pert_iname": ["Drug A"], "cell_id": ["MCF7"], "pert_idose": ["10 uM"]})
    >>> metadata, warnings = harmonise_metadata(table, "sig_info.txt")
    >>> metadata.loc["a"].astype(str).tolist(), warnings
    (['Drug A', 'drug-a', '', '', 'MCF7', '10.0', 'nan'], [])
    """
    remedy = "Give the siginfo table that belongs to the matrix."
    text = pick_columns(table, _ALIASES, ["sig_id", "compound"], name, remedy).astype(str)
    if (twice := text["sig_id"][text["sig_id"].duplicated()]).size:
        raise InputError(
            Problem(
                name,
                "column 'sig_id'",
                f"{twice.nunique()} signature ids stand more than once (such as {twice.iloc[0]}).",
                "Keep one row per signature.",
            )
        )
    out = text.set_index("sig_id")[["compound", "pert_id", "pert_type", "cell_line"]]
    out.insert(1, "compound_id", out["compound"].map(compound_key))
    # A unit without a value is no dose.
    joined = {
        what: (text[f"{what}_value"] + text[f"{what}_unit"]).where(text[f"{what}_value"] != "", "")
        for what in ("dose", "time")
    }
    dose, time = (text[what].where(text[what] != "", joined[what]) for what in ("dose", "time"))
    out = out.assign(dose_um=dose.map(parse_dose).to_numpy(), time_h=time.map(parse_time).to_numpy())
    warnings = [
        f"{len(lost)} {what}s could not be read and are missing (such as {lost.iloc[0]!r})."
        for what, given, read in (("dose", dose, out["dose_um"]), ("time", time, out["time_h"]))
        if len(lost := given[(given != "") & read.isna().to_numpy()])
    ]
    return out, warnings


def quality_funnel(
    metadata: pd.DataFrame, signatures: pd.Index, row: dict[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Filter the signatures of a matrix and count what is left after each step.

    Parameters
    ----------
    metadata
        As :func:`harmonise_metadata` gives them.
    signatures
        Signature ids of the matrix, in its order.
    row
        Row of the reference sheet.

    Returns
    -------
    kept
        Metadata of the signatures kept, in the order of the matrix.
    funnel
        One row per step: reference, step, n_signatures, n_compounds, detail.

    Raises
    ------
    InputError
        No signature is left.

    Examples
    --------
    >>> table = pd.DataFrame({"sig_id": ["a", "b"], "cmap_name": ["x", "DMSO"], "pert_type": ["trt_cp", "ctl_vehicle"]})
    >>> metadata, _ = harmonise_metadata(table, "siginfo")
    >>> kept, funnel = quality_funnel(metadata, pd.Index(["a", "b", "c"]), {"reference": "demo"})
    >>> funnel[["step", "n_signatures"]].values.tolist()
    [['in the matrix', 3], ['with metadata', 2], ['compound treatments', 1], ['with a compound name', 1]]
    """
    kept = metadata.loc[signatures[signatures.isin(metadata.index)]]
    steps = [("in the matrix", len(signatures), kept["compound_id"].nunique(), "")]
    steps.append(("with metadata", len(kept), kept["compound_id"].nunique(), "signature id found in the metadata"))
    if (kept["pert_type"] == "").all():
        detail = "no perturbation types given: every signature counts as a compound treatment"
    else:
        kept, detail = kept[kept["pert_type"].isin(_TREATMENTS)], f"perturbation type {' or '.join(_TREATMENTS)}"
    steps.append(("compound treatments", len(kept), kept["compound_id"].nunique(), detail))
    kept = kept[kept["compound_id"] != ""]
    steps.append(("with a compound name", len(kept), kept["compound_id"].nunique(), ""))
    funnel = pd.DataFrame(steps, columns=["step", "n_signatures", "n_compounds", "detail"])
    funnel.insert(0, "reference", row["reference"])
    if kept.empty:
        raise _nothing_left(metadata, signatures, row, funnel)
    return kept, funnel


def _nothing_left(
    metadata: pd.DataFrame, signatures: pd.Index, row: dict[str, str], funnel: pd.DataFrame
) -> InputError:
    name = row["siginfo"] or row["path"]
    last = funnel[funnel["n_signatures"] == 0]["step"].iloc[0]
    if last == "with metadata":
        wrong = f"None of them is in {row['path']} (there: {some(signatures)})."
        return InputError(Problem(name, "signature ids", wrong, "Give the siginfo table that belongs to the matrix."))
    types = some(metadata["pert_type"].unique())
    wrong = f"None is left after the filter '{last}' (perturbation types: {types})."
    return InputError(Problem(name, "signatures", wrong, "Compounds have the type trt_cp and a name."))


def _parse(text: str, units: dict[str, float]) -> float:
    """A number with a unit; a bare number is in the standard unit."""
    found = re.fullmatch(r"\s*([0-9.]+(?:e[+-]?[0-9]+)?)\s*([^\W\d]*)\s*", str(text).lower())
    if not found or (found[2] and found[2] not in units):
        return np.nan
    try:
        return float(found[1]) * (units[found[2]] if found[2] else 1.0)
    except ValueError:  # "1.2.3"
        return np.nan
