"""Long names and paths in labels: they break where a person would, and never push the docks aside."""

from __future__ import annotations

import re


def breakable(text: str) -> str:
    """Return the text with room to break (a zero-width space) behind slashes and underscores, if it is long."""
    return re.sub(r"([/_])", "\\1\u200b", text) if len(text) > 24 else text
