"""Several processes of one job, started and watched."""
