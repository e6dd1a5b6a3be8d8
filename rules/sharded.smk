# Sampling where the scale divides it over jobs (`shards` above 1): the shards of every completions table, and their
# gathering. The targets are the same as in sample.smk and evaluate.smk, which stand in for these rules otherwise.


rule shard:
    input:
        R.input("shard", "state", "table", "shard"),
    output:
        R.output(paths.SHARD),
        R.record(paths.SHARD),
    log:
        R.output("logs/{state}/shards/{table}.{shard}.log"),
    wildcard_constraints:
        table=names.TABLE_PATTERN,
        shard=r"\d+",
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("attempt"),
    params:
        **R.params("shard", "state", "table", "shard"),
        stage=lambda wildcards: names.TABLE_STAGES[wildcards.table.partition("-")[0]],
    message:
        "{params.stage}: {wildcards.state}, {wildcards.table}, shard {wildcards.shard}"
    shell:
        "piretry {params.stage} --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule gather:
    input:
        R.input("gather", "state", "table"),
    output:
        R.output(paths.GATHERED),
        R.record(paths.GATHERED),
    log:
        R.output("logs/{state}/gather-{table}.log"),
    wildcard_constraints:
        table=names.TABLE_PATTERN,
    threads: 1
    resources:
        **R.resources("gather"),
    params:
        **R.params("gather", "state", "table"),
    message:
        "gather: {wildcards.state}, {wildcards.table}"
    shell:
        "piretry gather --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"
