"""A number with its noun, as a sentence needs it."""


def counted(number: float, noun: str) -> str:
    """Return such as `1 minute`, `2 minutes`, `1,440 minutes` or `5.5 minutes`.

    noun: in the singular; its plural has an s.
    """
    shown = f"{number:,}".removesuffix(".0")
    return f"{shown} {noun}" if number == 1 else f"{shown} {noun}s"
