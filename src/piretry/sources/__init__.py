"""The audit of the published figures themselves: what their authors print, checked against itself, without a model.

`report/published.yaml` holds the figures, settings and statements with the page that each stands on. docs/sources.md
has every check in words and formula.
"""
