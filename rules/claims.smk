# Claims: the verdict on each, and the tables of the report. Both are targets of their own.


rule judge:
    input:
        R.input("judge", "claim"),
    output:
        R.output(paths.CLAIM),
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
        R.output(paths.TABLE),
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
