"""Backbones and a neck for any task: MobileNetV2, MobileNetV3, HRNet and a feature pyramid network."""

import mindpoint  # noqa: F401  sets the environment that MindSpore needs, before any module here imports it
