"""HTML tables: every value escaped, sortable and searchable through report/_static/tables.js, complete without it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scperturb_cmap.figures.style import Html, dash, decimal

__all__ = ["Column", "clamped", "clip", "html_table", "number", "text"]


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    title
        Its heading.
    cell
        What a row (a dictionary) shows: text, which is escaped, or :class:`Html`.
    key
        What the column is sorted by, where that is not the shown text; a missing number sorts last.
    help
        Explains the heading when the pointer rests on it.
    style
        CSS class of its cells: "num" stands to the right.
    """

    title: str
    cell: Callable[[dict], str]
    key: Callable[[dict], float] | None = None
    help: str = ""
    style: str = ""


def text(name: str, title: str, **options: str) -> Column:
    """Column of text.

    Examples
    --------
    >>> text("compound", "Drug").cell({"compound": "aspirin"})
    'aspirin'
    """
    whole = clamped if options.get("style") == "name" else str

    def cell(row: dict) -> str:
        return whole(str(row[name])) if row.get(name) else dash(row.get("reason", ""))

    return Column(title, cell, **options)


def clamped(name: str, most: int = 60) -> Html | str:
    """A name that would fill many lines of its cell shows the first three; the whole when the pointer rests on it.

    Examples
    --------
    >>> clamped("B cells"), clamped("B cells", most=5)
    ('B cells', Html('<span class="clamp" title="B cells">B cells</span>'))
    """
    return name if len(name) <= most else Html('<span class="clamp" title="{0}">{0}</span>').format(name)


def number(name: str, title: str, digits: int = 0, **options: str) -> Column:
    """Column of numbers; a missing one is a dash that tells the row's reason.

    Examples
    --------
    >>> number("score", "Score", 2).cell({"score": float("nan"), "reason": "too few genes"})
    Html('<span class="none" title="too few genes">–</span>')
    """
    return Column(
        title,
        lambda row: decimal(_float(row.get(name)), digits) or dash(row.get("reason", "")),
        key=lambda row: _float(row.get(name)),
        style="num",
        **options,
    )


def clip(value: str, keep: int = 4, separator: str = "|") -> Html | str:
    """Shorten a list of names such as drug targets; the whole of it shows when the pointer rests on it.

    Examples
    --------
    >>> clip("A|B|C", keep=2)
    Html('<span title="A, B, C">A, B <small>+1</small></span>')
    >>> clip("A|B", keep=2)
    'A, B'
    """
    names = [name.strip() for name in str(value).split(separator) if name.strip()]
    if len(names) <= keep:
        return ", ".join(names)
    shown, whole = ", ".join(names[:keep]), ", ".join(names)
    return Html('<span title="{}">{} <small>+{}</small></span>').format(whole, shown, len(names) - keep)


def html_table(
    frame: pd.DataFrame,
    columns: list[Column],
    caption: str,
    *,
    search: bool = False,
    sort: bool = True,
    row_class: Callable[[dict], str] | None = None,
    empty: str = "Nothing to show.",
) -> Html:
    """Render a table.

    Parameters
    ----------
    frame
        One row per row.
    columns
        What to show of it.
    caption
        Stands above the table, and is its name for screen readers.
    search
        Offer a search box (for long tables).
    sort
        Offer sorting by column.
    row_class
        CSS class of a row.
    empty
        What to say of a table without rows.

    Examples
    --------
    >>> print(html_table(pd.DataFrame({"drug": ["<b>"]}), [text("drug", "Drug")], "Drugs", sort=False))
    <div class="sheet" tabindex="0" role="region" aria-label="Drugs"><table>...<td class="">&lt;b&gt;</td>...</div>
    """
    if frame.empty:
        return Html('<p class="empty">{}</p>').format(empty)
    head = Html("").join(
        Html('<th scope="col" class="{}" title="{}">{}</th>').format(column.style, column.help, column.title)
        for column in columns
    )
    rows = (
        Html('<tr class="{}">{}</tr>').format(
            row_class(row) if row_class else "", Html("\n").join(_cell(row, c) for c in columns)
        )
        for row in frame.to_dict("records")
    )
    options = Html("").join([Html(" data-sortable") if sort else "", Html(" data-search") if search else ""])
    return Html(
        '<div class="sheet" tabindex="0" role="region" aria-label="{0}"><table{1}><caption>{0}</caption>'
        "<thead><tr>{2}</tr></thead><tbody>{3}</tbody></table></div>"
    ).format(caption, options, head, Html("\n").join(rows))


def _cell(row: dict, column: Column) -> Html:
    if column.key is None:
        return Html('<td class="{}">{}</td>').format(column.style, column.cell(row))
    key = column.key(row)
    return Html('<td class="{}" data-key="{}">{}</td>').format(
        column.style, "" if np.isnan(key) else f"{key:.6g}", column.cell(row)
    )


def _float(value: object) -> float:
    return float("nan") if value is None or value == "" else float(value)
