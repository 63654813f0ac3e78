"""Plates of wells (LINCS Level 3 and 4) as a reference of signatures, without holding more than some wells in memory."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from scperturb_cmap.reference.collapse import FEWEST_WELLS, modz, plate_scale, tas
from scperturb_cmap.reference.opening import Opened
from scperturb_cmap.reference.quality import named_controls
from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["collapse_wells"]

log = logging.getLogger(__name__)


def collapse_wells(opened: Opened, row: dict[str, str], landmarks: np.ndarray) -> Opened:
    """Turn a reference of wells into one of signatures.

    Wells of one compound, perturbation type, cell line, dose and time are replicates, on whatever plates they stand.
    Level 3 (log2 expression) is first made a z-score per plate (:func:`~scperturb_cmap.reference.collapse.plate_scale`), then
    replicates are combined (:func:`~scperturb_cmap.reference.collapse.modz`). Replicate correlation and TAS are
    computed, whatever the file says of its wells.

    Parameters
    ----------
    opened
        Wells; their metadata name the plate (``batch``).
    row
        Row of the reference sheet: level "3" or "4".
    landmarks
        Which genes of the file are landmarks, bool, shape (n_genes,).

    Returns
    -------
    The same reference with one entry per signature; a signature is named compound|cell line|dose|time.

    Raises
    ------
    InputError
        The wells of a Level 3 file have no plate, or a plate has fewer than 10 wells.
    """
    wells = opened.metadata.loc[opened.signatures[opened.signatures.isin(opened.metadata.index)]]
    wells = wells.assign(position=opened.signatures.get_indexer(wells.index))
    scales = _plate_scales(opened, wells, row) if row["level"] == "3" else {}
    keys = ["compound_id", "pert_type", "cell_line", "dose_um", "time_h"]
    # 3.33 and 3.3333 uM are one dose.
    rounded = wells[keys].assign(dose_um=wells["dose_um"].map(lambda dose: float(f"{dose:.3g}")))
    # Groups are numbered as they appear in the file, and wells stay in its order within each.
    group = rounded.groupby(keys, sort=False, dropna=False).ngroup().to_numpy()
    members = np.split(wells["position"].to_numpy()[np.argsort(group, kind="stable")], np.bincount(group).cumsum()[:-1])
    first = wells.reset_index(drop=True).groupby(group, sort=True).first()
    plate_of = pd.Series(wells["batch"].to_numpy(), index=wells["position"])

    def replicates(positions: np.ndarray) -> np.ndarray:
        """Level 4 z of wells."""
        values = opened.read(positions).astype(float)
        if scales:
            for n, position in enumerate(positions):
                median, scale = scales[plate_of[position]]
                values[n] = (values[n] - median) / scale
        return values

    def read(chosen: np.ndarray) -> np.ndarray:
        return np.array([modz(replicates(members[n]), landmarks).signature for n in chosen], dtype=np.float32)

    names = [f"{m.compound_id or m.pert_id}|{m.cell_line}|{m.dose_um:g} uM|{m.time_h:g} h" for m in first.itertuples()]
    types = first["pert_type"].to_numpy()
    twice = pd.Series(names).duplicated(keep=False).to_numpy()
    names = [f"{name}|{kind}" if again else name for name, kind, again in zip(names, types, twice, strict=True)]
    sizes = np.array([len(positions) for positions in members])
    metadata = first.drop(columns="position").set_axis(pd.Index(names, name="sig_id")).assign(n_replicates=sizes)
    metadata["batch"] = metadata["batch"].where(sizes == 1, "")
    vehicle = first["pert_type"].str.startswith("ctl") | named_controls(first["compound"])
    treated = np.where(vehicle.to_numpy(), 0, sizes)
    metadata[["cc_q75", "tas"]] = _strengths(members, replicates, landmarks, treated, row["path"])
    warnings = [*opened.warnings]
    if (sizes == 1).any():
        warnings.append(
            f"{(sizes == 1).sum()} of {len(sizes)} signatures have a single replicate: z of one well, no TAS."
        )
    return replace(opened, signatures=metadata.index, metadata=metadata, read=read, effect="modz", warnings=warnings)


def _plate_scales(opened: Opened, wells: pd.DataFrame, row: dict[str, str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Median and scale of every plate."""
    sizes = wells["batch"].value_counts()
    if "" in sizes.index or (sizes < FEWEST_WELLS).any():
        plate = sizes.index[sizes < FEWEST_WELLS][0] if "" not in sizes.index else ""
        wrong = (
            f"The plate {plate!r} has {sizes[plate]} wells." if plate else "Wells have no plate (det_plate, rna_plate)."
        )
        remedy = (
            f"Give Level 3 with whole plates, {FEWEST_WELLS} wells or more each, and their names in the instinfo table."
        )
        raise InputError(Problem(row["siginfo"] or row["path"], "plates", wrong, remedy))
    scales = {}
    for n, (plate, mine) in enumerate(wells.groupby("batch", sort=False), start=1):
        scales[plate] = tuple(a.astype(np.float32) for a in plate_scale(opened.read(mine["position"].to_numpy())))
        log.info("%s: plate %d of %d", row["reference"], n, len(sizes))
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
