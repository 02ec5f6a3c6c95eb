"""The base class of the operator's mistakes."""


class OperatorError(ValueError):
    """A mistake of the operator: the command line prints the message and ends with 2."""
