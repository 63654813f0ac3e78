"""The part of a command line that all stages share."""

import errno
import logging
import os
import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from scperturb_cmap import __version__
from scperturb_cmap.utils.errors import InputError, Problem
from scperturb_cmap.utils.files import DISK_FULL, OUT_OF_MEMORY, system_error

__all__ = [
    "base_parser", "check_headline", "check_methods", "fraction", "limit_numba", "limit_threads",
    "names_of", "run", "run_folder", "whole",
]  # fmt: skip

#: What numba compiled, in the folder of the task (nextflow.config).
_TASKS_OWN = "./.numba"

#: Exit status of a process that was killed for its memory.
KILLED = 137

log = logging.getLogger("scperturb_cmap")


def base_parser(description: str) -> ArgumentParser:
    """Parser with the options every stage has.

    Parameters
    ----------
    description
        The docstring of the script.

    Examples
    --------
    >>> base_parser("Rank drugs.").parse_args(["--log-level", "warning"]).log_level
    'warning'
    """
    parser = ArgumentParser(description=description, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="how much to say"
    )
    return parser


def whole(least: int, most: int = 2**31 - 1) -> Callable[[str], int]:
    """Type of an option that is a whole number in a range.

    Examples
    --------
    >>> whole(1)("7")
    7
    """

    def convert(text: str) -> int:
        if not text.strip().lstrip("-").isdecimal() or not least <= (number := int(text)) <= most:
            raise ArgumentTypeError(f"{text!r} is no whole number from {least} to {most}")
        return number

    return convert


def fraction(text: str) -> float:
    """Type of an option that is a number from 0 to 1.

    Examples
    --------
    >>> fraction("0.5")
    0.5
    """
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:  # not-a-number is not, either
        raise ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return number


def names_of(*choices: str) -> Callable[[str], list[str]]:
    """Type of an option that is a list of names, separated by commas.

    Examples
    --------
    >>> names_of("mitochondrial", "ribosomal")("ribosomal,")
    ['ribosomal']
    """

    def convert(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        if unknown := [name for name in names if name not in choices]:
            raise ArgumentTypeError(f"{unknown[0]!r} is not known; choose among {', '.join(choices)}")
        return names

    return convert


def run(parser: ArgumentParser, stage: Callable, argv: list[str] | None = None) -> int:
    """Parse arguments, start logging, call ``stage(args)``, and turn bad input into sentences.

    Parameters
    ----------
    parser
        The stage's parser.
    stage
        Function of the parsed arguments that does the work.
    argv
        Arguments; those of the process by default.

    Returns
    -------
    Exit status: 0 when the stage finished, 1 when the input was at fault or the disk is full, 137 when memory ran out, as if
    the system had killed it: then Nextflow tries again with more.
    """
    args = parser.parse_args(argv)
    logging.basicConfig(level=args.log_level.upper(), format="%(levelname)s %(message)s", stream=sys.stderr, force=True)
    # A level set on the root would let every imported package chatter.
    logging.getLogger().setLevel("WARNING")
    log.setLevel(args.log_level.upper())
    _share_compiled_code(Path.cwd())
    alone = argv is None  # a process of its own
    if alone:
        _tell_of_a_full_disk_once()
    try:
        _require_folder(parser, args)
        stage(args)
    except InputError as error:
        n = len(error.problems)
        print(f"\nThe input has {n} problem{'s' if n > 1 else ''}:", file=sys.stderr)
        for problem in error.problems:
            print(f"  - {problem}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(
            f"\nThe Python package {error.name} is not installed here. "
            "Run `make setup` and put .venv/bin first on PATH, or use a container profile such as -profile docker.",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        if system_error(error, OUT_OF_MEMORY):
            print(f"\n{parser.prog}: Out of memory: {str(error) or 'an allocation failed'}", file=sys.stderr)
            return KILLED
        if not (number := system_error(error, DISK_FULL)):
            raise
        print(f"\n{_no_room(number, getattr(error, 'filename', None) or parser.prog)}", file=sys.stderr, flush=True)
        if alone:  # HDF5 crashes when it ends with a file it could not write, and a crash would be tried again
            os._exit(1)
        return 1
    return 0


def _require_folder(parser: ArgumentParser, args: Namespace) -> None:
    """Refuse a folder for results that is not there, before an hour of work; of one that a stage makes there is no default."""
    if parser.get_default("out") is not None and not args.out.is_dir():
        wrong = "There is no such folder."
        raise InputError(Problem("--out", str(args.out), wrong, "Make it first, or name another."))


def check_headline(headline: str, methods: Sequence[str]) -> None:
    """Refuse a headline that is not computed.

    Raises
    ------
    InputError
        It is not among the methods.
    """
    if headline not in methods:
        wrong = f"{headline!r} is not among --methods {','.join(methods)}."
        raise InputError(Problem("--headline", "", wrong, "Add it there or choose another."))


def check_methods(methods: Sequence[str], known: Sequence[str]) -> None:
    """Refuse methods that there are not.

    Raises
    ------
    InputError
        One is not among those known.
    """
    if unknown := sorted(set(methods) - set(known)):
        wrong = f"{', '.join(name or repr(name) for name in unknown)} is not known."
        raise InputError(Problem("--methods", "", wrong, f"Choose among {', '.join(known)}."))


def limit_numba(threads: int) -> None:
    """Let numba take as many threads as a task was given, not as many as the machine has cores."""
    import numba

    numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def limit_threads(threads: int) -> None:
    """Let torch and numba take as many threads as a task was given, and the linear algebra behind numpy one.

    Its matrices are small here, and threads of OpenBLAS that wait for each other take the cores of other tasks.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    limit_numba(threads)
    threadpool_limits({"openmp": threads, "blas": 1})


def _no_room(number: int, name: str) -> str:
    """What is said of a file that could not be written."""
    remedy = "Free space there, then start again with -resume."
    if number == errno.EFBIG:
        remedy = "Let this user write larger files (ulimit -f), then start again with -resume."
    return f"{name}: {os.strerror(number)}, in {Path.cwd()}. {remedy}"


def _tell_of_a_full_disk_once() -> None:
    """Keep h5py quiet, which prints a page for each part of a file that it could not write while the file is given up."""

    def hook(kind: type[BaseException], error: BaseException, trace: object) -> None:
        if not system_error(error, DISK_FULL):
            sys.__excepthook__(kind, error, trace)

    def unraisable(what: "sys.UnraisableHookArgs") -> None:
        if not system_error(what.exc_value, DISK_FULL):
            sys.__unraisablehook__(what)

    sys.excepthook, sys.unraisablehook = hook, unraisable


def run_folder(task: Path) -> Path | None:
    """The folder that all tasks of a run see, and later runs with the same one: its work folder.

    None where ``task`` is no folder of a task, or where that folder cannot be written to, as on object storage and in containers
    that see nothing but their own task.

    Examples
    --------
    >>> run_folder(Path("/no/task")) is None
    True
    """
    work = task.parent.parent  # a task lies in <work>/ab/cdef0123...
    return work if (task / ".command.run").exists() and os.access(work, os.W_OK) else None


def _share_compiled_code(folder: Path) -> None:
    """Let all tasks of a run share what numba compiles, where they can share a folder.

    Each task would compile for 10 to 20 seconds. Elsewhere it stays so: nextflow.config names a folder of the task. Where a site
    names another, that one is used.
    """
    if os.environ.get("NUMBA_CACHE_DIR") == _TASKS_OWN and (work := run_folder(folder)):
        os.environ["NUMBA_CACHE_DIR"] = str(work / "numba")
