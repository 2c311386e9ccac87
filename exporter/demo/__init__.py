"""`make demo`: the whole way of a page, from an event to the notification, on one machine within a minute.

In the package and not in scripts/, because it is made of the package's own parts (the rules' builders, the
simulation, the sender) and so stands under the same checks. Nothing else imports it.
"""
