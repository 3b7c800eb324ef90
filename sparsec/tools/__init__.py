"""The commands: `sparsec`, `sparsec-opt` and `sparsec-run`."""
