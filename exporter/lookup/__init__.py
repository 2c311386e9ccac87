"""What a code means, looked up by the person it woke: `session-end-exporter codes [QUERY…]`.

`show` is for terminals and alone imports what draws there: the pages of the ops listener find codes too.
"""
