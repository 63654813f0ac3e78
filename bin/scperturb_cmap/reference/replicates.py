"""Plates of wells (LINCS Level 3 and 4) as a reference of signatures, without holding more than some wells in memory."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from scperturb_cmap.reference.collapse import FEWEST_WELLS, modz, plate_scale, plate_z, tas
from scperturb_cmap.reference.opening import Opened
from scperturb_cmap.reference.quality import control_rows, parse_filters
from scperturb_cmap.utils.errors import InputError, Problem, some

__all__ = ["check_plates", "collapse_wells"]

log = logging.getLogger(__name__)

#: Wells of the largest plate: more of one treatment are a control's, whatever the metadata call it.
_PLATE = 384


def collapse_wells(opened: Opened, row: dict[str, str], landmarks: np.ndarray) -> Opened:
    """Turn a reference of wells into one of signatures.

    Wells of one compound, perturbation type, cell line, dose and time are replicates, on whatever plates they stand; those of
    controls and positive controls, which stand on every plate, are combined per plate, and so is what has more wells than a
    plate. Wells that fail a filter ``qc_pass`` are left out before.
    Level 3 (log2 expression) is first made a z-score per plate (:func:`~scperturb_cmap.reference.collapse.plate_scale`), then
    replicates are combined (:func:`~scperturb_cmap.reference.collapse.modz`). Replicate correlation and TAS are
    computed, whatever the file says of its wells.

    Parameters
    ----------
    opened
        Wells; their metadata name the plate (``batch``).
    row
        Row of the reference sheet: level "3" or "4", filter.
    landmarks
        Which genes of the file are landmarks, bool, shape (n_genes,).

    Returns
    -------
    The same reference with one entry per signature; a signature is named compound|cell line|dose|time, and where needed
    |perturbation type|plate. It passes quality control (qc_pass) if all its wells do; what the file says of exemplars and
    self ranks is about wells and is left aside.

    Raises
    ------
    InputError
        The wells of a Level 3 file have no plate, or a plate has fewer than 10 wells.
    """
    wells = opened.metadata.loc[opened.signatures[opened.signatures.isin(opened.metadata.index)]]
    wells = wells.assign(position=opened.signatures.get_indexer(wells.index))
    steps = [("wells in the matrix", len(opened.signatures), wells), ("wells with metadata", len(wells), wells)]
    # The scale of a plate is that of all its wells, also of those that are left out after.
    scales = _plate_scales(opened, wells, row) if row["level"] == "3" else {}
    for step in parse_filters(row.get("filter", "")):
        if step.columns == ("qc_pass",) and wells["qc_pass"].notna().any():
            wells = wells[step.keeps(wells)]
            steps.append(("wells with qc_pass", len(wells), wells))
    if wells.empty:
        wrong = f"No well is left after the step '{steps[-1][0]}' (in the matrix: {some(opened.signatures)})."
        raise InputError(
            Problem(row["siginfo"] or row["path"], "wells", wrong, "Give the instinfo table of the matrix.")
        )
    group = _replicate_groups(wells)
    members = np.split(wells["position"].to_numpy()[np.argsort(group, kind="stable")], np.bincount(group).cumsum()[:-1])
    of_group = wells.reset_index(drop=True).groupby(group, sort=True)
    plate_of = pd.Series(wells["batch"].to_numpy(), index=wells["position"])

    def replicates(positions: np.ndarray) -> np.ndarray:
        """Level 4 z of wells."""
        values = opened.read(positions).astype(float)
        return plate_z(values, plate_of[positions], scales) if scales else values

    def read(chosen: np.ndarray) -> np.ndarray:
        return np.array([modz(replicates(members[n]), landmarks).signature for n in chosen], dtype=np.float32)

    sizes = np.array([len(positions) for positions in members])
    metadata = of_group.first().drop(columns="position").assign(n_replicates=sizes, exemplar=np.nan, self_rank=np.nan)
    metadata["qc_pass"] = of_group["qc_pass"].min()
    metadata["batch"] = metadata["batch"].where(of_group["batch"].nunique() == 1, "")
    metadata = metadata.set_axis(pd.Index(_names(metadata), name="sig_id"))
    treated = np.where(control_rows(metadata), 0, sizes)
    metadata[["cc_q75", "tas"]] = _strengths(members, replicates, landmarks, treated, row["path"])
    warnings = [*opened.warnings]
    if (sizes == 1).any():
        warnings.append(
            f"{(sizes == 1).sum()} of {len(sizes)} signatures have a single replicate: z of one well, no TAS."
        )
    steps.append(("replicates combined", len(metadata), wells))
    counts = tuple((name, n, left["compound_id"].nunique(), "") for name, n, left in steps)
    return replace(
        opened, signatures=metadata.index, metadata=metadata, read=read, effect="modz", warnings=warnings, steps=counts
    )


def _replicate_groups(wells: pd.DataFrame) -> np.ndarray:
    """Which wells are replicates: group of every well, numbered as they appear in the file; shape (n_wells,)."""
    keys = wells[["compound_id", "pert_type", "cell_line", "dose", "time"]].copy()
    for text, number in (("dose", "dose_um"), ("time", "time_h")):
        # 3.33 and 3.3333 uM are one dose; what could not be read stays apart as it is written.
        keys[text] = keys[text].where(wells[number].isna(), wells[number].map("{:.3g}".format))
    group = keys.groupby(list(keys), sort=False).ngroup()
    everywhere = control_rows(wells) | (wells["pert_type"] == "trt_poscon")
    apart = everywhere | (group.map(group.value_counts()) > _PLATE)
    keys["plate"] = wells["batch"].where(apart, "")
    return keys.groupby(list(keys), sort=False).ngroup().to_numpy()


def _names(metadata: pd.DataFrame) -> list[str]:
    """Ids of signatures from what their wells have in common, as much as makes them differ."""
    who = metadata["compound_id"].where(metadata["compound_id"] != "", metadata["pert_id"])
    dose = metadata["dose"].where(metadata["dose_um"].isna(), metadata["dose_um"].map("{:g} uM".format))
    time = metadata["time"].where(metadata["time_h"].isna(), metadata["time_h"].map("{:g} h".format))
    names = (who + "|" + metadata["cell_line"] + "|" + dose + "|" + time).reset_index(drop=True)
    for column in ("pert_type", "batch"):
        names = names.where(~names.duplicated(keep=False), names + "|" + metadata[column].to_numpy())
    twice = names.groupby(names).cumcount()
    return names.where(twice == 0, names + "|" + (twice + 1).astype(str)).tolist()


def check_plates(wells: pd.DataFrame, name: str) -> None:
    """Level 3 becomes z-scores against the other wells of a plate: every well needs a plate, every plate its wells.

    Parameters
    ----------
    wells
        Metadata of the wells: ``batch``.
    name
        What to call the file in messages.

    Raises
    ------
    InputError
        Wells have no plate, or a plate has fewer than 10 wells.
    """
    sizes = wells["batch"].value_counts()
    small = sizes[(sizes < FEWEST_WELLS) & (sizes.index != "")]
    wrong = []
    if "" in sizes.index:
        wrong.append(f"{sizes['']} wells have no plate (det_plate, rna_plate).")
    if len(small):
        more = f", and {len(small) - 1} more plates have fewer than {FEWEST_WELLS}" if len(small) > 1 else ""
        wrong.append(f"The plate {small.index[0]!r} has {small.iloc[0]} wells{more}.")
    remedy = (
        f"Give Level 3 with whole plates, {FEWEST_WELLS} wells or more each, and their names in the instinfo table."
    )
    if wrong:
        raise InputError([Problem(name, "plates", sentence, remedy) for sentence in wrong])


def _plate_scales(opened: Opened, wells: pd.DataFrame, row: dict[str, str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Median and scale of every plate."""
    check_plates(wells, row["siginfo"] or row["path"])
    n_plates = wells["batch"].nunique()
    scales = {}
    for n, (plate, mine) in enumerate(wells.groupby("batch", sort=False), start=1):
        scales[plate] = tuple(a.astype(np.float32) for a in plate_scale(opened.read(mine["position"].to_numpy())))
        log.info("%s: plate %d of %d", row["reference"], n, n_plates)
    return scales


def _strengths(members: list, replicates, landmarks: np.ndarray, sizes: np.ndarray, name: str) -> np.ndarray:  # noqa: ANN001
    """Replicate correlation and TAS of every treatment, shape (n_signatures, 2); ``sizes`` = replicates, 0 for vehicles."""
    found = np.full((len(members), 2), np.nan)
    for n in np.flatnonzero(sizes > 1):
        together = modz(replicates(members[n]), landmarks)
        strength = tas(together.signature, landmarks, int(sizes[n]), together.correlation)
        found[n] = together.correlation, strength
        if n % 1000 == 0:
            log.info("%s: strength of %d of %d signatures", name, n, len(members))
    return found
