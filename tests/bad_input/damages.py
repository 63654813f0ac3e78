"""What can be wrong with an input: each takes a folder of valid ones and damages one of them."""

import json
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import pandas as pd

HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
DAMAGED_GZIP = b"\x1f\x8b\x08" + bytes(6) + b"\xff" * 60
PNG = b"\x89PNG\r\n\x1a\n" + bytes(300)

Damage = Callable[[Path], list[str] | None]


def cell(file: str, column: str, value: str, row: int = 0, **more: str) -> Damage:
    """Another value in one cell of a table (and in more columns of the row)."""

    def damage(folder: Path) -> None:
        sign = "," if file.endswith(".csv") else "\t"
        table = pd.read_csv(folder / file, sep=sign, dtype=str, keep_default_na=False)
        for name, content in ({column: value} | more).items():
            if name not in table:
                table[name] = ""
            table.loc[row, name] = content
        table.to_csv(folder / file, sep=sign, index=False)

    return damage


def content(file: str, text: str | bytes) -> Damage:
    """Something else under the name."""

    def damage(folder: Path) -> None:
        (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode())

    return damage


def replaced(file: str, old: str, new: str) -> Damage:
    """Another text in a file that holds the old one."""

    def damage(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return damage


def cut(file: str, part: float = 0.5) -> Damage:
    """The first part of a file only, as after a full disk or a broken connection."""

    def damage(folder: Path) -> None:
        whole = (folder / file).read_bytes()
        (folder / file).write_bytes(whole[: int(part * len(whole))])

    return damage


def lost(file: str) -> Damage:
    """The file is not there."""
    return lambda folder: (folder / file).unlink()


def changed(file: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Damage:
    """A table (text or Parquet) that was changed."""

    def damage(folder: Path) -> None:
        path = folder / file
        if file.endswith(".parquet"):
            change(pd.read_parquet(path)).to_parquet(path)
            return
        sign = "," if file.endswith(".csv") else "\t"
        change(pd.read_csv(path, sep=sign, dtype=str, keep_default_na=False)).to_csv(path, sep=sign, index=False)

    return damage


def inside(file: str, change: Callable[[h5py.File], object]) -> Damage:
    """An HDF5 file of which something was changed inside."""

    def damage(folder: Path) -> None:
        with h5py.File(folder / file, "a") as opened:
            change(opened)

    return damage


def rewritten(file: str, change: Callable[[ad.AnnData], ad.AnnData | None]) -> Damage:
    """An h5ad file that was changed and written again."""

    def damage(folder: Path) -> None:
        cells = ad.read_h5ad(folder / file)
        other = change(cells)
        (cells if other is None else other).write_h5ad(folder / file)

    return damage


def about(file: str, **change: object) -> Damage:
    """A JSON file with other values; ... takes a name away."""

    def damage(folder: Path) -> None:
        found = json.loads((folder / file).read_text()) | change
        (folder / file).write_text(json.dumps({key: value for key, value in found.items() if value is not ...}))

    return damage


def options(*more: str) -> Damage:
    """Further options; {folder} is where the inputs lie."""
    return lambda folder: [one.format(folder=folder) for one in more]


def both(*damages: Damage) -> Damage:
    """One after the other."""

    def damage(folder: Path) -> list[str]:
        return [option for one in damages for option in one(folder) or []]

    return damage


def put(key: str, value: object) -> Callable[[h5py.File], None]:
    """Another dataset in the place of one of an HDF5 file."""

    def change(file: h5py.File) -> None:
        kept = dict(file[key].attrs) if key in file else {}
        if key in file:
            del file[key]
        file[key] = value
        file[key].attrs.update(kept)

    return change
