"""Convert configurations of other projects. Their files are read as text and never run."""
