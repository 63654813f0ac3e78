"""The signature set: one AnnData for disease populations and drug perturbations alike.

One row per signature, one column per gene; ``X`` = signed evidence (float32, positive = up, NaN = not measured);
``var`` index = gene key (Entrez id as text) with ``symbol`` and ``feature_space``; ``uns["effect"]`` says what ``X`` is.
"""

import warnings
from collections.abc import Collection, Sequence
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd

from scperturb_cmap.io.hdf5 import open_hdf5, read_stored, require_size
from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import made_again, whole_file

__all__ = [
    "POPULATION_COLUMNS", "PERTURBATION_COLUMNS", "read_about", "read_background", "read_rows", "read_signature_set",
    "signature_set", "write_signature_set",
]  # fmt: skip

#: What ``obs`` of a set of disease populations holds.
POPULATION_COLUMNS = (
    "dataset", "population", "case", "control", "n_donors_case", "n_donors_control", "n_cells_case", "n_cells_control",
    "design", "covariates", "evidence", "effect", "status", "reason",
)  # fmt: skip

#: What ``obs`` of a set of drug perturbations holds.
PERTURBATION_COLUMNS = (
    "reference", "compound", "compound_id", "pert_id", "pert_type", "cell_line", "cell_lineage", "dose_um", "time_h", "batch",
    "n_replicates", "tas", "status", "reason",
)  # fmt: skip

#: Columns without which a set is none of populations or perturbations; libraries of earlier versions have fewer than above.
_NEEDED = {
    "populations": ("dataset", "population", "status"),
    "perturbations": ("reference", "compound", "compound_id", "cell_line", "dose_um", "time_h", "tas", "status"),
}


def signature_set(
    values: np.ndarray, obs: pd.DataFrame, var: pd.DataFrame, effect: str, layers: dict[str, np.ndarray] | None = None
) -> ad.AnnData:
    """Assemble a signature set and check its contract.

    Parameters
    ----------
    values
        Signed evidence, shape (n_signatures, n_genes).
    obs
        One row per signature, unique index; the columns of :data:`POPULATION_COLUMNS` or :data:`PERTURBATION_COLUMNS`.
    var
        One row per gene: index = gene key, columns symbol and feature_space.
    effect
        What the values are: wald_z, log_fc, modz, rank, set, signature (a file did not say);
        "mixed" where ``obs["effect"]`` differs.
    layers
        Further matrices of the same shape, such as log_fc; kept as float32, whole numbers (ranks) as they are.

    Raises
    ------
    ValueError
        A column is missing or an index is not unique (a fault of the program, not of its input).

    Examples
    --------
    >>> var = pd.DataFrame({"symbol": ["CXCL10"], "feature_space": ["other"]}, index=["3627"])
    >>> obs = pd.DataFrame({column: ["x"] for column in POPULATION_COLUMNS}, index=["demo|B cells"])
    >>> signature_set(np.array([[2.5]]), obs, var, "wald_z").X
    array([[2.5]], dtype=float32)
    """
    contract = PERTURBATION_COLUMNS if "reference" in obs else POPULATION_COLUMNS
    missing = [column for column in contract if column not in obs] + [
        c for c in ("symbol", "feature_space") if c not in var
    ]
    if missing:
        raise ValueError(f"A signature set needs {missing}.")
    if not (obs.index.is_unique and var.index.is_unique):
        raise ValueError("Signatures and genes of a signature set must be unique.")
    values = np.asarray(values, dtype=np.float32)
    layers = {
        name: layer if np.issubdtype(layer.dtype, np.integer) else np.asarray(layer, dtype=np.float32)
        for name, layer in (layers or {}).items()
    }
    return ad.AnnData(values, obs=obs, var=var, layers=layers, uns={"effect": effect, "gene_key": "entrez_id"})


def write_signature_set(signatures: ad.AnnData, path: Path, compression: str | None = "gzip") -> None:
    """Write a signature set; the file appears under its name only when it is complete.

    Shards of references are not compressed: z-scores hardly shrink, and writing would take ten times as long.
    """
    with whole_file(path) as partial, warnings.catch_warnings():
        # Text columns become categories on writing; anndata says so every time.
        warnings.filterwarnings("ignore", message=".*to categorical")
        signatures.write_h5ad(partial, compression=compression)


def read_signature_set(path: Path, of: str = "") -> ad.AnnData:
    """Read a signature set.

    Parameters
    ----------
    path
        The file (h5ad).
    of
        "populations" or "perturbations", where it must be a set of these, of one at least.

    Raises
    ------
    InputError
        The file is missing, damaged, or no such signature set.
    """
    path = Path(path)
    require_data(path, path.name)
    try:
        with h5py.File(path) as file:
            require_size(file)
        signatures = ad.read_h5ad(path)
    except MemoryError:
        raise
    except Exception:  # anndata passes on whatever its readers and HDF5 raise
        wrong = "It is no readable h5ad file, or it is cut off."
        raise InputError(Problem(path.name, "", wrong, made_again(path, "Make the signature set again."))) from None
    if "effect" not in signatures.uns or not {"symbol", "feature_space"} <= set(signatures.var):
        raise _no_signature_set(path.name)
    if not isinstance(signatures.X, np.ndarray) or not np.issubdtype(signatures.X.dtype, np.floating):
        wrong = "It is no plain table of decimal numbers."
        raise InputError(Problem(path.name, "X", wrong, "Make the signature set again."))
    if of:
        _require_columns(signatures.obs, of, path.name)
    return signatures


def read_background(paths: Sequence[Path]) -> ad.AnnData | None:
    """Read several signature sets as one, over all their genes: reference queries, or resamples of donors.

    Signatures of a reference are called "<reference>|<signature>"; empty ones are left out. What a set does not measure is
    NaN.

    Parameters
    ----------
    paths
        Signature sets (h5ad).

    Returns
    -------
    ``obs`` holds status and effect; None where there is no signature.
    """
    parts = []
    for signatures in map(read_signature_set, sorted(paths, key=lambda path: path.name)):
        obs = signatures.obs
        effect = obs["effect"].astype(str) if "effect" in obs else signatures.uns["effect"]
        names = obs["reference"].astype(str) + "|" + obs.index if "reference" in obs else obs.index
        about = pd.DataFrame({"status": obs["status"].astype(str), "effect": effect}, index=obs.index).set_axis(names)
        part = ad.AnnData(np.asarray(signatures.X), about, pd.DataFrame(index=signatures.var_names))
        parts.append(part[(about["status"] != "empty").to_numpy()])
    parts = [part for part in parts if part.n_obs]
    return ad.concat(parts, join="outer", fill_value=np.nan) if parts else None


def read_about(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Read what is known of the signatures and genes of a shard, and its effect, but no value.

    Raises
    ------
    InputError
        The file is missing, damaged, or no signature set.
    """
    path = Path(path)
    require_data(path, path.name)
    with open_hdf5(path, path.name, made_again(path, "Make the signature set again.")) as file:
        about = file.get("uns")
        if not {"X", "obs", "var"} <= set(file) or not isinstance(about, h5py.Group) or "effect" not in about:
            raise _no_signature_set(path.name)
        obs, var = (read_stored(file[part]) for part in ("obs", "var"))
        tables = isinstance(obs, pd.DataFrame) and isinstance(var, pd.DataFrame)
        if not tables or not isinstance(file["X"], h5py.Dataset) or file["X"].shape != (len(obs), len(var)):
            raise _no_signature_set(path.name)
        _require_columns(obs, "perturbations", path.name)
        return obs, var, str(read_stored(about["effect"]))


def read_rows(path: Path, names: Collection[str], layers: Collection[str] = ("rank",)) -> ad.AnnData:
    """Read some signatures of an uncompressed set, such as a shard, and nothing of the others but what they are called.

    anndata's backed mode would read the layers whole, half a gigabyte of a large shard.

    Parameters
    ----------
    path
        A signature set (h5ad).
    names
        Signatures to read; those that are not there are left out.
    layers
        Layers to read, where they are there.

    Raises
    ------
    InputError
        The file is missing, damaged, or no signature set.
    """
    path = Path(path)
    obs, var, effect = read_about(path)
    rows = np.flatnonzero(obs.index.isin(list(names)))
    with open_hdf5(path, path.name, made_again(path, "Make the signature set again.")) as file:
        found = {layer: file["layers"][layer][rows] for layer in layers if layer in file.get("layers", {})}
        return ad.AnnData(file["X"][rows], obs=obs.iloc[rows], var=var, layers=found, uns={"effect": effect})


def _require_columns(obs: pd.DataFrame, of: str, name: str) -> None:
    """Refuse a set of another kind, and one without any signature."""
    stage = {"populations": "DERIVE_SIGNATURES", "perturbations": "BUILD_REFERENCE"}[of]
    if lacking := [column for column in _NEEDED[of] if column not in obs]:
        wrong = f"It is no set of {of}: it has no column {', '.join(map(repr, lacking))}."
        raise InputError(Problem(name, "obs", wrong, f"Give a file made by {stage}."))
    if obs.empty:
        raise InputError(Problem(name, "obs", "It holds no signature.", f"Run {stage} again."))


def _no_signature_set(name: str) -> InputError:
    remedy = "Give a file made by DERIVE_SIGNATURES or BUILD_REFERENCE."
    return InputError(Problem(name, "uns['effect']", "The file is h5ad but no signature set.", remedy))
