"""The shared ledger: Redis or Valkey, alone or as a Cluster, under any number of replicas."""
