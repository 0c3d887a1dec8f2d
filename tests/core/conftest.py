"""The core must work without any plugin: its tests see no entry points."""

from pathlib import Path

import pytest

from mindpoint.registry import installed


@pytest.fixture(autouse=True)
def no_entry_points(monkeypatch, request):
    if "entry_points" not in request.keywords:
        sections = tuple(point for point in installed.points() if point.group == "mindpoint.sections")  # toy.yaml has keypoints
        monkeypatch.setattr(installed, "points", lambda: sections)


@pytest.fixture(scope="session")
def toy() -> Path:
    """A configuration of toy parts."""
    return Path(__file__).parent / "toy.yaml"
