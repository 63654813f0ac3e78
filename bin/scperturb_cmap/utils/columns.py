"""Finding the columns of a table under the names different sources give them."""

from collections.abc import Collection, Mapping

import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["pick_columns"]


def pick_columns(
    table: pd.DataFrame, aliases: Mapping[str, tuple[str, ...]], needed: Collection[str], name: str, remedy: str
) -> pd.DataFrame:
    """Take known columns under our names.

    Parameters
    ----------
    table
        Table of text.
    aliases
        Our name of a column -> the names it may have; the first that is there is taken.
    needed
        Our names of columns that must be there.
    name
        What to call the file in messages.
    remedy
        What to do where a needed column is missing.

    Returns
    -------
    The columns of ``aliases``, in that order; ``""`` where the table has none.

    Raises
    ------
    InputError
        With every needed column that is missing.

    Examples
    --------
    >>> table = pd.DataFrame({"pert_iname": ["a"], "other": ["b"]})
    >>> pick_columns(table, {"compound": ("cmap_name", "pert_iname"), "dose": ("dose",)}, ["compound"], "x.tsv", "")
      compound dose
    0        a
    """
    found = {ours: next((column for column in theirs if column in table), None) for ours, theirs in aliases.items()}
    missing = [ours for ours in needed if found[ours] is None]
    if missing:
        raise InputError(
            Problem(name, f"column '{ours}'", f"None of the columns {', '.join(aliases[ours])} is there.", remedy)
            for ours in missing
        )
    return pd.DataFrame({ours: table[theirs] if theirs else "" for ours, theirs in found.items()}, index=table.index)
