"""`make bench`: speed and memory, each figure compared with a peer or a limit measured in the same run."""
