"""Backbones and a neck that belong to no task: MobileNetV2 and V3, HRNet, a feature pyramid."""

import mindpoint  # noqa: F401  sets the environment that MindSpore needs, before any module here imports it
