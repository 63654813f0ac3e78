"""JSON files of sheets' rows and of earlier runs; what is none gets a sentence."""

import json
from collections.abc import Collection
from pathlib import Path

from scperturb_cmap.io.tables import require_data
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import made_again

__all__ = ["NO_JSON", "read_json"]

#: What reading JSON raises where it is none: bad text, bytes that are no text, brackets nested a thousandfold.
NO_JSON = (ValueError, RecursionError)


def read_json(path: Path, needs: Collection[str] = (), *, remedy: str = "", name: str | None = None) -> dict:
    """Read a JSON file that holds names with values.

    Parameters
    ----------
    path
        The file.
    needs
        Names that must be there.
    remedy
        What to do about a file that is none of ours, as a sentence.
    name
        What to call the file in messages; its own name by default.

    Raises
    ------
    InputError
        It is missing, no JSON, or lacks a name.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.json"
    ...     _ = path.write_text('{"dataset": "a"')
    ...     read_json(path, remedy="Write it again.")
    Traceback (most recent call last):
        ...
    scperturb_cmap.utils.errors.InputError: a.json: It is no valid JSON, or it is cut off. Write it again.
    """
    path = Path(path)
    name = name or path.name
    remedy = made_again(path, remedy or "Run the stage that wrote it again.")
    require_data(path, name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except NO_JSON:
        raise InputError(Problem(name, "", "It is no valid JSON, or it is cut off.", remedy)) from None
    if not isinstance(content, dict):
        raise InputError(Problem(name, "", "It holds no names with values.", remedy))
    if lacking := [key for key in needs if key not in content]:
        raise InputError(Problem(name, "", f"It does not tell {', '.join(lacking)}.", remedy))
    return content
