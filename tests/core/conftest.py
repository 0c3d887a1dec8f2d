"""The core must work without any plugin: its tests see no entry points."""

from pathlib import Path

import pytest

from mindpoint.registry import installed


@pytest.fixture(autouse=True)
def no_entry_points(monkeypatch, request):
    if "entry_points" not in request.keywords:
        monkeypatch.setattr(installed, "points", lambda: ())


@pytest.fixture(scope="session")
def toy() -> Path:
    """A configuration of toy parts."""
    return Path(__file__).parent / "toy.yaml"
