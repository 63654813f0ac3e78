"""Quality funnel: which signatures of a reference are kept, and how many are left after each filter."""

import operator
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem, some

__all__ = ["CONTROLS", "Filter", "check_filters", "control_rows", "named_controls", "parse_filters", "quality_funnel"]

#: Perturbation types that are compound treatments; poscon = a compound that serves as positive control.
_TREATMENTS = ("trt_cp", "trt_poscon")

#: Names of what is no compound: vehicles and untreated cells, where the metadata give no perturbation type.
CONTROLS = frozenset(
    {"dmso", "vehicle", "control", "ctrl", "untreated", "untrt", "mock", "pbs", "water", "h2o", "medium", "ethanol"}
)

_COMPARE = {">=": operator.ge, "<=": operator.le, "=": operator.eq, ">": operator.gt, "<": operator.lt}

#: Filters by name: the columns they look at.
_FLAGS = {"exemplar": ("exemplar",), "qc_pass": ("qc_pass",), "gold": ("cc_q75", "self_rank")}
_NUMBERS = {"tas": "tas", "replicates": "n_replicates", "cc_q75": "cc_q75", "dose_um": "dose_um", "time_h": "time_h"}
_TEXTS = {"cell_line": "cell_line", "pert_type": "pert_type"}

#: Gold by the GEO guide of L1000: replicates that correlate, and that recognise each other.
_GOLD_CC, _GOLD_RANK = 0.2, 0.05


#: Columns of metadata that signatures made by this project never have: a sheet may not ask for them.
_NEVER_OF_WELLS = frozenset({"exemplar", "self_rank"})
_NEVER_OF_CELLS = _NEVER_OF_WELLS | {"tas", "cc_q75", "qc_pass", "pert_type"}


@dataclass(frozen=True)
class Filter:
    """One step of the funnel, such as a wish of the column ``filter``.

    Parameters
    ----------
    text
        As it was written.
    columns
        Metadata columns it needs.
    keeps
        Table of metadata -> which rows stay, bool.
    detail
        What the step does, where its name does not tell.
    """

    text: str
    columns: tuple[str, ...]
    keeps: Callable[[pd.DataFrame], pd.Series]
    detail: str = ""


def named_controls(names: pd.Series, controls: Collection[str] = CONTROLS) -> pd.Series:
    """Which names are those of controls, whatever their case and the spaces around them.

    Examples
    --------
    >>> named_controls(pd.Series(["DMSO ", "aspirin"])).tolist()
    [True, False]
    """
    return names.str.strip().str.casefold().isin(controls)


def control_rows(metadata: pd.DataFrame) -> np.ndarray:
    """Which rows are vehicles, untreated cells and the like, by perturbation type or name.

    Examples
    --------
    >>> control_rows(pd.DataFrame({"pert_type": ["ctl_vehicle", "trt_cp", ""], "compound": ["x", "y", "DMSO"]})).tolist()
    [True, False, True]
    """
    return (metadata["pert_type"].str.startswith("ctl") | named_controls(metadata["compound"])).to_numpy()


def parse_filters(text: str, name: str = "references.csv") -> list[Filter]:
    """Read the column ``filter`` of the reference sheet: wishes separated by ``;``, all of which must hold.

    ``exemplar``, ``qc_pass`` and ``gold`` (cc_q75 >= 0.2 and self_rank <= 0.05) stand alone; ``tas``, ``replicates``,
    ``cc_q75``, ``dose_um`` and ``time_h`` are compared with a number (``tas>=0.2``) or given as choices (``time_h=6|24``);
    ``cell_line`` and ``pert_type`` are choices (``cell_line=A375|MCF7``, capitals do not count).

    Parameters
    ----------
    text
        The cell of the sheet.
    name
        What to call the sheet in messages.

    Raises
    ------
    InputError
        With every wish that is not understood.

    Examples
    --------
    >>> [wish.text for wish in parse_filters("gold; tas >= 0.2; cell_line=A375|MCF7")]
    ['gold', 'tas>=0.2', 'cell_line=a375|mcf7']
    """
    found, problems = [], []
    for part in (part.strip() for part in text.split(";")):
        if part and (wish := _parse(re.sub(r"\s*([<>=|]+)\s*", r"\1", part.casefold()))) is not None:
            found.append(wish)
        elif part:
            known = ", ".join(
                [*_FLAGS, "tas>=0.2", "replicates>=3", "dose_um<=10", "time_h=6|24", "cell_line=A375|MCF7"]
            )
            problems.append(
                Problem(name, "column 'filter'", f"{part!r} is not understood.", f"Known are such as {known}.")
            )
    if problems:
        raise InputError(problems)
    return found


def check_filters(row: dict[str, str]) -> None:
    """Refuse filters that what is made of wells or cells can never be asked, before it is made.

    Parameters
    ----------
    row
        Row of the reference sheet: format, level, filter.

    Raises
    ------
    InputError
        With every filter that is not understood, or that needs what these signatures do not have.
    """
    made_of, lacking = ("cells", _NEVER_OF_CELLS) if row["format"] == "cells" else ("wells", _NEVER_OF_WELLS)
    wrong = "The filter {!r} needs {}, which signatures made of {} do not have."
    problems = [
        Problem(
            "references.csv", "column 'filter'", wrong.format(step.text, " and ".join(never), made_of), "Leave it out."
        )
        for step in parse_filters(row["filter"])
        if (never := [column for column in step.columns if column in lacking])
    ]
    if problems:
        raise InputError(problems)


def quality_funnel(
    metadata: pd.DataFrame, signatures: pd.Index, row: dict[str, str], before: Sequence[tuple] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Filter the signatures of a matrix and count what is left after each step.

    Parameters
    ----------
    metadata
        As :func:`~scperturb_cmap.reference.metadata.harmonise_metadata` gives them.
    signatures
        Signature ids of the matrix, in its order.
    row
        Row of the reference sheet: reference, path, siginfo, filter.
    before
        Steps gone before, where signatures were made of something else (:class:`~scperturb_cmap.reference.opening.Opened`).

    Returns
    -------
    kept
        Metadata of the signatures kept, in the order of the matrix.
    funnel
        One row per step: reference, step, n_signatures, n_compounds, detail.

    Raises
    ------
    InputError
        A filter is not understood or needs a column that the metadata lack, or no signature is left.

    Examples
    --------
    >>> from scperturb_cmap.reference.metadata import harmonise_metadata
    >>> table = pd.DataFrame({"sig_id": ["a", "b"], "cmap_name": ["x", "DMSO"], "pert_type": ["trt_cp", "ctl_vehicle"]})
    >>> metadata, _ = harmonise_metadata(table, "siginfo")
    >>> kept, funnel = quality_funnel(metadata, pd.Index(["a", "b", "c"]), {"reference": "demo"})
    >>> funnel[["step", "n_signatures"]].values.tolist()
    [['in the matrix', 3], ['with metadata', 2], ['compound treatments', 1], ['with a compound name', 1]]
    """
    name = row.get("siginfo") or row.get("path", "")
    filters = parse_filters(row.get("filter", ""))
    kept = metadata.loc[signatures[signatures.isin(metadata.index)]]
    known = ("with metadata", len(kept), kept["compound_id"].nunique(), "signature id found in the metadata")
    steps = [*before] or [("in the matrix", len(signatures), kept["compound_id"].nunique(), ""), known]
    for step in [*_always(kept, filters), *filters]:
        if lacking := [column for column in step.columns if _empty(metadata[column])]:
            wrong = f"The filter {step.text!r} needs {' and '.join(lacking)}, which the metadata do not have."
            raise InputError(Problem(name, "metadata", wrong, "Correct the column 'filter' of the reference sheet."))
        left = kept[np.asarray(step.keeps(kept), dtype=bool)]
        steps.append((step.text, len(left), left["compound_id"].nunique(), step.detail))
        if left.empty and len(kept):
            raise _nothing_left(kept, step, name)
        kept = left
    if kept.empty:
        wrong = f"None of them is in {row['path']} (there: {some(signatures)})."
        raise InputError(Problem(name, "signature ids", wrong, "Give the siginfo table that belongs to the matrix."))
    funnel = pd.DataFrame(steps, columns=["step", "n_signatures", "n_compounds", "detail"])
    funnel.insert(0, "reference", row["reference"])
    return kept, funnel


def _always(kept: pd.DataFrame, filters: list[Filter]) -> Iterator[Filter]:
    """Steps that every reference goes through; a filter by perturbation type takes the place of the first."""
    if not any("pert_type" in wish.columns for wish in filters):
        if _empty(kept["pert_type"]):
            detail = "no perturbation types given: all but vehicles and untreated cells, by their names"
            yield Filter("compound treatments", (), lambda m: ~named_controls(m["compound"]), detail)
        else:
            detail = f"perturbation type {' or '.join(_TREATMENTS)}"
            yield Filter("compound treatments", (), lambda m: m["pert_type"].isin(_TREATMENTS), detail)
    yield Filter("with a compound name", (), lambda m: m["compound_id"] != "")


def _parse(part: str) -> Filter | None:
    """One wish; None if it is not understood."""
    if part in _FLAGS:
        if part == "gold":
            return Filter(part, _FLAGS[part], lambda m: (m["cc_q75"] >= _GOLD_CC) & (m["self_rank"] <= _GOLD_RANK))
        return Filter(part, _FLAGS[part], lambda m: m[part] == 1)
    match = re.fullmatch(r"(\w+)(>=|<=|=|>|<)(.+)", part)
    if not match:
        return None
    what, compare, value = match.groups()
    if what in _TEXTS and compare == "=":
        choices = value.split("|")
        return Filter(part, (_TEXTS[what],), lambda m: m[_TEXTS[what]].str.casefold().isin(choices))
    if what not in _NUMBERS or (compare != "=" and "|" in value):
        return None
    try:
        numbers = [float(one) for one in value.split("|")]
    except ValueError:
        return None
    column = _NUMBERS[what]
    if compare == "=":  # doses of 3.33 and 3.3333 uM are one
        return Filter(
            part, (column,), lambda m: np.isclose(m[column].to_numpy()[:, None], numbers, rtol=0.02).any(axis=1)
        )
    return Filter(part, (column,), lambda m: _COMPARE[compare](m[column], numbers[0]))


def _empty(column: pd.Series) -> bool:
    return bool((column == "").all() if column.dtype == object else column.isna().all())


def _nothing_left(before: pd.DataFrame, step: Filter, name: str) -> InputError:
    """What a step that keeps nothing found instead."""
    there = []
    for column in step.columns or ("pert_type", "compound"):
        values = before[column]
        span = some(values.unique()) if values.dtype == object else f"{values.min():g} to {values.max():g}"
        there.append(f"{column}: {span}")
    wrong = f"None of {len(before)} is left after the filter '{step.text}' ({'; '.join(there)})."
    return InputError(
        Problem(name, "signatures", wrong, "Check the metadata, and the column 'filter' if you gave one.")
    )
