"""Engines turn requests into completions. One interface; each backend is one module, imported when used."""
