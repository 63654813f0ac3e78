"""What the validation found: which method finds what is known, how much better than chance, and what ranks the drugs."""

import re

import pandas as pd
import plotly.graph_objects as go

from scperturb_cmap.figures.drugs import method_title
from scperturb_cmap.figures.results import Results
from scperturb_cmap.figures.style import INK, MIMIC, NEUTRAL, REVERSAL, THEME, Html, decimal, plain
from scperturb_cmap.figures.tables import Column, html_table, text

__all__ = [
    "batch_table", "difference_table", "efficacy_table", "finding_table", "gate_table", "headline_note", "indication_table",
    "task_table", "validation_figure", "validation_table",
]  # fmt: skip

_NUMBERS = (
    "value",
    "low",
    "high",
    "n",
    "n_queries",
    "chance",
    "p",
    "p_holm",
    "auroc",
    "spearman",
    "null_low",
    "null_high",
    "n_drugs",
)

#: What each gate asks of the learned score, in the words of the page.
_GATES = {
    "G0": "turning with the query",
    "G1": "finding nothing where compounds or genes are exchanged, and learning from labels what exchanged ones do not teach",
    "G2": "beating the classic score",
    "G3": "a gain that is not one of strong signatures or of shared batches",
    "G4": "being no worse with queries of the run's own kind",
}

#: Controls that are learned: what a batch teaches a space is seen by them.
_LEARNED_ANEW = ("control: labels alone", "control: learned from permuted labels")

#: One task, and the same where only compounds of the answers' batches count as wrong answers.
_BATCHES = ("other_line", "other_line_same_batch")

#: Metric -> title for readers.
_METRICS = {
    "average_precision": "mean average precision", "auroc": "area under the ROC curve", "precision_at_1": "first hit right",
    "recall_at_10": "found among the first 10", "enrichment_factor_1": "enrichment in the first 1 %", "bedroc": "BEDROC",
    "share_found": "found beyond chance (FDR 5 %)",
}  # fmt: skip


def _read(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers."""
    there = [column for column in _NUMBERS if column in table]
    return table.assign(**{column: pd.to_numeric(table[column], errors="coerce") for column in there})


def _reported(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the half that chose nothing; of all queries where there is no such half."""
    table = _read(table)
    tested = set(table.loc[table["split"] == "test", "task"])
    return table[(table["split"] == "test") | ((table["split"] == "all") & ~table["task"].isin(tested))]


def headline_note(run: Results) -> Html:
    """Which score ranks the drugs and why; nothing where nothing was validated."""
    if not run.find("*.headline.json"):
        return Html('<p class="note">The methods were not validated in this run (--validation).</p>')
    about = run.document(run.find("*.headline.json")[0].name)
    method, reason = str(about["method"]), str(about["reason"])
    _, verb, why = reason.partition(" ranks the drugs")
    lead = f"The score {method_title(method)}{verb}" if verb else "Which score ranks the drugs: "
    tasks = (
        run.tables("validation_tasks")
        if run.find("*.validation_tasks.tsv")
        else pd.DataFrame({"task": [], "title": []})
    )
    said = _titled(why if verb else reason, tasks)
    said = re.sub(r"\bG[0-4]\b", lambda gate: f"gate {gate[0]} ({_GATES[gate[0]]})", said)
    return Html('<p class="note"><b>{}</b>{}.</p>').format(lead, said)


def _titled(sentence: str, tasks: pd.DataFrame) -> str:
    """A sentence for readers: titles in place of the names of tasks, scores and metrics, minus signs for hyphens.

    Examples
    --------
    >>> tasks = pd.DataFrame({"task": ["other", "other_line"], "title": ["x", "same compound"]})
    >>> _titled("-0.1 against spearman on other_line by auroc", tasks)
    '−0.1 against Spearman on "same compound" by area under the ROC curve'
    """
    titles = {task: f'"{title}"' for task, title in zip(tasks["task"], tasks["title"], strict=True)} | _METRICS
    sentence = re.sub(r"\w+", lambda word: titles.get(word[0], method_title(word[0])), sentence)
    return re.sub(r"(?<![\w.])-(?=\d)", "−", sentence)


def validation_figure(table: pd.DataFrame, tasks: pd.DataFrame, metric: str = "auroc") -> go.Figure:
    """One row per task and method: the value with its 95 % interval; a tick stands where chance is.

    Examples
    --------
    >>> row = {"task": "t", "split": "all", "method": "wtcs", "compared_with": "", "metric": "auroc", "value": "0.7",
    ...        "low": "0.6", "high": "0.8", "n": "9", "chance": "0.5"}
    >>> tasks = pd.DataFrame({"task": ["t"], "title": ["find it"]})
    >>> validation_figure(pd.DataFrame([row]), tasks).data[0].x
    (0.7,)
    """
    shown = _reported(table)
    shown = shown[(shown["metric"] == metric) & (shown["compared_with"] == "")]
    titles, ticks, row = tasks.set_index("task")["title"], {}, 0
    figure = go.Figure(layout={"template": THEME})
    for task, part in shown.groupby("task", sort=False):
        figure.add_annotation(
            x=0, xref="paper", y=row, text=f"<b>{plain(titles.get(task, task), 90)}</b>", showarrow=False, xanchor="left",
            yanchor="middle",
        )  # fmt: skip
        part = part.assign(control=part["method"].str.startswith("control"))
        for one in part.sort_values("control", kind="stable").itertuples():
            row += 1
            colour = NEUTRAL if one.control else MIMIC if one.method == "embedding" else REVERSAL
            label = plain(method_title(one.method), 40)
            ticks[row] = label.removeprefix("control: ")  # their points are open: labels must leave a telephone room
            interval = f"[{decimal(one.low, 3)}, {decimal(one.high, 3)}]"
            said = f"{label}: {decimal(one.value, 3)} {interval}, chance {decimal(one.chance, 3)}"
            said += f"<br>{int(one.n)} compounds or mechanisms"
            figure.add_scatter(
                x=(one.value,), y=(row,), mode="markers", hoverinfo="text", hovertext=said,
                marker={"color": colour, "size": 9, "symbol": "circle-open" if one.control else "circle"},
                error_x={"type": "data", "symmetric": False, "array": [one.high - one.value], "arrayminus": [one.value - one.low],
                         "color": colour, "thickness": 1.5, "width": 3},
            )  # fmt: skip
            figure.add_shape(
                type="line", x0=one.chance, x1=one.chance, y0=row - 0.4, y1=row + 0.4, line={"color": INK, "width": 1}
            )
        row += 1.6
    figure.update_yaxes(
        range=[row - 0.6, -0.8],
        tickmode="array",
        tickvals=list(ticks),
        ticktext=list(ticks.values()),
        showgrid=False,
        zeroline=False,
    )
    figure.update_xaxes(title_text=_METRICS.get(metric, metric), side="top")
    figure.update_layout(height=int(90 + 22 * (row + 1)))
    return figure


def _number(name: str, title: str, digits: int = 3, **options: str) -> Column:
    return Column(
        title, lambda row: decimal(row[name], digits) or "–", key=lambda row: row[name], style="num", **options
    )


def _interval(title: str = "Value [95 % interval]", of: str = "") -> Column:
    def cell(row: dict) -> str:
        value, low, high = (decimal(row[f"{name}{of}"], 3) for name in ("value", "low", "high"))
        return f"{value} [{low or '–'}, {high or '–'}]"

    told = "compounds or mechanisms are drawn again, never single queries"
    return Column(title, cell, key=lambda row: row[f"value{of}"], style="num", help=told)


def _task(tasks: pd.DataFrame) -> Column:
    titles = tasks.set_index("task")["title"]
    return Column("Task", lambda row: str(titles.get(row["task"], row["task"])))


_METHOD = Column("Method", lambda row: method_title(row["method"]))


def validation_table(table: pd.DataFrame, tasks: pd.DataFrame) -> Html:
    """All methods and controls by the metrics that readers ask for."""
    shown = _reported(table)
    shown = shown[(shown["compared_with"] == "") & shown["metric"].isin(_METRICS)]
    shown = shown.assign(title=shown["metric"].map(_METRICS))
    columns = [_task(tasks), _METHOD, text("title", "Metric"), _interval(), _number("chance", "Chance"),
        _number("p", "p", 3, help="against random orders; for the mean average precision"), _number("n", "n", 0)]  # fmt: skip
    return html_table(shown, columns, "Every method and control on the test half of the compounds", search=True)


def difference_table(table: pd.DataFrame, tasks: pd.DataFrame) -> Html:
    """How much better each method is than the classic score it is compared with, query by query."""
    shown = _reported(table)
    kept = (shown["compared_with"] != "") & (shown["metric"] == "average_precision")
    shown = shown[kept & ~shown["method"].str.startswith("control")]
    base = Column("Compared with", lambda row: method_title(row["compared_with"]))
    tested = _number("p", "p", 3, help="Wilcoxon's signed rank test over compounds or mechanisms")
    adjusted = _number("p_holm", "p, Holm", 3, help="adjusted over the tasks of this run")
    columns = [
        _task(tasks),
        _METHOD,
        base,
        _interval("Difference [95 % interval]"),
        tested,
        adjusted,
        _number("n", "n", 0),
    ]
    empty = "One method only: nothing to compare."
    return html_table(shown, columns, "Paired differences of the mean average precision", empty=empty)


def batch_table(table: pd.DataFrame, tasks: pd.DataFrame) -> Html:
    """One task against all compounds and against those of the answers' batches only, side by side; below, gains of methods.

    Examples
    --------
    >>> row = {"split": "all", "method": "wtcs", "compared_with": "", "metric": "auroc", "low": "", "high": "", "n": "9"}
    >>> rows = [row | {"task": task, "value": value} for task, value in zip(_BATCHES, ("0.8", "0.6"), strict=True)]
    >>> print(batch_table(pd.DataFrame(rows), pd.DataFrame({"task": [], "reason": []})))
    <div...WTCS...0.800 [–, –]...0.600 [–, –]...−0.200...
    """
    shown = _reported(table)
    told = ~shown["method"].str.startswith("control") | (
        shown["method"].isin(_LEARNED_ANEW) & (shown["compared_with"] == "")
    )
    shown = shown[(shown["metric"] == "auroc") & told]
    keys = ["method", "compared_with", "split"]
    anywhere, beside = (shown.loc[shown["task"] == task, [*keys, "value", "low", "high", "n"]] for task in _BATCHES)
    both = anywhere.merge(beside, on=keys, suffixes=("", "_beside"))
    both = both.assign(change=both["value_beside"] - both["value"], gain=both["compared_with"] != "")
    columns = [
        Column("Area under the ROC curve", _what),
        _interval("Against all compounds"),
        _interval("Against compounds of the same batch", "_beside"),
        _number("change", "Change", help="what is left without the help of batches, less what there was with it"),
        Column("n", lambda row: f"{decimal(row['n'], 0)} · {decimal(row['n_beside'], 0)}", style="num nowrap",
               help="compounds in the first and in the second column"),
    ]  # fmt: skip
    reasons = tasks.loc[tasks["task"].isin(_BATCHES) & (tasks["reason"] != ""), "reason"].drop_duplicates()
    empty = (
        "Not known in this run: "
        + ("; ".join(reasons) or "the task was not run against compounds of the same batch")
        + "."
    )
    caption = "The same compound in another cell line, with and without the help of batches"
    return html_table(both.sort_values("gain", kind="stable"), columns, caption, sort=False, empty=empty)


def _what(row: dict) -> str:
    method = method_title(row["method"])
    method = f"embedding, {method.removeprefix('control: ')}" if method in _LEARNED_ANEW else method
    return f"gain of {method} over {method_title(row['compared_with'])}" if row["gain"] else method


def task_table(tasks: pd.DataFrame) -> Html:
    """Which tasks were run, and why the others were not."""
    columns = [
        text("title", "Task"),
        text("status", "Status"),
        _number("n_queries", "Queries", 0),
        text("reason", "Reason", style="prose"),
    ]
    return html_table(_read(tasks), columns, "Tasks of the validation", sort=False)


def gate_table(gates: pd.DataFrame, tasks: pd.DataFrame) -> Html:
    """The gates that the headline is chosen by."""
    measured = Column("What was measured", lambda row: _titled(row["detail"], tasks), style="prose")
    columns = [text("gate", "Gate"), _METHOD, text("passed", "Passed"), measured]
    return html_table(gates, columns, "Gates", sort=False, empty="No gate could be tested: no task was run.")


def finding_table(findings: pd.DataFrame) -> Html:
    """Leaks that were looked for and found."""
    columns = [text("check", "Check"), text("where", "Where"), text("detail", "What was found", style="prose"),
        _number("n", "n", 0), text("action", "What was done")]  # fmt: skip
    return html_table(
        _read(findings), columns, "Findings of the leak guard", sort=False, empty="None of the known leaks was found."
    )


def indication_table(recovered: pd.DataFrame) -> Html:
    """Whether known drugs reverse the populations, beside what drugs taken at random reach."""
    table = _read(recovered).rename(columns={"auroc": "value"})
    null = Column(
        "By chance (95 %)", lambda row: f"{decimal(row['null_low'], 2)} to {decimal(row['null_high'], 2)}", style="num"
    )
    columns = [text("dataset", "Data set"), text("population", "Population", style="name"), _METHOD]
    columns += [_interval("Area under the curve [95 %]"), null, _number("p", "p")]
    columns += [_number("n_drugs", "Known drugs", 0), text("reason", "Remark", style="prose")]
    return html_table(table, columns, "Known indications", empty="No indications were given (--indications).")


def efficacy_table(run: Results) -> Html:
    """Whether drugs that reverse more kill more, beside what the strength of a drug alone tells."""
    empty = "No sensitivities were given (--sensitivity)."
    if not run.find("*.efficacy.tsv"):
        return Html('<p class="empty">{}</p>').format(empty)
    table = _read(run.tables("efficacy")).rename(columns={"spearman": "value"})
    columns = [
        text("dataset", "Data set"),
        text("population", "Population", style="name"),
        _METHOD,
        _interval("Spearman [95 %]"),
    ]
    columns += [_number("p", "p"), _number("n_drugs", "Drugs measured", 0), text("reason", "Remark", style="prose")]
    return html_table(table, columns, "Drug sensitivity", sort=False, empty=empty)
