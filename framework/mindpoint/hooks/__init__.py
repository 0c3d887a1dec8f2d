"""Hooks that are independent of the model: checkpoints, logs, evaluation."""
