"""Facts about the processors code is generated for: plain tables, no IR."""
