"""Hooks that know no model: checkpoints, logs, evaluation."""
