"""Charts: drawn by Altair, rendered to SVG by vl-convert when the page is built, with their data as CSV beside them."""
