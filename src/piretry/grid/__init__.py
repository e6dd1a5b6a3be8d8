"""The grid: arms and states, the files that each has, and what a run of the whole grid needs."""
