"""The commands of `headroom`, a module for each kind; headroom/cli.py puts them together."""
