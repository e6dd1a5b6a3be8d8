"""Problems: the table, the loaders, the draw of a subset, and the overlap of training with held-out problems.

This file imports nothing, so that an edit of a loader is no edit of the stages that only read the table.
"""
