"""The ledger: where events are counted exactly once. `contract` says what every ledger promises."""
