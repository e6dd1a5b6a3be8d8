"""Provenance: what every artifact was made from, and whether it still is what its record says.

Stages import `piretry.provenance.publish`; the report and the command line import `graph` and `audit`.
This file imports nothing, so that an edit of the audit is no edit of the stages.
"""
