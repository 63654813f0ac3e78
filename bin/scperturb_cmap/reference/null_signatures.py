"""Signatures of a reference that say what chance looks like: reference queries and vehicles."""

import numpy as np
import pandas as pd

from scperturb_cmap.reference.quality import named_controls
from scperturb_cmap.utils.names import VEHICLE

__all__ = ["MOST_QUERIES", "MOST_VEHICLES", "choose_reference_queries", "find_vehicles"]

#: Reference queries of one reference: every signature is scored with all of them.
MOST_QUERIES = 250

#: Vehicles kept of one reference.
MOST_VEHICLES = 2000


def choose_reference_queries(metadata: pd.DataFrame, seed: int) -> np.ndarray:
    """Draw signatures that serve as queries: real signatures of cells that have nothing to do with the disease.

    One signature of each of up to :data:`MOST_QUERIES` compounds; where there are fewer compounds, a second one of each, and
    so on.

    Parameters
    ----------
    metadata
        Of the signatures kept: compound_id.
    seed
        Of the draw.

    Returns
    -------
    Their positions, ascending.

    Examples
    --------
    >>> choose_reference_queries(pd.DataFrame({"compound_id": list("aab")}), seed=0).tolist()
    [0, 1, 2]
    """
    order = np.random.default_rng(seed).permutation(len(metadata))
    turn = metadata["compound_id"].iloc[order].groupby(metadata["compound_id"].to_numpy()[order]).cumcount().to_numpy()
    return np.sort(order[np.argsort(turn, kind="stable")][:MOST_QUERIES])


def find_vehicles(metadata: pd.DataFrame, kept: pd.Index, signatures: pd.Index, seed: int) -> pd.DataFrame:
    """Vehicles of a matrix, at most :data:`MOST_VEHICLES` drawn at random: scores with them are scores of no effect.

    Vehicles are found by their type of perturbation, or by their names where there are no types; no filter applies to them.

    Parameters
    ----------
    metadata
        Of all signatures: compound, pert_type.
    kept
        Signatures that are treatments.
    signatures
        Signatures of the matrix.
    seed
        Of the draw.

    Returns
    -------
    Their metadata, in the order of the matrix, with pert_type "ctl_vehicle".

    Examples
    --------
    >>> metadata = pd.DataFrame({"compound": ["DMSO", "x"], "pert_type": ["ctl_vehicle", "trt_cp"]}, index=["a", "b"])
    >>> find_vehicles(metadata, pd.Index(["b"]), pd.Index(["a", "b"]), seed=0).index.tolist()
    ['a']
    """
    rest = metadata.loc[signatures[signatures.isin(metadata.index) & ~signatures.isin(kept)]]
    is_vehicle = (rest["pert_type"] == VEHICLE) | ((rest["pert_type"] == "") & named_controls(rest["compound"]))
    vehicles = rest[is_vehicle]
    drawn = np.sort(np.random.default_rng(seed).permutation(len(vehicles))[:MOST_VEHICLES])
    return vehicles.iloc[drawn].assign(pert_type=VEHICLE)
