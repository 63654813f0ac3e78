"""Files that are whole or not there, and what to say where the machine has no room left: on its disk, in its memory."""

import errno
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["DISK_FULL", "OUT_OF_MEMORY", "made_again", "system_error", "whole_file"]

#: The disk is full, the user's quota is used up, a file may not be larger (``ulimit -f``).
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

#: The machine, or the limit of a task, gives no more memory.
OUT_OF_MEMORY = (errno.ENOMEM,)

#: Sign of a task's folder of Nextflow.
_TASK = ".command.run"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give another name to write to; the file appears under its own name once it is complete, or not at all.

    Parameters
    ----------
    path
        What the file will be called.

    Yields
    ------
    Where to write it.

    Raises
    ------
    OSError
        There is no room for it: the error names the file, whichever library was writing.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with whole_file(Path(folder, "a.txt")) as partial:
    ...         _ = partial.write_text("half")
    ...         before = os.listdir(folder)
    ...     print(before, os.listdir(folder))
    ['a.txt.partial'] ['a.txt']
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    try:
        yield partial
        partial.rename(path)
    except Exception as error:
        partial.unlink(missing_ok=True)
        if number := system_error(error, DISK_FULL):
            raise OSError(number, os.strerror(number), path.name) from error
        raise


def system_error(error: BaseException, numbers: Collection[int]) -> int:
    """Which of these errors of the system is behind an exception; 0 for none.

    Libraries pass them on as exceptions of their own (h5py, pyarrow, safetensors), often without the number.

    Parameters
    ----------
    error
        Whatever was caught.
    numbers
        What to look for, as :mod:`errno` numbers them.

    Examples
    --------
    >>> system_error(RuntimeError("write failed: No space left on device"), DISK_FULL) == errno.ENOSPC
    True
    >>> system_error(ValueError("No such method"), DISK_FULL)
    0
    """
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        if errno.ENOMEM in numbers and (isinstance(error, MemoryError) or "can't allocate memory" in str(error)):
            return errno.ENOMEM  # the text is torch's
        for number in numbers:
            if getattr(error, "errno", None) == number or os.strerror(number) in str(error):
                return number
        error = error.__cause__ or error.__context__
    return 0


def made_again(path: Path, otherwise: str = "Make it again.") -> str:
    """How to have a damaged file of an earlier stage made again, as a sentence.

    Nextflow takes for done whatever is there, so the whole folder of the task has to go.

    Parameters
    ----------
    path
        The file.
    otherwise
        What to do where no task of Nextflow made it.

    Examples
    --------
    >>> made_again(Path("demo.scores.parquet"))
    'Make it again.'
    """
    folder = Path(path).resolve().parent
    if (folder / _TASK).exists() and folder != Path.cwd():
        return f"Delete {folder}, the folder of the task that made it, and start again with -resume."
    return otherwise
