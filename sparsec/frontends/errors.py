"""What goes wrong with a file that a user hands in."""


class FrontendError(ValueError):
    """A file cannot be read or compiled; the message says why and what to do."""


class UnsupportedError(ValueError):
    """One operation of a model cannot be expressed; caught, and listed with the others."""
