"""Room sweep: its error."""


class SweepError(Exception):
    """A sweep that cannot go on, or results that cannot be read; the message is one line."""
