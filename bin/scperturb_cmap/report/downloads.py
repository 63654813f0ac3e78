"""The page of downloads: every table, a workbook per data set, what the columns mean, and the bundle for analysts."""

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas as pd

from scperturb_cmap.figures.style import Html
from scperturb_cmap.figures.tables import Column, html_table
from scperturb_cmap.io.meanings import TABLES
from scperturb_cmap.report.workbook import split_name

__all__ = ["BUNDLE", "copy_table", "grouped", "size", "tables_page"]

#: The bundle's name in the report.
BUNDLE = "rerun.zip"

#: A larger table is compressed, or it would be most of the report.
MOST_PLAIN = 1_000_000

#: The order of tables on the page: that of their meanings, then all others.
_ORDER = {kind: place for place, kind in enumerate(TABLES)}


def grouped(tables: Sequence[Path]) -> dict[str, list[Path]]:
    """Tables by what they are about, each a data set or the whole run.

    Examples
    --------
    >>> grouped([Path("b.pairs.tsv"), Path("b.drugs.tsv"), Path("a.drugs.tsv")])
    {'a': [...Path('a.drugs.tsv')], 'b': [...Path('b.drugs.tsv'), ...Path('b.pairs.tsv')]}
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(tables, key=lambda path: (_ORDER.get(split_name(path.name)[1], len(_ORDER)), path.name)):
        found.setdefault(split_name(path.name)[0], []).append(path)
    return dict(sorted(found.items()))


def copy_table(path: Path, folder: Path) -> None:
    """Copy a table to the downloads, compressed if it is large; equal tables give equal bytes."""
    if path.stat().st_size <= MOST_PLAIN:
        shutil.copyfile(path, folder / path.name)
        return
    with open(path, "rb") as source, open(folder / f"{path.name}.gz", "wb") as target:
        with gzip.GzipFile("", "wb", fileobj=target, mtime=0) as packed:
            shutil.copyfileobj(source, packed)


def size(n_bytes: int) -> str:
    """Size of a file for readers.

    Examples
    --------
    >>> size(0), size(1500), size(2_640_000)
    ('1 kB', '2 kB', '2.6 MB')
    """
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 1e6 else f"{max(round(n_bytes / 1e3), 1)} kB"


def tables_page(folder: Path, groups: dict[str, list[Path]]) -> str:
    """Markdown of the page; every link is checked when the report is built.

    Parameters
    ----------
    folder
        The report, with ``tables/`` and, where there is one, the bundle.
    groups
        As :func:`grouped` gives them.
    """
    parts = [
        "# Tables to download",
        "Every table as text with tabs (TSV), and all tables of a data set as one Excel workbook. Large tables are "
        "compressed (.gz): R and Python read them as they are; for Excel take the workbook.",
    ]
    for name, tables in groups.items():
        kinds = {split_name(path.name)[1] for path in tables}
        parts.append(
            "## Validation of the methods"
            if kinds & {"validation"} and "drugs" not in kinds
            else f"## {_literal(name)}"
        )
        if (workbook := folder / "tables" / f"{name}.xlsx").is_file():
            parts.append(Html("<p>All as one workbook: {}</p>").format(_link(f"tables/{workbook.name}", workbook)))
        parts.append(_listing(name, folder, tables))
    if (bundle := folder / BUNDLE).is_file():
        parts += [
            "## For analysts",
            Html(
                "<p>{}: the notebooks behind these pages, the parameters, the checksums and the tables that they read. "
                "README.md in it says how to open them in Jupyter, and what was too large to go along.</p>"
            ).format(_link(BUNDLE, bundle)),
        ]
    if kinds := list(dict.fromkeys(split_name(path.name)[1] for tables in groups.values() for path in tables)):
        parts += [
            "## Key to the tables",
            "What the columns mean. Positive = mimics the disease, negative = reverses it.",
        ]
        parts += [_key(kind) for kind in kinds if kind in TABLES]
    return "\n\n".join(parts) + "\n"


def _literal(name: str) -> str:
    """A name for Markdown, in which no character means anything."""
    return "".join(f"\\{sign}" if sign.isascii() and not sign.isalnum() and sign != " " else sign for sign in name)


def _link(address: str, file: Path) -> Html:
    return Html('<a href="{}" download>{}</a> <small>({})</small>').format(
        quote(address), file.name, size(file.stat().st_size)
    )


def _listing(name: str, folder: Path, tables: Sequence[Path]) -> Html:
    rows = []
    for path in tables:
        kind = split_name(path.name)[1]
        known = TABLES.get(kind)
        about = Html('{} <a href="#columns-{}">Its columns</a>').format(known.title, kind) if known else ""
        packed = folder / "tables" / f"{path.name}.gz"
        file = packed if packed.is_file() else folder / "tables" / path.name
        rows.append({"file": _link(f"tables/{file.name}", file), "about": about or Html("")})
    columns = [
        Column("Table", lambda row: row["file"], style="file"),
        Column("What it holds", lambda row: row["about"], style="prose"),
    ]
    return html_table(pd.DataFrame(rows), columns, f"Tables of {name}", sort=False)


def _key(kind: str) -> Html:
    rows = [
        {"column": _coded("`" + names.replace(", ", "`, `") + "`"), "meaning": _coded(meaning)}
        for names, meaning in TABLES[kind].columns.items()
    ]
    columns = [
        Column("Column", lambda row: row["column"], style="prose"),
        Column("Meaning", lambda row: row["meaning"]),
    ]
    table = html_table(pd.DataFrame(rows), columns, f"Columns of {kind}", sort=False)
    # A link to what is inside opens the fold.
    line = '<details><summary>{0}: {1}</summary><div id="columns-{0}">{2}</div></details>'
    return Html(line).format(kind, TABLES[kind].title, table)


def _coded(sentence: str) -> Html:
    """What stands between backticks as code."""
    return Html("").join(
        Html("<code>{}</code>").format(part) if n % 2 else part for n, part in enumerate(sentence.split("`"))
    )
