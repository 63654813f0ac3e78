"""Perturbation cell atlases in the harmonised scPerturb layout: cells -> contrasts against matched controls -> signatures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scperturb_cmap.io.cells import Cells
from scperturb_cmap.reference.quality import CONTROLS
from scperturb_cmap.utils.counts import log_cpm
from scperturb_cmap.utils.errors import InputError, Problem, some

__all__ = ["CellAtlas", "contrasts"]

#: Columns of ``obs`` and the names they have in scPerturb (Peidli et al. 2024, doi:10.1038/s41592-023-02144-y) and elsewhere.
_COLUMNS = {
    "perturbation": ("perturbation", "compound", "drug", "treatment"),
    "cell_line": ("cell_line", "celltype", "cell_type"),
    "dose": ("dose_value", "dose"),
    "dose_unit": ("dose_unit",),
    "time": ("time", "time_value"),
    "batch": ("batch", "replicate", "plate", "sample", "donor"),
    "n_perturbations": ("nperts",),
}

#: What tells samples apart.
_KEYS = ["perturbation", "cell_line", "dose", "time", "batch"]

#: Fewest cells of a sample, and fewest counts of a gene in perturbed and control cells of a contrast together.
_MIN_CELLS, _MIN_COUNTS = 10, 10


@dataclass
class CellAtlas:
    """Single cells of many perturbations, read like any other reference once :meth:`derive` has run.

    Parameters
    ----------
    cells
        An open h5ad file with raw counts; only its labels are held in memory.
    control
        Label of the control cells; ``""`` = any of the usual ones (control, DMSO, vehicle, untreated, ...).

    Raises
    ------
    InputError
        There is no column of perturbations, or no control cells.
    """

    cells: Cells
    control: str = ""

    effect = "log_fc"

    def __post_init__(self):
        there = {
            ours: next((name for name in theirs if name in self.cells.columns), None)
            for ours, theirs in _COLUMNS.items()
        }
        if there["perturbation"] is None:
            wrong = f"None of the columns {', '.join(_COLUMNS['perturbation'])} is there."
            raise InputError(
                Problem(self.cells.name, "obs", wrong, "Give a perturbation atlas in the scPerturb layout.")
            )
        labels = pd.DataFrame({ours: self.cells.column(name) if name else "" for ours, name in there.items()},
                              index=range(self.cells.n_cells))  # fmt: skip
        labels["dose"] = (labels["dose"] + " " + labels.pop("dose_unit")).where(labels["dose"] != "", "").str.strip()
        wanted = {self.control.casefold()} if self.control else CONTROLS
        labels["is_control"] = labels["perturbation"].str.casefold().isin(wanted)
        if not labels["is_control"].any():
            found = some(labels["perturbation"].unique())
            wrong = f"No cell is a control (perturbations: {found})."
            remedy = "Name the control's label in the column 'control' of the reference sheet."
            raise InputError(Problem(self.cells.name, f"obs column '{there['perturbation']}'", wrong, remedy))
        # The dose of a vehicle is not that of a drug.
        labels.loc[labels["is_control"], "dose"] = ""
        self.labels = labels
        self.genes = pd.Index(self.cells.genes, dtype=object)

    def derive(self) -> list[str]:
        """Sum counts, compare, and keep the signatures; what was left out, as sentences."""
        grouped = self.labels.groupby([*_KEYS, "is_control", "n_perturbations"], sort=True)
        samples = grouped.size().rename("n_cells").reset_index()
        counts = self.cells.sum_by_group(grouped.ngroup().to_numpy(), len(samples))
        self._values, self.metadata, left = contrasts(counts, samples)
        if self.metadata.empty:
            wrong = f"No perturbation could be compared with controls ({'; '.join(left)})."
            raise InputError(Problem(self.cells.name, "obs", wrong, "Check the columns cell_line, batch and time."))
        self.signatures = pd.Index(self.metadata["sig_id"], dtype=object)
        return left

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions."""
        return self._values[positions]


def contrasts(counts: np.ndarray, samples: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame, list[str]]:
    """Signatures of perturbations: log2 fold changes against the controls of the same batch, averaged over batches.

    Controls are matched: same cell line, same batch, and same time, or controls without a time where no control of
    the line and batch has one. A sample without matched controls is left out, never compared with others, because
    batches and lines differ by more than most drugs do.

    Parameters
    ----------
    counts
        Sums of raw counts, shape (n_samples, n_genes).
    samples
        One row per sample: perturbation, cell_line, dose, time, batch, n_perturbations (text, missing ``""``),
        is_control, n_cells.

    Returns
    -------
    values
        Log2 fold changes, positive = up in perturbed cells, float32, shape (n_signatures, n_genes); NaN where perturbed and
        control cells together have fewer than 10 counts of a gene in every batch.
    metadata
        Table of text: sig_id, perturbation, cell_line, pert_idose, pert_itime, n_replicates (batches).
    left
        What was left out and why, as sentences.

    Examples
    --------
    >>> samples = pd.DataFrame({"perturbation": ["drug", "control", "control"], "cell_line": "A", "dose": ["1 uM", "", ""],
    ...     "time": "24", "batch": ["1", "1", "2"], "n_perturbations": "", "is_control": [False, True, True], "n_cells": 50})
    >>> values, metadata, left = contrasts(np.array([[80.0, 20.0], [50.0, 50.0], [1.0, 99.0]]), samples)
    >>> values.round(2), metadata["sig_id"].tolist(), left
    (array([[ 0.66, -1.24]], dtype=float32), ['drug|A|1 uM|24 h'], [])
    """
    samples = samples.reset_index(drop=True)
    reasons = pd.Series("", samples.index)
    reasons[samples["n_perturbations"].map(lambda text: text not in ("", "0", "1"))] = "several perturbations at once"
    reasons[samples["perturbation"] == ""] = "no perturbation is named"
    reasons[samples["n_cells"] < _MIN_CELLS] = f"fewer than {_MIN_CELLS} cells"
    changes: dict[tuple, list[np.ndarray]] = {}
    controls = samples[samples["is_control"] & (reasons == "")]
    for row in samples[~samples["is_control"] & (reasons == "")].itertuples():
        mine = controls[(controls["cell_line"] == row.cell_line) & (controls["batch"] == row.batch)]
        timed = mine[mine["time"] == row.time]
        if timed.empty and (mine["time"] == "").all():
            timed = mine
        if timed.empty:
            reasons[row.Index] = "no controls of the same cell line, batch and time"
            continue
        pair = np.stack([counts[row.Index], counts[timed.index].sum(axis=0)])
        values = log_cpm(pair)
        change = np.where(pair.sum(axis=0) >= _MIN_COUNTS, values[0] - values[1], np.nan)
        changes.setdefault((row.perturbation, row.cell_line, row.dose, row.time), []).append(change)
    rows = []
    values = np.full((len(changes), counts.shape[1]), np.nan, np.float32)
    for n, (key, found) in enumerate(changes.items()):
        stacked = np.stack(found)
        there = ~np.isnan(stacked)
        total = there.sum(axis=0)
        values[n] = np.where(total > 0, np.where(there, stacked, 0).sum(axis=0) / np.maximum(total, 1), np.nan)
        rows.append((*key, str(len(found))))
    metadata = pd.DataFrame(rows, columns=["perturbation", "cell_line", "pert_idose", "pert_itime", "n_replicates"])
    # A bare number of hours gets its unit, so that 24 and "24 h" are the same.
    bare = metadata["pert_itime"].str.fullmatch(r"[0-9.]+")
    metadata.loc[bare, "pert_itime"] += " h"
    names = metadata[["perturbation", "cell_line", "pert_idose", "pert_itime"]].agg("|".join, axis=1)
    metadata.insert(0, "sig_id", names if rows else pd.Series(dtype=object))
    left = [
        f"{len(lost)} samples of cells were left out: {why} (such as {'|'.join(samples.loc[lost.index[0], _KEYS])})."
        for why, lost in reasons[reasons != ""].groupby(reasons[reasons != ""], sort=True)
    ]
    return values, metadata, left
