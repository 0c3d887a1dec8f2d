"""Configurations of other projects as configurations of this one. Their files are read as text; nothing in them is run."""
