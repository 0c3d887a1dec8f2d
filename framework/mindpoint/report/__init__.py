"""An evaluation as a self-contained HTML page: it needs no network, server or other file."""
