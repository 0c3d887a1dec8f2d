"""Backbones and a neck for any task: MobileNetV2 and V3, HRNet, a feature pyramid."""

import mindpoint  # noqa: F401  sets the environment that MindSpore needs, before any module here imports it
