"""The shipped rules over a history of ends, in numpy: what would have fired, and when."""
