"""The browser of these tests."""

from tests.browsers import browser

__all__ = ["browser"]
