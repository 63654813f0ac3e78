"""Reading cells: labels as people and tools write them, matrices as they should not be."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scperturb_cmap.io.cells import NONE, Cells
from scperturb_cmap.utils.errors import InputError

ROW = {"cell_type_key": "ct", "condition_key": "state", "donor_key": "donor", "case": "ill", "control": "well"}


@pytest.fixture
def write(tmp_path):
    """Write six cells with the given obs columns; returns the path."""

    def write(matrix=None, **obs):
        matrix = np.ones((6, 3), np.float32) if matrix is None else matrix
        table = pd.DataFrame(obs, index=[f"c{n}" for n in range(6)])
        data = ad.AnnData(matrix, obs=table, var=pd.DataFrame(index=["A", "B", "C"]))
        data.write_h5ad(tmp_path / "a.h5ad")
        return tmp_path / "a.h5ad"

    return write


def test_categories_of_anndata_07_are_labels_not_codes(write):
    path = write(ct=["B", "T", "B", "T", "B", "T"], lane=["x"] * 6)
    with h5py.File(path, "a") as file:  # as anndata 0.7 wrote them
        obs = file["obs"]
        del obs["ct"]
        obs["__categories/ct"] = np.array(["B", "T"], dtype=h5py.string_dtype())
        obs["ct"] = np.array([0, 1, 0, 1, -1, 1], dtype=np.int8)
        obs["ct"].attrs["categories"] = obs["__categories/ct"].ref
        obs.attrs["encoding-version"] = "0.1.0"
    assert Cells(path).column("ct").tolist() == ["B", "T", "B", "T", "", "T"]
    assert Cells(path).covariate("ct").tolist() == ["B", "T", "B", "T", "", "T"]


def test_spaces_and_missing_spellings_do_not_make_donors(write):
    donors = ["p1", "p1 ", " p2", "nan", "NA", "None"]
    path = write(ct=["B", "B ", "nan", "B", "None", "NA"], state=["ill"] * 6, donor=donors)
    labels = Cells(path).labels(ROW)
    assert labels["donor"].tolist() == ["p1", "p1", "p2", "", "", ""]
    assert labels["population"].tolist() == ["B", "B", "", "B", "None", "NA"]  # a population may be called so


def test_numbers_that_became_decimals_are_ids(write):
    assert Cells(write(donor=[1.0, 2.0, np.nan, 3.0, 1.0, 2.0])).column("donor").tolist() == [
        "1",
        "2",
        "",
        "3",
        "1",
        "2",
    ]
    assert Cells(write(donor=[1.5, 2.0, np.nan, 3.0, 1.0, 2.0])).column("donor").tolist()[:3] == ["1.5", "2.0", ""]


def test_numbers_too_large_to_be_exact_are_names_all_the_same(write):
    assert Cells(write(donor=[1e19, 2.0, np.nan, 1e19, 2.0, -3e18])).column("donor").nunique() == 4


def test_two_populations_of_the_same_donors(write):
    path = write(state=["ill", "well"] * 3, donor=list("aabbcc"))
    labels = Cells(path).labels(ROW | {"cell_type_key": "state"})
    assert labels["population"].unique().tolist() == ["ill"] and labels["condition"].tolist() == ["ill", "well"] * 3


def test_no_donors_and_no_populations(write):
    labels = Cells(write(state=["ill", "well"] * 3)).labels(ROW | {"cell_type_key": NONE, "donor_key": NONE})
    assert labels["donor"].tolist() == ["ill", "well"] * 3 and set(labels["population"]) == {""}


def test_an_index_of_nullable_strings_is_counted(tmp_path):
    obs = pd.DataFrame({"ct": list("ab") * 2}, index=pd.array(["w", "x", "y", "z"], dtype="string"))
    with ad.settings.override(allow_write_nullable_strings=True):
        ad.AnnData(np.ones((4, 2), np.float32), obs=obs, var=pd.DataFrame(index=["A", "B"])).write_h5ad(
            tmp_path / "a.h5ad"
        )
    with h5py.File(tmp_path / "a.h5ad") as file:
        assert isinstance(file["obs"][file["obs"].attrs["_index"]], h5py.Group)  # the case that was refused
    assert Cells(tmp_path / "a.h5ad").n_cells == 4


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        (np.full((6, 3), 1e17), "values no cell can have"),
        (np.ones((6, 3), bool), "true and false"),
        (sparse.csr_matrix(np.full((6, 3), np.inf, np.float32)), "missing or infinite"),
    ],
)
def test_what_no_cell_can_hold(write, matrix, said):
    with pytest.raises(InputError, match=said):
        Cells(write(matrix, ct=["B"] * 6)).check_counts()


def test_raw_is_adata_raw_or_a_layer_of_this_name_but_not_both(tmp_path):
    data = ad.AnnData(np.zeros((2, 1)), layers={"raw": np.full((2, 1), 3.0)})
    data.write_h5ad(tmp_path / "layer.h5ad")
    assert Cells(tmp_path / "layer.h5ad", "raw").sum_by_group(np.zeros(2, int), 1).tolist() == [[6]]
    assert Cells(tmp_path / "layer.h5ad", "X").sum_by_group(np.zeros(2, int), 1).tolist() == [[0]]
    data.raw = data
    data.write_h5ad(tmp_path / "both.h5ad")
    data.layers["X"] = data.layers["raw"]
    data.write_h5ad(tmp_path / "both.h5ad")
    for name in ("raw", "X"):
        with pytest.raises(InputError, match=f"There are two: adata.{name} and a layer of this name"):
            Cells(tmp_path / "both.h5ad", name)


def test_a_path_is_no_layer(tmp_path):
    data = ad.AnnData(sparse.csr_matrix(np.ones((6, 3), np.float32)))
    data.layers["counts"] = data.X.copy()
    data.write_h5ad(tmp_path / "a.h5ad")
    assert Cells(tmp_path / "a.h5ad", "counts").n_cells == 6
    with pytest.raises(InputError, match="layer 'counts/data': It is not in the file"):
        Cells(tmp_path / "a.h5ad", "counts/data")


def test_a_matrix_of_one_dimension(write):
    path = write(ct=["B"] * 6)
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = np.ones(6)
    with pytest.raises(InputError, match="Its shape is 6, with 6 cells"):
        Cells(path)


def test_an_infinite_covariate(write):
    path = write(age=[1.0, np.inf, 2, 3, 4, 5])
    with pytest.raises(InputError, match="obs column 'age': It holds an infinite number"):
        Cells(path).covariate("age")
