"""Passes that no backend owns: each rewrites a module of one level."""
