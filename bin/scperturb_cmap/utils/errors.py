"""Problems with the user's input, said in sentences: what is wrong, where, and what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["InputError", "Problem", "attempt", "some"]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with the input.

    Parameters
    ----------
    file
        Name of the file as the user wrote it.
    field
        Where in the file: a column, a row, an obs key; empty when the whole file is meant.
    message
        What is wrong, as a sentence.
    remedy
        What to do about it, as a sentence.

    Examples
    --------
    >>> print(Problem("samples.csv", "row 2, column 'case'", "The value is empty.", "Name the case condition."))
    samples.csv, row 2, column 'case': The value is empty. Name the case condition.
    """

    file: str
    field: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line of text."""
        where = f"{self.file}, {self.field}" if self.field else self.file
        return f"{where}: {self.message} {self.remedy}".strip()


class InputError(Exception):
    """Input that cannot be used; carries every problem found, so that all can be mended at once.

    Examples
    --------
    >>> try:
    ...     raise InputError(Problem("cells.h5ad", "obs", "There is no column 'donor'.", "Correct 'donor_key'."))
    ... except InputError as error:
    ...     print(error)
    cells.h5ad, obs: There is no column 'donor'. Correct 'donor_key'.
    """

    def __init__(self, problems: Problem | Iterable[Problem]):
        self.problems = [problems] if isinstance(problems, Problem) else list(problems)
        super().__init__(self.problems)  # not the text: an error that comes from another process is made anew of these

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


def attempt(problems: list[Problem], function: Callable, *arguments: object) -> object:
    """Result of a function; where it finds the input wrong, None, and what is wrong is added to ``problems``.

    Examples
    --------
    >>> problems = []
    >>> attempt(problems, int, "7"), problems
    (7, [])
    """
    try:
        return function(*arguments)
    except InputError as error:
        problems += error.problems
        return None


def some(values: Iterable, most: int = 8) -> str:
    """A few of the values, for a message.

    Examples
    --------
    >>> some(["ill", "well"]), some(range(100), most=2)
    ("'ill', 'well'", "'0', '1' and 98 more")
    """
    values = sorted(values)
    shown = ", ".join(repr(str(value)) for value in values[:most])
    return shown + (f" and {len(values) - most} more" if len(values) > most else "")
