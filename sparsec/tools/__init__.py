"""The commands: `sparsec`, `sparsec-opt` and `sparsec-interpret`."""
