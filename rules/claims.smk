# Claims: the verdict on each, and the tables of the report. Both are targets of their own.

from piretry.exports.labels import claim_labels, claim_section


rule judge:
    input:
        R.input("judge", "claim"),
    output:
        report(
            R.output(paths.CLAIM),
            caption="../report/captions/claim.rst",
            category="Claims",
            subcategory=lambda wildcards, output: claim_section(output),
            labels=lambda wildcards, output: claim_labels(output),
        ),
        R.record(paths.CLAIM),
    log:
        R.output("logs/claims/{claim}.log"),
    container:
        R.image("judge", "claim")
    threads: 1
    resources:
        **R.resources("judge", "claim"),
    params:
        **R.params("judge", "claim"),
    message:
        "judge: {wildcards.claim}"
    shell:
        "exec piretry judge --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule table:
    input:
        R.input("table", "table"),
    output:
        report(
            R.output(paths.TABLE),
            caption="../report/captions/table.rst",
            category="Tables",
            labels={"table": "{table}"},
        ),
        R.record(paths.TABLE),
    log:
        R.output("logs/tables/{table}.log"),
    container:
        R.image("table", "table")
    threads: 1
    resources:
        **R.resources("table", "table"),
    params:
        **R.params("table", "table"),
    message:
        "table: {wildcards.table}"
    shell:
        "exec piretry table --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
