"""A clock for tests: it stands still until it is advanced."""


class Clock:
    """Returns `now`, in seconds, when it is called."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
