"""Stages: one file each, one verb of the command line, one rule. A stage has one function, `run(job)`."""
