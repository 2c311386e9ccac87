"""Builds of the applications that a platform streams, as its webhooks report them."""
