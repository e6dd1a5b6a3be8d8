"""The report: one self-contained HTML page from the files of a results folder.

`piretry.report.page.build_page` makes it. Each part of the page is one module (what it shows, as plain values) and one
template (how it looks); `page.PARTS` lists them in the order of the page, and a new part is one more entry there.
Importing this package loads neither Altair nor Jinja.
"""
