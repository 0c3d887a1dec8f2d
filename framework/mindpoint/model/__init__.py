"""Networks: assembled, initialised, loaded, saved."""
