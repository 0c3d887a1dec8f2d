"""CenterNet multi-person pose for mindpoint: every part is reached through an entry point."""

import mindpoint  # noqa: F401  sets the environment that MindSpore needs, before any module here imports it
