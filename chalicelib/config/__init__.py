"""The configuration: its settings, its reader and its checks."""
