"""GCTX: values are cmapPy's, ids and metadata stay text, and damage gives a sentence."""

import os
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
from cmapPy.pandasGEXpress.parse import parse

from scperturb_cmap.io import gctx as module
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


@pytest.fixture
def write(tmp_path):
    """Write a GCTX file of 90 signatures x 70 genes with some missing, in a given layout."""

    def run(kind="<f4", userblock=0, n=(90, 70), **layout):
        rng, path = np.random.default_rng(0), tmp_path / "big.gctx"
        values = (1000 * rng.standard_normal(n)).astype(kind)
        if values.dtype.kind == "f":
            values[rng.random(n) < 0.1] = np.nan
        with h5py.File(path, "w", userblock_size=userblock) as file:
            file["0/META/ROW/id"] = np.arange(n[1]).astype("S")
            file["0/META/COL/id"] = np.array([f"s{at}" for at in range(n[0])], dtype="S")
            file.create_dataset("0/DATA/0/matrix", data=values, **layout)
            file.attrs["version"] = "GCTX1.0"
        return path

    return run


def cmappys(path, positions, genes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return parse(str(path), cidx=positions.tolist(), ridx=genes.tolist()).data_df.to_numpy(np.float32).T


LAYOUTS = {
    "contiguous": {},
    "chunks": {"chunks": (20, 13)},
    "chunks of rows": {"chunks": (1, 70)},
    "one chunk": {"chunks": (90, 70)},
    "gzip": {"chunks": (20, 13), "compression": "gzip", "shuffle": True},
    "checksums": {"chunks": (13, 20), "fletcher32": True},
    "float64": {"kind": "<f8"},
    "float64 chunks": {"kind": "<f8", "chunks": (20, 13)},
    "float16": {"kind": "<f2"},
    "big-endian": {"kind": ">f4"},
    "integers": {"kind": "<i8", "chunks": (20, 13)},
    "user block": {"userblock": 512},
    "user block, chunks": {"userblock": 512, "chunks": (20, 13)},
}


@pytest.mark.parametrize("blocks", [(2**20, 2**24, 2**17), (700, 900, 40)], ids=["one block", "many blocks"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_are_cmappys(write, monkeypatch, layout, blocks):
    """Bit by bit, for any choice of signatures and genes, whether chunks are read by hand or through HDF5."""
    for name, size in zip(("_SMALL_BLOCK", "_LARGE_BLOCK", "_GAP"), blocks, strict=True):
        monkeypatch.setattr(module, name, size)
    path = write(**LAYOUTS[layout])
    matrix, rng = GeneMatrix(path, "gctx"), np.random.default_rng(1)
    rows = [np.arange(90), np.array([0]), np.array([89]), np.arange(17, 44), np.array([3, 19, 20, 21, 60])]
    columns = [np.arange(70), np.array([69]), np.arange(5, 31), np.array([12, 13, 40, 68])]
    rows.append(np.sort(rng.choice(90, 30, replace=False)))
    columns.append(np.sort(rng.choice(70, 25, replace=False)))
    for by_hand in (2**15, 1):
        monkeypatch.setattr(module, "_LARGE_CHUNK", by_hand)
        for positions in rows:
            for genes in columns:
                found, expected = matrix.read(positions, genes), cmappys(path, positions, genes)
                assert found.dtype == np.float32 and found.shape == (len(positions), len(genes))
                np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
            np.testing.assert_array_equal(matrix.read(positions), matrix.read(positions, np.arange(70)))
    assert np.isnan(matrix.read(np.arange(90))).any() == ("integers" not in layout)
    assert matrix.read(np.array([], int)).shape == (0, 70) and matrix.read([5], np.array([], int)).shape == (1, 0)


@pytest.mark.parametrize("layout", [{}, {"chunks": (20, 13)}])
def test_values_that_were_never_written(write, monkeypatch, layout):
    monkeypatch.setattr(module, "_LARGE_CHUNK", 1)
    path = write()
    with h5py.File(path, "a") as file:
        del file["0/DATA/0/matrix"]
        stored = file.create_dataset("0/DATA/0/matrix", (90, 70), "f4", fillvalue=np.nan, **layout)
        if layout:
            stored[20:40] = 1
    found = GeneMatrix(path, "gctx").read(np.array([0, 20, 39, 40]), np.array([2, 69]))
    expected = [np.nan, 1, 1, np.nan] if layout else [np.nan] * 4
    np.testing.assert_array_equal(found, np.column_stack([expected, expected]))


@pytest.mark.parametrize("layout", ["gctx", "gct"])
def test_positions_outside_are_our_mistake(gctx, tmp_path, layout):
    path = gctx()
    if layout == "gct":
        path = tmp_path / "a.gct"
        path.write_text("#1.3\n3\t2\t0\t0\nid\ta\tb\n1\t0\t3\n2\t1\t4\n3\t2\t5\n")
    matrix = GeneMatrix(path, layout)
    np.testing.assert_array_equal(matrix.read(np.array([1]), np.array([0, 2])), VALUES[1:, [0, 2]])
    for wrong in ([-1], [2], [1, 0], [0, 0], [0.0], [True], np.array([1, 0], np.uint8), [2**40]):
        with pytest.raises(IndexError, match="from 0 to 1"):
            matrix.read(np.array(wrong))
    with pytest.raises(IndexError, match="from 0 to 2"):
        matrix.read(np.array([0]), np.array([3]))


@pytest.mark.parametrize("compression", [None, "gzip"])
def test_no_chunk_is_read_twice_and_none_in_vain(write, monkeypatch, compression):
    path = write(chunks=(20, 13), compression=compression)
    matrix, seen, places = GeneMatrix(path, "gctx"), [], []
    monkeypatch.setattr(module, "_LARGE_CHUNK", 1)
    monkeypatch.setattr(module, "_LARGE_BLOCK", 2100)  # two chunks
    original, preadv = h5py.Dataset.__getitem__, os.preadv

    def spy(self, at, **options):
        if self.ndim == 2:
            seen.extend((r, c) for r in range(at[0].start, at[0].stop, 20) for c in range(at[1].start, at[1].stop, 13))
        return original(self, at, **options)

    def spy_on_bytes(handle, buffers, place):
        places.append((place, sum(map(len, buffers))))
        return preadv(handle, buffers, place)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    monkeypatch.setattr(os, "preadv", spy_on_bytes)
    matrix.read(np.array([1, 3, 39, 85]), np.array([0, 12, 30, 40, 41, 69]))
    wanted = {(r, c) for r in (0, 20, 80) for c in (0, 26, 39, 65)}
    if compression:
        assert len(seen) == len(set(seen)) and set(seen) == wanted and not places
    else:
        assert not seen and len(places) == len(wanted)
        # Of four columns of chunks 13, 1, 2 and 1 genes; rows 1 to 3 together, and two alone.
        assert sum(size for _, size in places) == 4 * (4 * 2 * 13 + 3 * (13 + 1 + 2 + 1))


def test_only_what_lies_near_is_read_with_a_signature(write, monkeypatch):
    """Asked for as many signatures as there are genes, cmapPy alone would read the whole matrix."""
    matrix, sizes, preadv = GeneMatrix(write(n=(500, 3)), "gctx"), [], os.preadv
    monkeypatch.setattr(module, "_GAP", 50)

    def spy(handle, buffers, place):
        sizes.append(sum(map(len, buffers)))
        return preadv(handle, buffers, place)

    monkeypatch.setattr(os, "preadv", spy)
    matrix.read(np.arange(1, 499, 10))
    assert sizes == [12] * 50
    sizes.clear()
    matrix.read(np.array([7, 9, 20]), np.array([1]))
    assert sizes == [2 * 12 + 4, 4]


@pytest.mark.parametrize("layout", [{}, {"chunks": (100, 250)}, {"chunks": (100, 250), "compression": "lzf"}])
def test_memory_is_the_result_and_a_block(write, layout):
    """A file of 200 MB is read under a limit of 100 MB more than the imports take."""
    path = write(n=(50_000, 1000), **layout)
    code = f"""
import resource, sys
import numpy as np
from scperturb_cmap.io.gctx import GeneMatrix
matrix = GeneMatrix({str(path)!r}, "gctx")
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + 100_000_000,) * 2)
values = matrix.read(np.arange(0, 50_000, 2), np.arange(0, 1000, 10))
assert values.shape == (25_000, 100) and np.isfinite(values).mean() > 0.8
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-500:]


@pytest.mark.parametrize("layout", [{}, {"chunks": (20, 13)}, {"chunks": (20, 13), "compression": "gzip"}])
def test_truncated_files_give_a_sentence(write, layout):
    path = write(**layout)
    os.truncate(path, path.stat().st_size - 6000)
    with pytest.raises(InputError, match=r"big\.gctx: It is no HDF5 file, or it is damaged"):
        GeneMatrix(path, "gctx")


@pytest.mark.parametrize("chunks", [None, (20, 13)])
def test_values_beyond_the_end_that_hdf5_does_not_see(write, monkeypatch, chunks):
    """As in a file that was cut and mended: no values must be made up for what is lost."""
    monkeypatch.setattr(module, "_LARGE_CHUNK", 1)
    path = write(chunks=chunks)
    matrix, content = GeneMatrix(path, "gctx"), path.read_bytes()
    with h5py.File(path) as file:
        stored = file["0/DATA/0/matrix"].id
        begin = stored.get_chunk_info(7).byte_offset if chunks else stored.get_offset()
    assert content.count(begin.to_bytes(8, "little")) == 1
    path.write_bytes(content.replace(begin.to_bytes(8, "little"), (len(content) - 500).to_bytes(8, "little")))
    with pytest.raises(InputError, match=r"big\.gctx: It is no HDF5 file, or it is damaged"):
        matrix.read(np.arange(0, 90, 2))


def test_a_read_that_stops_short_goes_on(write, monkeypatch):
    """As network file systems may do."""
    path, preadv = write(), os.preadv
    monkeypatch.setattr(os, "preadv", lambda handle, buffers, place: preadv(handle, [buffers[0][:1000]], place))
    found, at = GeneMatrix(path, "gctx").read(np.arange(90)), np.arange(90)
    np.testing.assert_array_equal(found, cmappys(path, at, np.arange(70)))
