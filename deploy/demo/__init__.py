"""`make demo`: an outage from its first event to the resolved page, on loopback, in about a minute."""
