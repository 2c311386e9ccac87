"""Text that somebody sent, made fit to be looked at."""


def printable(text: str, keep: str = "") -> str:
    """`text` with the characters that are not seen written out, but for those in `keep`.

    Or a terminal's cursor moves as a file says that is only reported about, U+202E turns round what follows,
    and a zero-width space makes two codes look the same.
    """
    return "".join(
        one if one.isprintable() or one in keep else one.encode("unicode_escape").decode()
        for one in text
    )
