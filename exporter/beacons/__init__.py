"""Events from browsers: public keys, exact origins, and a bound on what a flood of them can do."""
