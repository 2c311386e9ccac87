"""Users streaming now and users waiting, as the platform's API tells them: off unless it is set up."""
