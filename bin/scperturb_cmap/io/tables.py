"""Reading delimited tables without letting anything be guessed."""

import csv
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import TextIO

import pandas as pd

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["MISSING", "bare", "decoded", "is_file", "read_text_table", "require_data"]

#: Spellings of "no value" in the tables of the field; -666 is LINCS' own.
MISSING = ["", "NA", "NaN", "nan", "None", "null", "-666", "-666.0", "-666.000000"]

_PAGE = ("It is an HTML page, not the data.", "Download it again; the link probably asked for a log-in.")
_SIGNS = {
    b"version https://git-lfs": ("It is a git-lfs pointer, not the data.", "Fetch the data with 'git lfs pull'."),
    b"<!doctype html": _PAGE,
    b"<html": _PAGE,
    b"<?xml": ("It is an XML message, not the data.", "Download it again; the server answered with an error."),
}

#: First bytes of archives, and their usual endings.
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a")
_ARCHIVE_NAMES = (".zip", ".zst", ".tar", ".tar.gz", ".tgz", ".xz", ".bz2", ".7z", ".rar", ".xlsx")

#: Characters that no text holds.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")

#: Rows taken up at once (they should fit the processor's cache), and values of a column that are remembered.
_BLOCK, _REMEMBERED = 200, 100_000

csv.field_size_limit(2**31 - 1)  # the default, 128 kB, is less than some lists of synonyms and structures


def is_file(path: Path) -> bool:
    """Whether there is such a file; what can be no path is none.

    Examples
    --------
    >>> is_file(Path("x" * 9999))
    False
    """
    try:
        return Path(path).is_file()
    except OSError:  # longer than any path may be, or in a folder that is closed
        return False


def require_data(path: Path, name: str) -> None:
    """Refuse a missing file and what is often found in place of data: a web page, a git-lfs pointer, nothing.

    Parameters
    ----------
    path
        Where the file should be.
    name
        What to call it in messages.

    Raises
    ------
    InputError
        With what is wrong and what to do.

    Examples
    --------
    >>> require_data(Path("lost.csv"), "lost.csv")
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: lost.csv: The file does not exist. Correct the path.
    """
    if not is_file(path):
        raise InputError(Problem(name, "", "The file does not exist.", "Correct the path."))
    try:
        with open(path, "rb") as handle:
            start = handle.read(256).lstrip().lower()
    except OSError as error:
        raise InputError(Problem(name, "", f"It cannot be read ({error.strerror}).", "Give access to it.")) from None
    if not start:
        raise InputError(Problem(name, "", "The file is empty.", "Download or write it again."))
    for sign, (wrong, remedy) in _SIGNS.items():
        if start.startswith(sign):
            raise InputError(Problem(name, "", wrong, remedy))


def decoded(raw: bytes) -> str:
    """Text of bytes: UTF-8, else what Windows and Latin-1 mean by them.

    Examples
    --------
    >>> decoded("10 µM".encode()), decoded("10 µM".encode("latin-1"))
    ('10 µM', '10 µM')
    """
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            pass
    return raw.decode("latin-1")


def bare(value: str) -> str:
    """Value without the white space and the pair of quotes around it.

    Examples
    --------
    >>> bare(' "A|B" '), bare('5" tape'), bare('"a ""b"" c"')
    ('A|B', '5" tape', 'a "b" c')
    """
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1].replace('""', '"').strip()
    return value


def read_text_table(
    path: Path,
    name: str | None = None,
    columns: Collection[str] | None = None,
    missing: Collection[str] = MISSING,
    row_names: bool = True,
) -> pd.DataFrame:
    r"""Read a comma- or tab-separated table, every value as text.

    Identifiers stay what they are ("007" is not 7, "SEPT2" no date); missing values are empty strings.

    Parameters
    ----------
    path
        A text file, gzip-compressed or not. The separator is a tab if the header line holds one. Between tabs a quote
        is a character like any other, save for a pair around a whole value, which is cut.
    name
        What to call the file in messages; its own name by default.
    columns
        Read only these, where they are there (a siginfo table of LINCS has 35 columns and a million rows); all by default.
    missing
        Spellings of "no value".
    row_names
        Whether a header with one field fewer than every row is taken as R writes it: the first column has no name.

    Returns
    -------
    Table of strings; its index is the line of the file at which each row begins. Before the header, lines that start with
    ``!`` or ``#`` are skipped (not a ``#`` line with tabs: it is the header, and the ``#`` is cut); blank lines are skipped
    everywhere. Columns with neither name nor values are left out, a column of row names is called ``""``.

    Raises
    ------
    InputError
        The file is missing, empty, a web page, pointer or archive, not text, ragged, or has two columns of one name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "genes.csv"
    ...     _ = path.write_text("# a comment\ngene_id,symbol\n007,SEPT2\n\n8,NA\n")
    ...     read_text_table(path)
      gene_id symbol
    3     007  SEPT2
    5       8
    """
    path = Path(path)
    name = name or path.name
    require_data(path, name)
    try:
        with _open(path, name) as handle:
            return _read(handle, name, columns, frozenset(missing), row_names)
    except csv.Error as error:
        raise _ragged(name, f"a quote or line break is out of place: {error}") from None
    except (OSError, EOFError, zlib.error):
        raise InputError(Problem(name, "", "It is damaged or incomplete.", "Copy or download it again.")) from None


@contextmanager
def _open(path: Path, name: str) -> Iterator[TextIO]:
    """Text of a file, unpacked if it is gzip by its content; bytes that are not UTF-8 come as surrogates."""
    with open(path, "rb") as handle:
        opener = gzip.open if handle.read(2) == b"\x1f\x8b" else open
    with opener(path, "rb") as handle:
        start = handle.read(65536)
    if not start.strip():
        raise InputError(Problem(name, "", "The file is empty.", "Download or write it again."))
    packed = (
        start.startswith(_ARCHIVES) or re.match(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", start) or start[257:262] == b"ustar"
    )
    if packed or path.name.lower().endswith(_ARCHIVE_NAMES):
        raise InputError(
            Problem(
                name, "", "It is an archive or a workbook, not a text table.", "Give the table itself as text (or .gz)."
            )
        )
    if b"\0" in start:
        raise _no_text(name)
    with opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
        yield handle


def _lines(handle: TextIO, name: str) -> Iterator[str]:
    """Lines as text; those that are not UTF-8 are read as Latin-1 unless they are no text at all."""
    for line in handle:
        if not line.isascii():
            text = decoded(line.encode("utf-8", "surrogateescape"))
            if text != line and _CONTROL.search(text):
                raise _no_text(name)
            line = text
        if "\0" in line:
            raise _no_text(name)
        yield line


class _Kept(dict):
    """Raw value -> value to keep, so that each different value is cleaned and kept once."""

    def __init__(self, clean: Callable[[str], str], missing: Collection[str]):
        self.clean, self.missing = clean, missing

    def __missing__(self, raw: str) -> str:
        value = self.clean(raw)
        self[raw] = value = "" if value in self.missing else raw if value == raw else value
        return value


def _read(
    handle: TextIO, name: str, columns: Collection[str] | None, missing: Collection[str], row_names: bool
) -> pd.DataFrame:
    """Table of an open file."""
    lines = _lines(handle, name)
    before = -1
    for line in lines:
        before += 1
        # NCBI writes its header as "#tax_id<tab>...": a comment has no separator.
        if line.strip() and not line.startswith("!") and ("\t" in line or not line.startswith("#")):
            break
    else:
        raise _ragged(name, "it has no header")
    if "\t" in line:
        reader, clean = csv.reader(chain([line], lines), delimiter="\t", quoting=csv.QUOTE_NONE), bare
    else:
        reader, clean = csv.reader(chain([line], lines), strict=True, skipinitialspace=True), str.strip
    header = [clean(field) for field in next(reader)]
    header[0] = header[0].lstrip("#").strip()
    records = _records(reader, before)
    first = next(records, None)
    # R's write.table gives the column of row names no name.
    named = row_names and first is not None and len(first[1]) == len(header) + 1
    names = ["", *header] if named else header
    chosen = [at for at, column in enumerate(names) if columns is None or column in columns or (named and at == 0)]
    for column, n in Counter(names[at] for at in chosen).items():
        if column and n > 1:
            raise _doubled(name, column)

    numbers, values, trailing = [], [[] for _ in chosen], True
    kept = [_Kept(clean, () if named and at == 0 else missing) for at in chosen]
    records = chain([first] if first else [], records)
    while block := list(islice(records, _BLOCK)):
        at_lines, rows = zip(*block, strict=True)
        if {len(fields) for fields in rows} != {len(names)}:
            number, found = next((n, len(fields)) for n, fields in block if len(fields) != len(names))
            start = f"line {first[0]} has {len(names)} fields, " if named else ""
            raise _ragged(name, f"{start}line {number} has {found} fields, the header {len(header)}")
        numbers += at_lines
        for at, column, keep in zip(chosen, values, kept, strict=True):
            column += map(keep.__getitem__, map(itemgetter(at), rows))
            if len(keep) > _REMEMBERED:
                keep.clear()
        trailing = trailing and named and not any(fields[-1].strip() for fields in rows)
    # Row names differ; a separator too much at the end of every line, or in the only one, looks much the same.
    if named and (trailing or len(numbers) < 2 or "" in values[0] or len(set(values[0])) < len(numbers)):
        raise _ragged(name, f"line {first[0]} has {len(names)} fields, the header {len(header)}")
    table = {}
    for at, column in zip(chosen, values, strict=True):
        if "" in table and not names[at] and any(column):
            raise _doubled(name, "")
        if names[at] or any(column):
            table[names[at]] = column
    return pd.DataFrame(table, index=pd.Index(numbers, dtype="int64"), columns=list(table), dtype=object)


def _records(reader: Iterator[list[str]], before: int) -> Iterator[tuple[int, list[str]]]:
    """(line at which it begins, fields) of every row that holds anything; ``before`` lines stand before the header."""
    line = before + reader.line_num
    for fields in reader:
        if (fields and fields[0].strip()) or "".join(fields).strip():
            yield line + 1, fields
        line = before + reader.line_num


def _ragged(name: str, detail: str) -> InputError:
    remedy = "Give every row as many fields as the header."
    return InputError(Problem(name, "", f"It does not parse as a table ({detail}).", remedy))


def _doubled(name: str, column: str) -> InputError:
    remedy = "Give every column a name of its own."
    return InputError(Problem(name, f"column '{column}'", "The name stands more than once in the header.", remedy))


def _no_text(name: str) -> InputError:
    return InputError(Problem(name, "", "It is not a UTF-8 text table.", "Save it as comma- or tab-separated text."))
