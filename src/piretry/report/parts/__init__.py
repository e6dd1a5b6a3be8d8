"""The parts of the page. A module has `view(results)`, which returns what its template of the same name shows."""
