"""Perturbation cell atlases in the harmonised scPerturb layout: cells -> contrasts against matched controls -> signatures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scperturb_cmap.io.cells import Cells
from scperturb_cmap.reference.metadata import parse_dose, parse_time
from scperturb_cmap.reference.quality import CONTROLS, named_controls
from scperturb_cmap.utils.counts import log_cpm
from scperturb_cmap.utils.errors import InputError, Problem, some

__all__ = ["CONTROL_NAMES", "CellAtlas", "is_control", "perturbation_samples", "perturbation_signatures"]

#: Labels taken for controls where none is named, in casefold: vehicles, untreated cells, guides without a target.
CONTROL_NAMES = CONTROLS | {"non-targeting", "nontargeting", "non-targeting control"}

#: Columns of ``obs`` and the names they have in scPerturb (Peidli et al. 2024, doi:10.1038/s41592-023-02144-y) and elsewhere.
_COLUMNS = {
    "perturbation": ("perturbation", "compound", "drug", "treatment"), "cell_line": ("cell_line", "celltype", "cell_type"),
    "cell_lineage": ("cell_lineage", "primary_site", "organ"),
    "dose": ("dose_value", "dose"), "dose_unit": ("dose_unit",), "time": ("time", "time_value"), "time_unit": ("time_unit",),
    "batch": ("batch", "replicate", "plate", "sample", "donor"), "nperts": ("nperts",),
}  # fmt: skip

#: Counts of a gene that are enough for every comparison.
_PLENTY = 1e6

#: What tells samples apart, and signatures.
_KEYS = ["perturbation", "cell_line", "dose", "time", "batch"]
_SIGNATURE = _KEYS[:-1]


@dataclass
class CellAtlas:
    """Single cells of many perturbations, read like any other reference once :meth:`derive` has run.

    Parameters
    ----------
    cells
        An open h5ad file with raw counts; only its labels are held in memory.
    control
        Label of the control cells; ``""`` = any of :data:`CONTROL_NAMES`.

    Raises
    ------
    InputError
        There is no column of perturbations, or no control cells.
    """

    cells: Cells
    control: str = ""
    effect = "log_fc"

    def __post_init__(self):
        columns = self.cells.columns
        there = {ours: next((name for name in names if name in columns), None) for ours, names in _COLUMNS.items()}
        if there["perturbation"] is None:
            wrong = f"None of the columns {', '.join(_COLUMNS['perturbation'])} is there."
            remedy = "Give a perturbation atlas in the scPerturb layout."
            raise InputError(Problem(self.cells.name, "obs", wrong, remedy))
        labels = pd.DataFrame({ours: self.cells.column(name) if name else "" for ours, name in there.items()},
                              index=range(self.cells.n_cells))  # fmt: skip
        for what in ("dose", "time"):
            # A unit belongs to a bare number: "24 h" has its own, and a unit alone is no dose.
            bare = pd.to_numeric(labels[what], errors="coerce").notna()
            labels[what] = labels[what].where(~bare, labels[what] + " " + labels.pop(f"{what}_unit")).str.strip()
        if not is_control(labels["perturbation"], self.control).any():
            wrong = f"No cell is a control (perturbations: {some(labels['perturbation'].unique())})."
            remedy = "Name the control's label in the column 'control' of the reference sheet."
            raise InputError(Problem(self.cells.name, f"obs column '{there['perturbation']}'", wrong, remedy))
        self.labels = labels
        self.genes = pd.Index(self.cells.genes, dtype=object)

    def check(self) -> None:
        """Find out by labels alone whether any perturbation can be compared.

        Raises
        ------
        InputError
            None has controls of its cell line, batch and time, or enough cells.
        """
        _, samples = perturbation_samples(self.labels)
        _, metadata, left = perturbation_signatures(np.full((len(samples), 1), _PLENTY), samples, self.control)
        self._refuse_nothing(metadata, _sentences(left))

    def derive(self) -> list[str]:
        """Sum counts, compare, and keep the signatures; what to know of it, as sentences (``left``: samples left out)."""
        codes, samples = perturbation_samples(self.labels)
        counts = self.cells.sum_by_group(codes, len(samples))
        self._values, metadata, self.left = perturbation_signatures(counts, samples, self.control)
        said = _sentences(self.left)
        mine = samples[is_control(samples["perturbation"], self.control)]
        if mine["perturbation"].nunique() > 1:
            sizes = mine.groupby("perturbation")["n_cells"].sum()
            pooled = ", ".join(f"{name} ({n} cells)" for name, n in sizes.items())
            said.append(f"Controls are {pooled}, taken together; name one in the column 'control' for that one alone.")
        self._refuse_nothing(metadata, said)
        lines = self.labels[["cell_line", "cell_lineage"]].apply(lambda text: text.str.strip())
        lineage = lines.drop_duplicates("cell_line").set_index("cell_line")["cell_lineage"]
        metadata = metadata.assign(cell_lineage=metadata["cell_line"].map(lineage).fillna(""))
        self.metadata = metadata.rename(columns={"dose": "pert_idose", "time": "pert_itime"})
        self.signatures = pd.Index(self.metadata["sig_id"], dtype=object)
        return said

    def read(self, positions: np.ndarray) -> np.ndarray:
        """Signatures at given positions."""
        return self._values[positions]

    def _refuse_nothing(self, metadata: pd.DataFrame, said: list[str]) -> None:
        if metadata.empty:
            wrong = f"No perturbation can be compared with controls ({' '.join(said)})"
            raise InputError(Problem(self.cells.name, "obs", wrong, "Check the columns cell_line, batch and time."))


def is_control(perturbation: pd.Series, control: str = "") -> pd.Series:
    """Which labels are the control, whatever their case: the one named, or any of :data:`CONTROL_NAMES`.

    Examples
    --------
    >>> is_control(pd.Series(["DMSO ", "Control", "drug"]), "dmso").tolist()
    [True, False, False]
    """
    wanted = {control.strip().casefold()} if control.strip() else CONTROL_NAMES
    return named_controls(perturbation, wanted)


def perturbation_samples(obs: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Group cells into pseudobulk samples: every cell is in one, also those that cannot be used.

    Parameters
    ----------
    obs
        One row per cell, text columns perturbation, cell_line, dose (bare numbers = uM), time (bare = hours), batch, and
        nperts where the file has it; ``""`` = missing.

    Returns
    -------
    codes
        Sample of every cell, int, shape (n_cells,).
    samples
        One row per sample, sorted: the columns of ``obs`` but nperts, combination (bool), n_cells. Times in hours, doses in
        uM; what cannot be read stays as it is written.

    Raises
    ------
    KeyError
        A column is missing.

    Examples
    --------
    >>> obs = pd.DataFrame({"perturbation": ["drug", "control", "drug"], "cell_line": "A", "dose": "", "batch": "1",
    ...                     "time": ["24", "24", "1 day"]})
    >>> codes, samples = perturbation_samples(obs)
    >>> codes.tolist(), samples[["perturbation", "time", "n_cells"]].to_numpy().tolist()
    ([1, 0, 1], [['control', '24 h', 1], ['drug', '24 h', 2]])
    """
    cells = obs[_KEYS].apply(lambda text: text.str.strip())
    # One spelling, or "24" would not find its controls at "24 h", and 10 uM and 10000 nM would be two signatures.
    for column, parse, unit in (("time", parse_time, "h"), ("dose", parse_dose, "uM")):
        numbers = {text: parse(text) for text in cells[column].unique()}
        spelled = {text: f"{number:g} {unit}" if number == number else text for text, number in numbers.items()}
        cells[column] = cells[column].map(spelled)
    # "0", "1" and "" say the same: as groups of their own, one batch would count as several.
    cells["combination"] = ~obs["nperts"].isin(["", "0", "1"]) if "nperts" in obs else False
    grouped = cells.groupby([*_KEYS, "combination"], sort=True)
    return grouped.ngroup().to_numpy(), grouped.size().rename("n_cells").reset_index()


def perturbation_signatures(
    counts: np.ndarray, samples: pd.DataFrame, control: str = "", min_cells: int = 10, min_counts: int = 10
) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Signatures of perturbations: log2 fold changes against the controls of the same batch, averaged over batches.

    Matched controls are those of the same cell line, batch and time, summed over their labels and doses (a vehicle's dose
    is not that of a drug). One fallback: where no control of the line and batch has a time, they serve every time. A
    sample without matched controls is left out, because batches and lines differ by more than most drugs do. Where some
    samples name a cell line or batch, those without are left out too: nothing says they belong together.

    Parameters
    ----------
    counts
        Sums of raw counts, shape (n_samples, n_genes).
    samples
        As :func:`perturbation_samples` gives them, same order.
    control
        Label of the controls; ``""`` = any of :data:`CONTROL_NAMES`, which are then summed.
    min_cells
        Fewest cells of a sample, and of its matched controls together.
    min_counts
        Fewest counts of a gene in a sample and its controls together.

    Returns
    -------
    values
        Mean over batches of differences of log2 CPM (:func:`~scperturb_cmap.utils.counts.log_cpm`), positive = up in
        perturbed cells, float32, shape (n_signatures, n_genes); NaN where a gene has too few counts in every batch.
    metadata
        Text columns sig_id, perturbation, cell_line, dose, time, n_replicates (batches), n_cells (perturbed cells).
    left
        Samples left out: perturbation, cell_line, dose, time, batch, n_cells, reason, and n_signatures, how many the
        perturbation has nevertheless (0 = it is lost altogether).

    Raises
    ------
    ValueError
        Counts and samples differ in length.

    Examples
    --------
    >>> obs = pd.DataFrame({"perturbation": ["drug", "control", "other"], "cell_line": "A", "dose": ["1 uM", "", "1 uM"],
    ...                     "time": "24", "batch": ["1", "1", "2"]})
    >>> codes, samples = perturbation_samples(obs)
    >>> counts = np.array([[50.0, 50.0], [80.0, 20.0], [1.0, 99.0]])
    >>> values, metadata, left = perturbation_signatures(counts, samples, min_cells=1)
    >>> values.round(2), metadata["sig_id"].tolist()
    (array([[ 0.66, -1.24]], dtype=float32), ['drug|A|1 uM|24 h'])
    >>> left["reason"].tolist()
    ['no controls of the same cell line, batch and time']
    """
    if len(counts) != len(samples):
        raise ValueError(f"{len(counts)} rows of counts for {len(samples)} samples.")
    samples = samples.reset_index(drop=True)
    controls = is_control(samples["perturbation"], control)
    reasons = pd.Series("", samples.index, dtype=object)
    for key, what in (("cell_line", "cell line"), ("batch", "batch")):
        if (samples[key] != "").any():
            reasons[samples[key] == ""] = f"no {what} is named, though others are"
    reasons[samples["perturbation"] == ""] = "no perturbation is named"
    reasons[samples["combination"]] = "several perturbations at once"
    usable = reasons == ""
    reasons[usable & ~controls & (samples["n_cells"] < min_cells)] = f"fewer than {min_cells} cells"

    pools = samples[controls & usable].groupby(["cell_line", "batch", "time"]).groups
    # Line and batch whose controls are timed, also where too few: others must not stand in for them.
    timed = {(line, batch) for line, batch, time in pools if time}
    found, served = {}, set()
    for row in samples[~controls & (reasons == "")].itertuples():
        place = (row.cell_line, row.batch)
        pool = pools.get((*place, row.time if place in timed else ""))
        if pool is None or (place in timed and not row.time):  # missing is no time that two samples share
            reasons[row.Index] = "no controls of the same cell line, batch and time"
        elif samples.loc[pool, "n_cells"].sum() < min_cells:
            reasons[row.Index] = f"fewer than {min_cells} cells of matched controls"
        elif not (pair := _pair(counts, row.Index, pool)).any(axis=1).all() or pair.sum(axis=0).max() < min_counts:
            reasons[row.Index] = "too few counts of every gene"
        else:
            found.setdefault(tuple(getattr(row, key) for key in _SIGNATURE), []).append((row.Index, pool))
            served.update(pool)
    reasons[controls & usable & ~samples.index.isin(list(served))] = "controls of no sample that could be compared"

    values = np.full((len(found), np.shape(counts)[1]), np.nan, np.float32)
    rows = []
    for n, (key, contrasts) in enumerate(found.items()):
        total, batches = np.zeros(values.shape[1]), np.zeros(values.shape[1])
        for sample, pool in contrasts:
            pair = _pair(counts, sample, pool)
            there = pair.sum(axis=0) >= min_counts
            total += np.where(there, np.subtract(*log_cpm(pair)), 0)
            batches += there
        values[n] = total / np.where(batches > 0, batches, np.nan)
        # Separators within a name are marked, so that different signatures never get the same id.
        name = "|".join(part.replace("\\", "\\\\").replace("|", "\\|") for part in key)
        n_cells = samples.loc[[sample for sample, _ in contrasts], "n_cells"].sum()
        rows.append((name, *key, str(len(contrasts)), str(n_cells)))
    metadata = pd.DataFrame(rows, columns=["sig_id", *_SIGNATURE, "n_replicates", "n_cells"], dtype=object)
    left = samples.assign(reason=reasons).loc[reasons != "", [*_KEYS, "n_cells", "reason"]]
    n_signatures = left["perturbation"].map(metadata["perturbation"].value_counts()).fillna(0).astype(int)
    return values, metadata, left.assign(n_signatures=n_signatures).reset_index(drop=True)


def _sentences(left: pd.DataFrame) -> list[str]:
    """What was left out, one sentence per reason."""
    text = "{} samples ({} cells) were left out: {} (such as {})."
    return [text.format(len(lost), lost["n_cells"].sum(), why, "|".join(lost[_KEYS].iloc[0]))
            for why, lost in left.groupby("reason", sort=True)]  # fmt: skip


def _pair(counts: np.ndarray, sample: int, pool: pd.Index) -> np.ndarray:
    """Counts of a sample and its controls, float64, shape (2, n_genes)."""
    return np.stack([counts[sample], counts[pool].sum(axis=0)]).astype(float)
