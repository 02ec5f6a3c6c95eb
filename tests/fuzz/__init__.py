"""Broken input for every reader. tests/fuzz/__main__.py plays many more examples of it."""

#: `make fuzz` sets it: so many new examples of each property, in bounded time.
FUZZ_EXAMPLES = "HEADROOM_FUZZ_EXAMPLES"
