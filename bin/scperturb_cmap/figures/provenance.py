"""How the run was done: references and their funnel, versions, parameters, checksums."""

from pathlib import PurePath

import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.style import NEUTRAL, REVERSAL, THEME, Html, plain
from scperturb_cmap.figures.tables import Column, html_table, number, text

__all__ = [
    "funnel_figure",
    "funnel_table",
    "input_table",
    "parameter_table",
    "record_table",
    "version_table",
]


def funnel_figure(funnel: pd.DataFrame) -> go.Figure:
    """Signatures of each reference that are left after each filter.

    Examples
    --------
    >>> step = {"reference": "l1000", "step": "read", "n_signatures": 10, "n_compounds": 4, "detail": ""}
    >>> funnel = pd.DataFrame([step])
    >>> funnel_figure(funnel).data[0].x
    (10,)
    """
    steps = funnel.reset_index(drop=True)
    labels = [f"{plain(row.reference, 24)}: {plain(row.step, 40)}" for row in steps.itertuples()]
    first = ~steps.duplicated("reference")
    bars = go.Bar(
        x=tuple(steps["n_signatures"].tolist()),
        y=list(range(len(steps))),
        orientation="h",
        marker={"color": [NEUTRAL if one else REVERSAL for one in first]},
        hoverinfo="text",
        hovertext=[
            f"{row.n_signatures:,.0f} signatures<br>{row.n_compounds:,.0f} compounds<br>{plain(row.detail, 80)}"
            for row in steps.itertuples()
        ],
        text=[f"{n:,.0f}" for n in steps["n_signatures"]],
        textposition="auto",
    )
    figure = go.Figure(bars, layout={"template": THEME, "height": 70 + 34 * len(steps), "bargap": 0.35})
    figure.update_yaxes(
        autorange="reversed", showgrid=False, tickmode="array", tickvals=list(range(len(steps))), ticktext=labels
    )
    figure.update_xaxes(title_text="signatures")
    return figure


def funnel_table(funnel: pd.DataFrame) -> Html:
    """Table of signatures and compounds after each filter."""
    columns = [
        text("reference", "Reference"),
        text("step", "Step"),
        number("n_signatures", "Signatures"),
        number("n_compounds", "Compounds"),
        text("detail", "What was done", style="prose"),
    ]
    return html_table(
        funnel.assign(reason="nothing to add"),
        columns,
        "Reference signatures and compounds after each step",
        sort=False,
    )


def version_table(versions: pd.DataFrame, further: dict | None = None) -> Html:
    """Table of software versions and the stages that used them.

    Examples
    --------
    >>> versions = pd.DataFrame({"process": ["A", "B"], "tool": ["numpy"] * 2, "version": ["2.4"] * 2})
    >>> ">A, B</td>" in version_table(versions)
    True
    """
    versions = pd.concat([pd.DataFrame([further] if further else []), versions])
    tools = versions.groupby(["tool", "version"], sort=True)["process"].agg(
        lambda names: ", ".join(dict.fromkeys(names))
    )
    columns = [text("tool", "Software"), text("version", "Version"), text("process", "Used by")]
    return html_table(tools.reset_index(), columns, "Software versions")


def parameter_table(parameters: dict) -> Html:
    """Table of the run's parameters; the folders of files are the machine's business and left out.

    Examples
    --------
    >>> ">genes.tsv</td>" in parameter_table({"genes": "/data/genes.tsv"})
    True
    """
    rows = [
        {"name": name, "value": "" if value is None else _file_name(str(value)), "reason": "not set"}
        for name, value in sorted(parameters.items())
    ]
    return html_table(
        pd.DataFrame(rows), [text("name", "Parameter"), text("value", "Value", style="prose")], "Parameters"
    )


def input_table(inputs: list[dict]) -> Html:
    """Table of input files and their checksums; files are named without their folders."""
    table = pd.DataFrame(inputs, columns=["role", "file", "sha256", "bytes"])
    table["file"] = [_file_name(str(name)) for name in table["file"]]
    columns = [
        text("role", "Role"),
        text("file", "File"),
        number("bytes", "Bytes"),
        Column("SHA-256", lambda row: Html("<code>{}</code>").format(row["sha256"]), style="hash"),
    ]
    return html_table(table, columns, "Input files", empty="The manifest names no input.")


def record_table(records: list[dict], caption: str) -> Html:
    """Table of the rows of a sheet; empty columns are left out, files named without their folders."""
    table = pd.DataFrame(records).fillna("").astype(str)
    names = sorted(table.columns[(table != "").any()], key=lambda name: name not in ("dataset", "reference"))
    table = table[names].map(_file_name)
    return html_table(table, [text(name, name) for name in table], caption, empty="The manifest names none.")


def _file_name(value: str) -> str:
    """Name of a file without its folders; anything but an absolute path or address stays as it is."""
    return PurePath(value).name if value.startswith("/") or "://" in value else value
