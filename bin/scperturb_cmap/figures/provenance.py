"""How the run was done: references and their funnel, versions, parameters, checksums."""

import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.style import NEUTRAL, REVERSAL, THEME, Html, file_name, plain
from scperturb_cmap.figures.tables import Column, html_table, number, text

__all__ = [
    "code_rows",
    "funnel_figure",
    "funnel_table",
    "image_table",
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
    # in two lines, or on a telephone there would be labels alone
    labels = [f"{plain(row.reference, 24)}:<br>{plain(row.step, 30)}" for row in steps.itertuples()]
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
    figure = go.Figure(bars, layout={"template": THEME, "height": 70 + 38 * len(steps), "bargap": 0.35})
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


def version_table(versions: pd.DataFrame, further: list[dict] | None = None) -> Html:
    """Table of software versions and the stages that used them.

    Examples
    --------
    >>> versions = pd.DataFrame({"process": ["A", "B"], "tool": ["numpy"] * 2, "version": ["2.4"] * 2})
    >>> ">A, B</td>" in version_table(versions)
    True
    """
    versions = pd.concat([pd.DataFrame(further or []), versions])
    tools = versions.groupby(["tool", "version"], sort=True)["process"].agg(
        lambda names: ", ".join(dict.fromkeys(names))
    )
    columns = [text("tool", "Software"), text("version", "Version"), text("process", "Used by")]
    return html_table(tools.reset_index(), columns, "Software versions")


def code_rows(facts: dict, digest: str) -> list[dict]:
    """What stands for the code of a run, as rows of the table of versions.

    Parameters
    ----------
    facts
        ``run.json`` of the run; empty where it is not known.
    digest
        Of the library, from the manifest.

    Examples
    --------
    >>> [row["version"] for row in code_rows({"revision": "1a2b", "changed": "with changes that are not committed"}, "")]
    ['not recorded', '1a2b, with changes that are not committed']
    """
    commit = ", ".join(filter(None, (facts.get("revision"), facts.get("changed")))) or "not recorded"
    rows = {"scperturb_cmap (digest)": digest or "not recorded", "scPerturb-CMap (commit)": commit}
    return [{"tool": tool, "version": version, "process": "all"} for tool, version in rows.items()]


def image_table(facts: dict) -> Html:
    """Table of the container images that stages ran in, with their digests or the reason why these are not known.

    Examples
    --------
    >>> image = {"image": "core:1", "digest": "", "reason": "no such image", "processes": ["RANK_DRUGS"]}
    >>> "not known: no such image" in image_table({"images": [image]})
    True
    >>> "without containers" in image_table({"images": []})
    True
    """
    images = pd.DataFrame(facts.get("images", []), columns=["image", "digest", "reason", "processes"])
    images["processes"] = [", ".join(names) for names in images["processes"]]
    images["image"] = [file_name(name) for name in images["image"]]
    columns = [
        text("image", "Image"),
        Column(
            "Digest",
            lambda row: (
                Html("<code>{}</code>").format(row["digest"]) if row["digest"] else f"not known: {row['reason']}"
            ),
            style="hash",
        ),
        text("processes", "Used by", style="prose"),
    ]
    return html_table(images, columns, "Container images", empty="The stages ran without containers.")


def parameter_table(parameters: dict) -> Html:
    """Table of the run's parameters; the folders of files are the machine's business and left out.

    Examples
    --------
    >>> ">genes.tsv,more.tsv</td>" in parameter_table({"genes": "/data/genes.tsv,/data/more.tsv"})
    True
    """
    rows = [
        {
            "name": name,
            "value": "" if value is None else ",".join(map(file_name, str(value).split(","))),
            "reason": "not set",
        }
        for name, value in sorted(parameters.items())
    ]
    return html_table(
        pd.DataFrame(rows), [text("name", "Parameter"), text("value", "Value", style="prose")], "Parameters"
    )


def input_table(inputs: list[dict]) -> Html:
    """Table of input files and their checksums; files are named without their folders."""
    table = pd.DataFrame(inputs, columns=["role", "file", "sha256", "bytes"])
    table["file"] = [file_name(str(name)) for name in table["file"]]
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
    table = table[names].map(file_name)
    return html_table(table, [text(name, name) for name in table], caption, empty="The manifest names none.")
