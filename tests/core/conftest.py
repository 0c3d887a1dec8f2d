"""The core must work without any plugin: its tests see no entry points. Its toys are named by their class, so models that are made of them
are trusted, except in tests with the mark ``untrusted``."""

from pathlib import Path

import pytest
from mindpoint.config import check
from mindpoint.registry import installed

_check_entry = check.check_entry
_trusting = {"toys": True}


@pytest.fixture(scope="session", autouse=True)
def toys_are_trusted():
    check.check_entry = lambda *arguments: None if _trusting["toys"] else _check_entry(*arguments)
    yield
    check.check_entry = _check_entry


@pytest.fixture(autouse=True)
def no_entry_points(monkeypatch, request):
    if "entry_points" not in request.keywords:
        monkeypatch.setattr(installed, "points", lambda: ())
    monkeypatch.setitem(_trusting, "toys", "untrusted" not in request.keywords)


@pytest.fixture(scope="session")
def toy() -> Path:
    """A configuration of toy parts."""
    return Path(__file__).parent / "toy.yaml"
