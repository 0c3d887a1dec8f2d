"""The core must work without any plugin: its tests see no entry points."""

from pathlib import Path

import pytest

from mindpoint.registry import entries


@pytest.fixture(autouse=True)
def no_entry_points(monkeypatch, request):
    if "entry_points" not in request.keywords:
        nothing = {kind.plural: () for kind in entries.KINDS}
        for module in ("entries", "registries"):
            monkeypatch.setattr(f"mindpoint.registry.{module}.declared", lambda: nothing)


@pytest.fixture(scope="session")
def toy() -> Path:
    """A configuration of toy parts."""
    return Path(__file__).parent / "toy.yaml"
