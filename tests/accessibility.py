"""axe-core, which judges the accessibility of a page in a browser: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

__all__ = ["problems"]

_SERIOUS = ("serious", "critical")


def problems(page: Page, *, only_colors: bool = False) -> list[str]:
    """Returns what axe finds serious or critical on a page: the rule, and the elements.

    Args:
        page: The page.
        only_colors: Whether to check contrast only, which is all that dark colors change. That is four times as fast.
    """
    options = {"runOnly": ["color-contrast"]} if only_colors else {}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{page.url}: {one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]
