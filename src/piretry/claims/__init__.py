"""Claims: what was claimed, which cells would show it, how it is measured and judged."""
