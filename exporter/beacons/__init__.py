"""Events from browsers: public keys, exact origins, and rate limits."""
