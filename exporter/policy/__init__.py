"""The policy: every threshold, window and objective of the alerts, as data with reasons."""
