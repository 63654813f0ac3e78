"""GCTX and GCT: ids and metadata stay text, and damage gives a sentence."""

import h5py
import numpy as np
import pytest

from scperturb_cmap.io.gctx import GeneMatrix
from scperturb_cmap.io.hdf5 import open_hdf5
from scperturb_cmap.utils.errors import InputError

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)  # 2 signatures x 3 genes


@pytest.fixture
def gctx(tmp_path):
    """Write a GCTX file with column metadata, let a test change it, and name it."""

    def run(change=None, **columns):
        path = tmp_path / "a.gctx"
        with h5py.File(path, "w") as file:
            file["0/DATA/0/matrix"] = VALUES
            file["0/META/ROW/id"] = np.array(["007", "1e5", "30"], dtype="S")
            file["0/META/COL/id"] = np.array(["01", "2.0"], dtype="S")
            for name, column in columns.items():
                file[f"0/META/COL/{name}"] = column
            if change:
                change(file)
        return path

    return run


def test_gctx_metadata_is_text(gctx):
    path = gctx(
        fixed=np.array([b"007", b"1e5"]),
        variable=["10 µM", "-666"],
        bytes=np.array(["10 µM".encode(), "3 µM".encode("latin-1")]),
        whole=np.array([5.0, -666.0]),
        fraction=np.array([0.1, np.nan], dtype=np.float32),
        integer=np.array([24, -666]),
        sig_id=np.array([b"other", b"names"]),
    )
    matrix = GeneMatrix(path, "gctx")
    assert (matrix.genes.tolist(), matrix.signatures.tolist()) == (["007", "1e5", "30"], ["01", "2.0"])
    assert matrix.metadata.to_dict("list") == {
        "sig_id": ["01", "2.0"], "fixed": ["007", "1e5"], "variable": ["10 µM", ""], "bytes": ["10 µM", "3 µM"],
        "whole": ["5", ""], "fraction": ["0.1", ""], "integer": ["24", ""],
    }  # fmt: skip
    np.testing.assert_array_equal(matrix.read(np.array([0, 1])), VALUES)
    np.testing.assert_array_equal(matrix.read(np.array([1])), VALUES[[1]])


def test_metadata_that_is_not_asked_for_does_no_harm(gctx):
    matrix = GeneMatrix(gctx(short=np.array([b"one"])), "gctx")
    np.testing.assert_array_equal(matrix.read(np.array([1])), VALUES[[1]])
    with pytest.raises(InputError, match=r"0/META/COL/short: Its shape is \(1,\), with 2 signatures"):
        _ = matrix.metadata


def test_gct_metadata_is_text(tmp_path):
    path = tmp_path / "a.gct"
    path.write_text(
        '#1.3\n3\t2\t1\t2\nid\tsymbol\t01\t2.0\n"pert_id"\tna\t007\t1e5\ndose\tna\t10 µM\t-666\n'
        "007\tA\t0\t3\n1e5\tB\t1\t4\nNA\tC\t2\t-666\n"
    )
    matrix = GeneMatrix(path, "gct")
    assert (matrix.genes.tolist(), matrix.signatures.tolist()) == (["007", "1e5", "NA"], ["01", "2.0"])
    assert matrix.metadata.to_dict("list") == {
        "sig_id": ["01", "2.0"], "pert_id": ["007", "1e5"], "dose": ["10 µM", ""],
    }  # fmt: skip
    np.testing.assert_array_equal(matrix.read(np.array([1])), [[3, 4, np.nan]])
    path.write_text("#1.2\n1\t2\nNAME\tDescription\ta\tb\n1\tx\t5\t6\n")
    assert GeneMatrix(path, "gct").metadata["sig_id"].tolist() == ["a", "b"]


def test_only_the_beginning_of_a_gct_is_looked_at(tmp_path, monkeypatch):
    path = tmp_path / "a.gct"
    path.write_text("id\ta\n1\t2\n")
    monkeypatch.setattr(type(path), "read_bytes", lambda self: pytest.fail("the whole file is read"))
    with pytest.raises(InputError, match="A GCT file begins with #1.2"):
        GeneMatrix(path, "gct")


@pytest.mark.parametrize(
    "text",
    [
        "#1.3\n1\t2\t0\t1\nid\ta\tb\nx\t1\n5\t1\t2\n",
        "#1.3\n2\t1\t0\t0\nid\ta\n1\t5\n",
        "#1.3\n1\t1\t0\t0\nid\ta\n1\tmuch\n",
        "#1.3\n",
        "#1.3\nfew\tmany\t0\t0\nid\ta\n",
        '#1.3\n1\t2\t0\t0\nid\t"a\tb"\n1\t5\t6\n',
    ],
)
def test_damaged_gct_files(tmp_path, text):
    (tmp_path / "a.gct").write_text(text)
    with pytest.raises(InputError, match=r"a\.gct: It does not parse as GCT"):
        GeneMatrix(tmp_path / "a.gct", "gct")


def replace(key, value):
    def change(file):
        del file[key]
        file[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda file: (file.move("0/DATA/0/matrix", "x"), file.create_group("0/DATA/0/matrix")), "no table of numbers"),
        (replace("0/DATA/0/matrix", np.arange(6.0)), "no table of numbers"),
        (replace("0/DATA/0/matrix", np.full((2, 3), b"1.5")), "no table of numbers"),
        (replace("0/META/COL/id", np.array([[b"a", b"b"]])), "no list of ids"),
        (replace("0/META/ROW/id", b"a"), "no list of ids"),
        (lambda file: file.__delitem__("0/META/ROW"), "0/META/ROW/id: It is HDF5 but no GCTX file"),
    ],
)
def test_hdf5_of_another_form(gctx, change, wrong):
    with pytest.raises(InputError, match=wrong):
        GeneMatrix(gctx(change), "gctx")


def test_damaged_chunks_give_a_sentence(gctx):
    noise = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)

    def pack(file):
        del file["0/DATA/0/matrix"]
        file.create_dataset("0/DATA/0/matrix", data=noise, compression="gzip", chunks=(1, 3))

    path = gctx(pack)
    with h5py.File(path) as file:
        chunk = file["0/DATA/0/matrix"].id.get_chunk_info(1)
    damaged = bytearray(path.read_bytes())
    damaged[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(damaged)
    matrix = GeneMatrix(path, "gctx")
    np.testing.assert_array_equal(matrix.read(np.array([0])), noise[[0]])
    with pytest.raises(InputError, match=r"a\.gctx: It is no HDF5 file, or it is damaged"):
        matrix.read(np.array([0, 1]))


def test_damaged_types_give_a_sentence_and_our_mistakes_do_not(gctx):
    for said in ("Unable to synchronously open object", "Insufficient precision in available types"):
        for kind in (KeyError, ValueError):
            with pytest.raises(InputError, match="it is damaged"), open_hdf5(gctx(), "a.gctx", "Copy it again."):
                raise kind(said)
    with pytest.raises(KeyError), open_hdf5(gctx(), "a.gctx", "Copy it again."):
        _ = {}["key"]


def test_no_more_is_read_than_was_asked_for(gctx, monkeypatch):
    """Asked for as many signatures as there are genes, cmapPy alone would read the whole matrix."""

    def grow(file):
        for key in ("0/DATA/0/matrix", "0/META/COL/id"):
            del file[key]
        file["0/DATA/0/matrix"] = np.arange(300.0).reshape(100, 3)
        file["0/META/COL/id"] = np.array([f"s{n}" for n in range(100)], dtype="S")

    matrix, sizes = GeneMatrix(gctx(grow), "gctx"), []
    original = h5py.Dataset.__getitem__

    def spy(self, *arguments, **options):
        values = original(self, *arguments, **options)
        sizes.append(np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    wanted = np.arange(1, 99, 10)
    np.testing.assert_array_equal(matrix.read(wanted)[:, 0], 3 * wanted)
    assert max(sizes) <= 6
