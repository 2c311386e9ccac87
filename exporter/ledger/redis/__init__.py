"""The shared ledger: Redis or Valkey, one server or a Cluster, used by any number of exporters."""
