"""Optimizers with explicit signatures; schedules as pure functions of the step."""
