"""What the parsers are given: text, tables, JSON and HDF5 files as hypothesis makes them up, and whole files that are damaged."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from hypothesis import strategies as st

NAMES = [
    "a",
    "b",
    "GENE0001",
    "drug-1",
    "900001",
    "ENSG01.2",
    "MCF7",
    "DMSO",
    "",
    " ",
    "NA",
    "-666",
    "nan",
    "inf",
    "1e999",
]
NUMBERS = [
    "0",
    "1",
    "-1",
    "0.5",
    "1e-5",
    "1_0",
    "0x1",
    "+",
    "-",
    "1.5.2",
    "NaN",
    "-inf",
    "1e400",
    "",
    "x",
    "٣",
    "10 uM",
    "24 h",
]
AWKWARD = [
    '"',
    "'",
    "\t",
    ",",
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\x1a",
    "\x85",
    "\u2028",
    "\ufeff",
    "µ",
    "é",
    "#",
    "!",
    "|",
    ";",
    "\\",
    "=1+1",
]

TEXT = st.one_of(st.sampled_from(NAMES), st.sampled_from(NUMBERS), st.sampled_from(AWKWARD), st.text(max_size=12))
PACK = st.sampled_from(
    [lambda raw: raw] * 6 + [gzip.compress, lambda raw: gzip.compress(raw)[:-9], lambda raw: b"\x1f\x8b" + raw]
)
ENCODING = st.sampled_from(["utf-8"] * 6 + ["latin-1", "utf-16", "utf-8-sig", "cp1252"])


@st.composite
def tables(draw, columns):
    """Bytes of a table: its columns with values that are good, mostly, or any; ragged or not, in any encoding, packed or cut."""
    known, good = list(columns), draw(st.integers(0, 3))
    header = (
        draw(st.one_of(st.just(known), st.permutations(known)))
        if good
        else draw(st.lists(st.one_of(st.sampled_from(known), TEXT), min_size=1, max_size=7))
    )
    header = header[: len(header) - draw(st.sampled_from([0, 0, 0, 1, 2]))] or known[:1]
    if good > 1:
        cells = st.tuples(*(st.sampled_from(columns.get(column) or NAMES) for column in header))
        rows = [list(row) for row in draw(st.lists(cells, max_size=8))]
        for _ in range(draw(st.sampled_from([0, 0, 1, 2])) if rows else 0):
            row = draw(st.sampled_from(rows))
            row[draw(st.integers(0, len(row) - 1))] = draw(TEXT)
    else:
        width = st.just(len(header)) if good else st.integers(0, len(header) + 2)
        rows = [draw(st.lists(TEXT, min_size=n, max_size=n)) for n in draw(st.lists(width, max_size=6))]
    if draw(st.booleans()):  # mostly a table that parses
        rows = [[re.sub(r"[\t,\r\n\"\0]", " ", cell) for cell in row] for row in rows]
    sign, end = draw(st.sampled_from("\t\t,")), draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    before = draw(st.sampled_from(["", "", "", "# a\n", "#", "!x\n\n", "\n"]))
    text = before + end.join(sign.join(row) for row in [header, *rows]) + draw(st.sampled_from(["", end]))
    return draw(PACK)(text.encode(draw(ENCODING), "replace"))


def lines(*words: str):
    """Bytes of lines of words, separated by tabs or commas."""
    part = st.one_of(st.sampled_from(words), TEXT)
    line = st.tuples(st.lists(part, min_size=1, max_size=6), st.sampled_from("\t\t,")).map(
        lambda one: one[1].join(one[0])
    )
    text = st.tuples(st.lists(line, max_size=8), st.sampled_from(["\n", "\r\n"])).map(lambda one: one[1].join(one[0]))
    return st.tuples(text, ENCODING, PACK).map(lambda one: one[2](one[0].encode(one[1], "replace")))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4)),
    max_leaves=12,
)


def documents(valid: dict):
    """Bytes of a JSON file that differs from a valid one in some of its values, or is any other."""

    @st.composite
    def make(draw):
        content = json.loads(json.dumps(valid))
        for _ in range(draw(st.integers(0, 3))):
            place, key = content, None
            for _ in range(draw(st.integers(1, 4))):  # down to some value
                keys = (
                    list(place)
                    if isinstance(place, dict)
                    else list(range(len(place)))
                    if isinstance(place, list)
                    else []
                )
                if not keys:
                    break
                key = draw(st.sampled_from(keys))
                if not isinstance(place[key], dict | list) or draw(st.booleans()):
                    break
                place = place[key]
            if (
                key is None
                or not isinstance(place, dict | list)
                or (isinstance(place, list) and key not in range(len(place)))
            ):
                continue
            if isinstance(place, dict) and draw(st.booleans()):
                place.pop(key, None)
            elif key in (place if isinstance(place, dict) else range(len(place))):
                place[key] = draw(JSON)
        return json.dumps(draw(st.one_of(st.just(content), st.just(content), JSON))).encode()

    return st.one_of(make(), make(), damaged(json.dumps(valid).encode()), st.binary(max_size=60))


def damaged(whole: bytes):
    """Bytes of a valid file of which some were changed, cut off or put in."""

    @st.composite
    def make(draw):
        content = bytearray(whole)
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, max(len(content) - 1, 0)))
            how = draw(st.integers(0, 3))
            if how == 0:
                del content[at:]
            elif how == 1:
                content[at : at + draw(st.integers(1, 16))] = draw(st.binary(max_size=16))
            elif content:
                content[at % len(content)] = draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF, 0x0A]))
        return bytes(content)

    return make()


# -- HDF5: valid files of which a part was changed, by its meaning or byte by byte ------------------------------------


def _h5ad(folder: Path, sparse: bool = True, n: int = 1) -> bytes:
    from scipy.sparse import csr_matrix

    counts = np.random.default_rng(0).poisson(9, (8 * n, 5)).astype(np.float32)
    obs = pd.DataFrame({"cell_type": list("aabbaabb"), "condition": list("xxxxyyyy"), "donor": list("12341234")})
    obs = pd.concat([obs.assign(perturbation=["control"] * 4 + ["drug"] * 4, age=1.5)] * n)
    obs.index = [f"c{number}" for number in range(8 * n)]
    var = pd.DataFrame({"symbol": list("abcde")}, index=[str(n) for n in range(5)])
    file = ad.AnnData(csr_matrix(counts) if sparse else counts, obs, var, uns={"effect": "modz"})
    file.write_h5ad(folder / "whole.h5ad")
    return (folder / "whole.h5ad").read_bytes()


def _set(folder: Path) -> bytes:
    from tests.conftest import make_sets

    shard, _ = make_sets(np.ones((3, 4)), np.ones((1, 4)))
    shard.write_h5ad(folder / "set.h5ad")
    return (folder / "set.h5ad").read_bytes()


def _gctx(folder: Path) -> bytes:
    with h5py.File(folder / "whole.gctx", "w") as file:
        file.create_dataset(
            "0/DATA/0/matrix", data=np.arange(6, dtype=np.float32).reshape(2, 3), chunks=(1, 3), compression="gzip"
        )
        file["0/META/ROW/id"], file["0/META/COL/id"] = np.array([b"1", b"2", b"3"]), np.array([b"a", b"b"])
        file["0/META/COL/pert_iname"] = np.array([b"x", b"y"])
    return (folder / "whole.gctx").read_bytes()


ARRAYS = st.sampled_from([
    np.zeros(0), np.zeros(3), np.arange(8), np.arange(5.0), np.zeros((8, 5)), np.zeros((5, 8)), np.full((8, 5), np.nan), np.array(7),
    np.array([b"a"] * 8), np.array([b"\xff", b""]), np.full((8, 5), b"x"), np.zeros(8, bool), np.zeros((2, 3, 4)), np.zeros(8, complex),
    np.array([2**62, -1]), np.zeros(3, [("a", "i4"), ("b", "f8")]), "text", np.zeros((2, 3)), np.full((2, 3), np.inf, np.float16),
])  # fmt: skip


def hdf5(make: Callable[[Path], bytes]):
    """Valid HDF5 of which datasets, groups or attributes were changed; or bytes."""

    def strategy(folder: Path):
        whole = make(folder)
        with h5py.File(folder / "keys.h5", "w"):
            pass
        (folder / "keys.h5").write_bytes(whole)
        keys: list[str] = []
        with h5py.File(folder / "keys.h5") as file:
            file.visit(keys.append)

        @st.composite
        def changed(draw):
            path = folder / "changed.h5"
            path.write_bytes(whole)
            with h5py.File(path, "a") as file:
                for _ in range(draw(st.integers(1, 2))):
                    key = draw(st.sampled_from(keys))
                    if key not in file:
                        continue
                    how, kept = draw(st.integers(0, 4)), dict(file[key].attrs)
                    if how == 0:
                        del file[key]
                    elif how == 1:
                        del file[key]
                        file.create_group(key)
                    elif how == 2 and kept:
                        name = draw(st.sampled_from(sorted(kept)))
                        file[key].attrs[name] = draw(
                            st.sampled_from(["", "array", "csr_matrix", "dataframe", "x", 7, np.array([3, 9])])
                        )
                    elif (
                        how == 3
                        and isinstance(file[key], h5py.Dataset)
                        and file[key].shape
                        and file[key].dtype.kind in "if"
                    ):
                        place = draw(st.integers(0, file[key].shape[0] - 1)) if file[key].shape[0] else None
                        if place is not None:
                            file[key][place] = draw(st.sampled_from([-1, 0, 7, 127]))
                    else:
                        del file[key]
                        file[key] = draw(ARRAYS)
                        if draw(st.booleans()):
                            file[key].attrs.update(kept)
            return path.read_bytes()

        return st.one_of(changed(), changed(), damaged(whole))

    return strategy
