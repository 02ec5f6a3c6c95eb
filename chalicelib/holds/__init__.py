"""The holds: what keeps a target's capacity unchanged, besides its policy."""
