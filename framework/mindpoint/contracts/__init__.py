"""Base classes of parts and the data they exchange. Only ``parts`` imports MindSpore; the other modules need at most numpy."""
