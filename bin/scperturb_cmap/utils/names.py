"""Names that identify things, and thresholds that several stages share."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

__all__ = ["FDR", "compound_key", "matches"]

#: A gene with a lower false discovery rate counts as changed.
FDR = 0.05


def compound_key(name: str) -> str:
    """Normalised compound name: the identity of a compound.

    Case, spaces, hyphens and underscores are spelling; signs in brackets are not, since (+)-x and (-)-x differ.

    Examples
    --------
    >>> compound_key("Valproic  Acid"), compound_key("valproic_acid"), compound_key("(-)-JQ1")
    ('valproic-acid', 'valproic-acid', '(-)-jq1')
    """
    return re.sub(r"[\s_\-]+(?!\))", "-", str(name).casefold().strip())


def matches(name: str, pattern: str, there: Sequence[str]) -> bool:
    """Whether a population is meant by a name or pattern.

    Examples
    --------
    >>> matches("B [naive]", "B [naive]", ["B [naive]", "B n"]), matches("B n", "B [naive]", ["B [naive]", "B n"])
    (True, False)
    """
    return name == pattern if pattern in there else fnmatchcase(name, pattern)
