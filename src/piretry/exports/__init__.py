"""Exports of a results folder to formats that others check with: RO-Crate, CODECHECK, an archive with its own audit."""
