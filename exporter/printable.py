"""Text of a sender, made safe to show."""


def printable(text: str, keep: str = "") -> str:
    """`text` with invisible characters escaped, except those in `keep`.

    Otherwise a sender's text could move a terminal's cursor, reverse the text that follows (U+202E) or
    make two codes look the same (zero-width space).
    """
    return "".join(
        character
        if character.isprintable() or character in keep
        else character.encode("unicode_escape").decode()
        for character in text
    )
