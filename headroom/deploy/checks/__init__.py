"""The checks of `headroom doctor`, grouped by what they check."""
