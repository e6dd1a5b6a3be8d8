"""Two results folders side by side: what changed between the runs, and which claims differ by more than noise.

The rule is in docs/compare.md.
"""
