"""The command line. Each built-in command is a module here with ``HELP = "..."``, ``add_arguments(parser)`` and ``run(args) -> int``."""
