"""The client's title, logo and contact: what comes from outside is checked, and shown as text or as a picture only."""

import re
from html import escape
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

from scperturb_cmap.utils.errors import InputError, Problem

__all__ = ["MOST_BYTES", "contact_line", "logo_ending"]

#: A larger logo would weigh on every report.
MOST_BYTES = 1_000_000

_SIGNS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}

#: Elements of SVG that run scripts or bring in something that is no drawing, and those that could change an address later.
_ACTIVE = {"script", "foreignobject", "iframe", "object", "embed", "handler", "listener", "set", "animate"}


def logo_ending(path: Path) -> str:
    """The type of a logo, by its content: png, jpg or svg.

    Raises
    ------
    InputError
        It is not there, too large, of another type, or a drawing with a script or an address in it.
    """

    def wrong(what: str, remedy: str) -> InputError:
        return InputError(Problem("--report-logo", path.name, what, remedy))

    if not path.is_file():
        raise wrong("The file does not exist.", "Correct the path.")
    if (n_bytes := path.stat().st_size) > MOST_BYTES:
        raise wrong(
            f"It has {n_bytes / 1e6:.1f} MB; at most 1 MB is allowed.", "Make the picture smaller, 400 px wide say."
        )
    content = path.read_bytes()
    for sign, ending in _SIGNS.items():
        if content.startswith(sign):
            return ending
    if b"<svg" not in content[:4000]:
        raise wrong("It is no PNG, JPG or SVG picture.", "Export the logo as one of these.")
    if found := _active_part(content):
        raise wrong(f"The drawing holds {found}.", "Export it as a plain SVG, or as PNG.")
    return "svg"


def _active_part(content: bytes) -> str:
    """What makes a drawing more than a drawing; "" for a plain one."""
    if re.search(rb"<!(DOCTYPE|ENTITY)[^>]*[\[&]", content, re.I):
        return "declarations of entities"
    if re.search(rb"<\?xml-", content):
        return "an instruction to load a style"
    try:
        elements = list(ElementTree.fromstring(content).iter())
    except (ElementTree.ParseError, ValueError, LookupError):  # the latter two of encodings that are none
        return "text that is no valid XML"
    for element in elements:
        name = str(element.tag).rpartition("}")[2].lower()
        if name in _ACTIVE:
            return f"a <{name}>"
        for attribute, value in element.attrib.items():
            attribute = attribute.rpartition("}")[2].lower()
            if attribute.startswith("on"):
                return f"a script ({attribute})"
            if attribute in ("href", "src") and not re.match(r"#|data:image/(png|jpeg);", value.strip(), re.I):
                return f"an address ({attribute})"
            # A backslash could spell url( in another way.
            if _loads(value) or (attribute == "style" and "\\" in value):
                return f"an address ({attribute})"
        if name == "style" and (_loads(element.text or "") or "\\" in (element.text or "")):
            return "an address (style)"
    return ""


def _loads(style: str) -> bool:
    """Whether a style, or any other value, would load something or run a script.

    Examples
    --------
    >>> _loads("fill: url(#shade)"), _loads("@import 'x.css'"), _loads("fill: url(https://example.org/x)")
    (False, True, True)
    """
    return bool(re.search(r"@import|javascript:|image-set|\bsrc\(|url\(\s*['\"]?\s*(?!['\"#\s])", style, re.I))


def contact_line(contact: str) -> str:
    """The foot of every page, as HTML; an e-mail address in it can be clicked.

    Examples
    --------
    >>> contact_line("Core <Unit>, help@example.org")
    '<p class="contact">Contact: Core &lt;Unit&gt;, <a href="mailto:help@example.org">help@example.org</a></p>'
    >>> contact_line(" ")
    ''
    """
    parts = re.split(r"([\w.+-]+@[\w-]+(?:\.[\w-]+)+)", contact.strip(), flags=re.ASCII)
    shown = [
        f'<a href="mailto:{quote(part, safe="@+")}">{escape(part)}</a>' if n % 2 else escape(part)
        for n, part in enumerate(parts)
    ]
    return f'<p class="contact">Contact: {"".join(shown)}</p>' if contact.strip() else ""
