"""References: dialects of metadata, the funnel, GCTX and GCT, shards."""

import h5py
import numpy as np
import pandas as pd
import pytest

from scperturb_cmap.genes import GeneTable
from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.reference import build_shards, harmonise_metadata, quality_funnel
from scperturb_cmap.reference.metadata import parse_dose, parse_time
from scperturb_cmap.utils.errors import InputError


def write_gctx(path, values, genes, signatures, columns=None):
    """GCTX 1.0: the matrix is stored signatures x genes."""
    with h5py.File(path, "w") as file:
        file["0/DATA/0/matrix"] = values.astype(np.float32)
        file["0/META/ROW/id"] = np.array(genes, dtype="S")
        file["0/META/COL/id"] = np.array(signatures, dtype="S")
        for name, column in (columns or {}).items():
            file[f"0/META/COL/{name}"] = np.array(column, dtype="S")
        file.attrs["version"] = "GCTX1.0"
    return path


def write_gct(path, values, genes, signatures):
    lines = [
        "#1.3",
        f"{len(genes)}\t{len(signatures)}\t0\t1",
        "\t".join(["id", *signatures]),
        "\t".join(["cmap_name", *("x" for _ in signatures)]),
    ]
    lines += ["\t".join([gene, *map(str, values[:, n])]) for n, gene in enumerate(genes)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def matrix():
    rng = np.random.default_rng(0)
    genes = ["10", "2", "30", "4"]  # neither sorted as text nor as numbers
    return rng.standard_normal((7, 4)).astype(np.float32), genes, [f"s{n}" for n in (3, 1, 2, 9, 5, 4, 8)]


@pytest.mark.parametrize("layout", ["gctx", "gct"])
def test_reading_keeps_the_order_of_the_file(tmp_path, matrix, layout):
    values, genes, signatures = matrix
    path = (write_gctx if layout == "gctx" else write_gct)(tmp_path / f"a.{layout}", values, genes, signatures)
    read = GeneMatrix(path, layout)
    assert read.genes.tolist() == genes and read.signatures.tolist() == signatures
    assert np.allclose(read.read(np.array([0, 2, 5, 6])), values[[0, 2, 5, 6]])
    assert read.metadata["sig_id"].tolist() == signatures


def test_ids_that_stand_twice_are_refused(tmp_path, matrix):
    values, genes, signatures = matrix
    for name, ids in (
        ("rows", (["10", "10", "30", "4"], signatures)),
        ("columns", (genes, ["s1", "s1", *signatures[2:]])),
    ):
        path = write_gctx(tmp_path / f"{name}.gctx", values, *ids)
        with pytest.raises(InputError, match=f"{name}.gctx"):
            GeneMatrix(path, "gctx")


def test_a_matrix_of_the_wrong_shape_is_refused(tmp_path, matrix):
    values, genes, signatures = matrix
    with pytest.raises(InputError, match=r"shape \(7, 4\) does not fit \(7, 3\) ids"):
        GeneMatrix(write_gctx(tmp_path / "a.gctx", values, genes[:3], signatures), "gctx")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        (
            {
                "sig_id": ["a"],
                "cmap_name": ["D"],
                "cell_iname": ["L"],
                "pert_idose": ["0.5 uM"],
                "pert_itime": ["24 h"],
            },
            ["D", "L", 0.5, 24],
        ),
        (
            {"sig_id": ["a"], "pert_iname": ["D"], "cell_id": ["L"], "pert_idose": ["500 nM"], "pert_itime": ["6 h"]},
            ["D", "L", 0.5, 6],
        ),
        (
            {
                "sig_id": ["a"],
                "pert_iname": ["D"],
                "cell_id": ["L"],
                "pert_dose": ["0.5"],
                "pert_dose_unit": ["µM"],
                "pert_time": ["1"],
                "pert_time_unit": ["d"],
            },
            ["D", "L", 0.5, 24],
        ),
        ({"id": ["a"], "pert_iname": ["D"]}, ["D", "", np.nan, np.nan]),
    ],
)
def test_dialects_of_siginfo(columns, expected):
    row = harmonise_metadata(pd.DataFrame(columns), "siginfo")[0].loc["a"]
    np.testing.assert_equal([row["compound"], row["cell_line"], row["dose_um"], row["time_h"]], expected)


def test_the_lineage_of_a_cell_line_is_kept_where_a_source_knows_it():
    table = pd.DataFrame({"sig_id": ["a", "b"], "cmap_name": "D"})
    for column in ("cell_lineage", "primary_site", "organ"):
        found = harmonise_metadata(table.assign(**{column: ["skin", "NA"]}), "siginfo")[0]
        assert found["cell_lineage"].tolist() == ["skin", ""]
    assert harmonise_metadata(table, "siginfo")[0]["cell_lineage"].tolist() == ["", ""]


def test_what_could_not_be_read_is_counted():
    table = pd.DataFrame(
        {
            "sig_id": list("abc"),
            "cmap_name": "D",
            "pert_idose": ["10 uM", "much", ""],
            "pert_time": ["6", "", "x"],
            "pert_time_unit": "h",
        }
    )
    assert harmonise_metadata(table, "siginfo")[1] == [
        "1 doses could not be read and are missing (such as 'much').",
        "1 times could not be read and are missing (such as 'xh').",
    ]


def test_units_that_are_none_give_no_number():
    assert np.isnan([parse_dose(text) for text in ("10 mg/kg", "1:100", "-666x", "uM", "1.2.3 uM", "10 %")]).all()
    assert np.isnan([parse_time(text) for text in ("h", "overnight", "1 week?")]).all()


def test_shards_hold_every_kept_signature_once(matrix):
    values, genes, signatures = matrix
    values = values.copy()
    values[4] = np.nan
    values[5, 1] = np.inf
    table = GeneTable.from_tables(
        [
            pd.DataFrame(
                {
                    "entrez_id": ["10", "2", "30"],
                    "symbol": ["A", "B", "C"],
                    "ensembl_id": "",
                    "synonyms": "",
                    "feature_space": "landmark",
                }
            )
        ]
    )
    info = pd.DataFrame(
        {
            "sig_id": [*reversed(signatures), "elsewhere"],
            "cmap_name": "D",
            "pert_type": ["trt_cp"] * 6 + ["ctl_vehicle", "trt_cp"],
        }
    )
    kept, funnel = quality_funnel(harmonise_metadata(info, "siginfo")[0], pd.Index(signatures), {"reference": "ref"})
    assert funnel["n_signatures"].tolist() == [7, 7, 6, 6]
    positions = pd.Index(signatures).get_indexer(kept.index)
    shards = list(build_shards(lambda at: values[at], positions, kept, table.map(genes), table, "ref", "modz", 4))
    assert [len(shard) for shard in shards] == [4, 2]
    assert np.concatenate([shard.obs_names for shard in shards]).tolist() == signatures[1:]
    assert [list(shard.var_names) for shard in shards] == [["10", "2", "30"]] * 2
    together = np.concatenate([np.asarray(shard.X) for shard in shards])
    expected = np.where(np.isfinite(values), values, np.nan)[1:, :3]
    np.testing.assert_array_equal(together, expected)
    for shard in shards:  # ready for scores of gene sets; what is not measured stands last
        assert shard.layers["rank"].dtype == np.uint16
        order = np.argsort(-np.asarray(shard.X), axis=1, kind="stable")
        assert (np.take_along_axis(shard.layers["rank"], order, axis=1) == np.arange(shard.n_vars)).all()
    empty = pd.concat([shard.obs for shard in shards]).loc["s5"]
    assert empty["status"] == "empty" and empty["reason"]


def test_a_gene_of_gene_sets_counts_under_all_its_names():
    """IL8 in one set, CXCL8 in another: not measured twice, and not lost with the name that is not kept."""
    columns = {"entrez_id": ["3576", "2"], "symbol": ["CXCL8", "B"], "ensembl_id": "", "synonyms": ["IL8", ""]}
    table = GeneTable.from_tables([pd.DataFrame(columns | {"feature_space": "landmark"})])
    info = pd.DataFrame({"sig_id": list("abcd"), "cmap_name": "D"})
    metadata, _ = harmonise_metadata(info, "siginfo")
    values = np.array([[1, 0, 0.5], [0, -1, 0.5], [0, 0, 0.5], [0.5, -0.5, 1]], np.float32)  # IL8, CXCL8, B
    mapping = table.map(["IL8", "CXCL8", "B"])
    (shard,) = build_shards(lambda at: values[at].copy(), np.arange(4), metadata, mapping, table, "r", "rank", 9)
    assert shard[:, "3576"].X.ravel().tolist() == [1, -1, 0, 0] and shard[:, "2"].X.ravel().tolist() == [
        0.5,
        0.5,
        0.5,
        1,
    ]
    (shard,) = build_shards(lambda at: values[at].copy(), np.arange(4), metadata, mapping, table, "r", "modz", 9)
    assert shard[:, "3576"].X.ravel().tolist() == [0, -1, 0, -0.5]  # of measured values the more trustworthy row


@pytest.mark.real
def test_real_gctx_equals_its_matrix(real_data):
    path = real_data / "lincs" / "l1000_level5_modz_n272x978.gctx"
    matrix, some = GeneMatrix(path, "gctx"), np.array([0, 5, 6, 200, 271])
    with h5py.File(path) as file:
        np.testing.assert_array_equal(matrix.read(some), file["0/DATA/0/matrix"][some])
