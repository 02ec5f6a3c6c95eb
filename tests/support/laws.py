"""How many examples a law draws where each of them costs more than 5 ms."""

from hypothesis import settings

# A quarter of the profile's examples, but 50 at least
COSTLY = settings(max_examples=max(50, settings().max_examples // 4))
