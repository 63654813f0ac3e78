"""h5ad files: single cells of a data set, perturbation atlases, drug signatures."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from damages import HTML, PNG, POINTER, cell, content, cut, inside, put, rewritten

from bad_input import rows_of

CELLS, ATLAS, SIGNATURES = "cells h5ad", "scPerturb h5ad", "signatures h5ad"
_DAMAGED = "It is no HDF5 file, or it is damaged"
_LAYOUT = "It is damaged or in a layout that anndata does not know"
_AGAIN = "Read it with a current anndata and write it again"

cells = rows_of(CELLS, "check")
atlas = rows_of(ATLAS, "check atlas")
signatures = rows_of(SIGNATURES, "check signatures")


def values(change):
    """Another matrix."""

    def write(file: ad.AnnData) -> None:
        file.X = change(np.asarray(file.X.toarray() if hasattr(file.X, "toarray") else file.X, dtype=np.float32))

    return write


def column(name: str, content) -> object:
    """Another column of obs."""
    return lambda file: setattr(file, "obs", file.obs.assign(**{name: content(file) if callable(content) else content}))


def dataframe(name: str, change) -> object:
    """Another value of the attribute of a stored part."""
    return lambda file: change(file[name].attrs)


def _short(file: h5py.File) -> None:
    del file["obs/donor"]
    file["obs/donor"] = np.array([b"a", b"b"])
    file["obs/donor"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def _dense(file: h5py.File) -> None:
    shape = tuple(file["X"].attrs["shape"])
    del file["X"]
    file["X"] = np.full(shape, b"1")


def _first(values: h5py.Dataset, value: float) -> None:
    values[0] = value


ROWS = [
    cells("a web page", content("cells.h5ad", HTML), "cells.h5ad: It is an HTML page"),
    cells("a pointer", content("cells.h5ad", POINTER), "cells.h5ad: It is a git-lfs pointer", "git lfs pull"),
    cells("empty", content("cells.h5ad", b""), "cells.h5ad: The file is empty"),
    cells("a picture", content("cells.h5ad", PNG), f"cells.h5ad: {_DAMAGED}", "copy or download it again"),
    cells("cut short", cut("cells.h5ad"), f"cells.h5ad: {_DAMAGED}"),
    cells("its last bytes lost", cut("cells.h5ad", 0.99), f"cells.h5ad: {_DAMAGED}"),
    cells("no obs", inside("cells.h5ad", lambda file: file.__delitem__("obs")), "It is HDF5 but no h5ad file"),
    cells("no matrix", inside("cells.h5ad", lambda file: file.__delitem__("X")), "cells.h5ad, X: It is not in the file (layers: counts)"),
    cells("obs of another age", inside("cells.h5ad", put("obs", np.zeros(3))), "obs: It is in the layout of anndata before 0.7"),
    cells("var that is no table", inside("cells.h5ad", put("var", np.zeros(3))), _LAYOUT, _AGAIN),
    cells("a column of an unknown kind", inside("cells.h5ad", dataframe("obs/donor", lambda a: a.__setitem__("encoding-type", "magic"))), _LAYOUT, _AGAIN),
    cells("a column that is too short", inside("cells.h5ad", _short),
          "cells.h5ad, obs column 'donor': Its shape is (2,), with 200 cells"),
    cells("codes without labels", inside("cells.h5ad", lambda file: _first(file["obs/donor/codes"], 99)), _LAYOUT),
    cells("a matrix of another shape", inside("cells.h5ad", dataframe("X", lambda a: a.__setitem__("shape", (3, 4)))), "X: Its shape is 3 x 4"),
    cells("values outside of the matrix", inside("cells.h5ad", lambda file: _first(file["X/indices"], 10**6)), _LAYOUT, "values outside of it"),
    cells("values left of the matrix", inside("cells.h5ad", lambda file: _first(file["X/indices"], -5)), _LAYOUT, "values outside of it"),
    cells("rows that begin nowhere", inside("cells.h5ad", lambda file: _first(file["X/indptr"], 7)), _LAYOUT, "do not fit its values"),
    cells("rows that end beyond", inside("cells.h5ad", lambda file: file["X/indptr"].__setitem__(-1, 10**7)), _LAYOUT, "do not fit its values"),
    cells("fewer positions than values", inside("cells.h5ad", put("X/indices", np.zeros(3, np.int32))), _LAYOUT, "do not fit its values"),
    cells("text as values", inside("cells.h5ad", _dense), "cells.h5ad, X: It holds text; raw counts are needed", "column 'layer'"),
    cells("log counts", rewritten("cells.h5ad", values(np.log1p)), "values that are no whole numbers", "as normalised data have", "counts"),
    cells("scaled", rewritten("cells.h5ad", values(lambda x: x - 1)), "negative values (smallest -1)", "as scaled data have"),
    cells("not-a-number", rewritten("cells.h5ad", values(lambda x: np.where(x > 2, np.nan, x))), "missing or infinite values"),
    cells("infinite", rewritten("cells.h5ad", values(lambda x: np.where(x > 2, np.inf, x))), "missing or infinite values"),
    cells("counts of no cell", rewritten("cells.h5ad", values(lambda x: x * 1e10)), "values no cell can have"),
    cells("no cells", rewritten("cells.h5ad", lambda file: file[:0].copy()), "cells.h5ad, X: Its shape is 0 x"),
    cells("no genes", rewritten("cells.h5ad", lambda file: file[:, :0].copy()), "cells.h5ad, X: Its shape is 200 x 0"),
    cells("row numbers as genes", rewritten("cells.h5ad", lambda file: setattr(file, "var_names", [str(n) for n in range(file.n_vars)])),
          "cells.h5ad, gene ids: They are row numbers", "Give the file its gene names"),
    cells("genes nobody knows", rewritten("cells.h5ad", lambda file: setattr(file, "var_names", [f"gene {n}" for n in range(file.n_vars)])),
          "cells.h5ad, gene ids: Only 0 of", "--min_gene_overlap asks for 50%", "--genes"),
    cells("no donor in either arm", rewritten("cells.h5ad", column("donor", "nan")), "obs column 'donor': No cell of the two arms has a donor"),
    cells("no donor in one arm", rewritten("cells.h5ad", column("donor", lambda f: np.where(f.obs["condition"] == "healthy", "nan", f.obs["donor"]))),
          "obs column 'donor': No cell of the control arm ('healthy') has a donor", "Name the column that holds the donors, or write 'none'"),
    cells("no cell type", rewritten("cells.h5ad", column("cell_type", np.nan)), "obs column 'cell_type': No cell of the two arms has a cell type",
          "Name the column that holds the populations, or write 'none' to take all cells as one"),
    cells("no cell type in one arm", rewritten("cells.h5ad", column("cell_type", lambda f: np.where(f.obs["condition"] == "healthy", "nan", f.obs["cell_type"]))),
          "obs column 'cell_type': No cell of the control arm ('healthy') has a cell type"),
    cells("populations chosen of none", cell("samples.csv", "cell_type_key", "none", populations="B cells"),
          "cells.h5ad, populations: 'cell_type_key' is 'none', which leaves no populations to choose ('B cells')", "leave the column 'populations' empty"),
    cells("donors in capitals and not", rewritten("cells.h5ad", column("donor", lambda f: np.where(np.arange(f.n_obs) % 2, "Donor_1", "donor_1"))),
          "obs column 'donor': 'Donor_1', 'donor_1' differ in capitals only"),
    cells("a population called all cells", rewritten("cells.h5ad", column("cell_type", "all cells")), "A population is called 'all cells'", "Rename it"),
    atlas("a web page", content("atlas.h5ad", HTML), "atlas.h5ad: It is an HTML page"),
    atlas("cut short", cut("atlas.h5ad", 0.7), f"atlas.h5ad: {_DAMAGED}"),
    atlas("no perturbations", rewritten("atlas.h5ad", lambda file: file.obs.__delitem__("perturbation")),
          "atlas.h5ad, obs: None of the columns perturbation, compound, drug, treatment is there", "scPerturb layout"),
    atlas("no controls", rewritten("atlas.h5ad", column("perturbation", "a")), "No cell is a control (perturbations: 'a')", "column 'control'"),
    atlas("controls of another batch", rewritten("atlas.h5ad", column("batch", lambda f: f.obs["perturbation"].astype(str))),
          "No perturbation can be compared with controls", "no controls of the same cell line, batch and time"),
    atlas("combinations only", rewritten("atlas.h5ad", column("nperts", lambda f: np.where(f.obs["perturbation"] == "a", 2, 0))),
          "No perturbation can be compared with controls", "several perturbations at once"),
    atlas("too few cells", rewritten("atlas.h5ad", lambda file: file[:24].copy()), "fewer than 10 cells"),
    atlas("normalised", rewritten("atlas.h5ad", values(np.log1p)), "atlas.h5ad, X: It holds values that are no whole numbers"),
    atlas("genes nobody knows", rewritten("atlas.h5ad", lambda file: setattr(file, "var_names", [f"g{n}" for n in range(file.n_vars)])),
          "atlas.h5ad, gene ids: Only 0 of 150"),
    signatures("a pointer", content("signatures.h5ad", POINTER), "signatures.h5ad: It is a git-lfs pointer"),
    signatures("cut short", cut("signatures.h5ad"), f"signatures.h5ad: {_DAMAGED}"),
    signatures("one id twice", rewritten("signatures.h5ad", lambda file: setattr(file, "obs_names", ["a"] * 2 + [str(n) for n in range(64)])),
          "obs index: The id a stands more than once", "Give every signature its own id"),
    signatures("no compounds", rewritten("signatures.h5ad", lambda file: file.obs.__delitem__("cmap_name")), "signatures.h5ad, column 'compound'"),
    signatures("text as values", inside("signatures.h5ad", put("X", np.full((66, 150), b"1"))), "signatures.h5ad, X: It holds no numbers"),
    signatures("a quality that is none", rewritten("signatures.h5ad", column("tas", "high")), "column 'tas': 'high' is no number from 0 to 1"),
    signatures("vehicles only", rewritten("signatures.h5ad", column("pert_type", "ctl_vehicle")), "None of 66 is left after the filter 'compound treatments'"),
    signatures("symbols of other genes", rewritten("signatures.h5ad", lambda file: setattr(file, "var", pd.DataFrame(
        {"symbol": [f"GENE{n:04d}" for n in range(150, 0, -1)]}, index=file.var_names))), "do not belong to the symbol beside them", "shuffled"),
]  # fmt: skip
