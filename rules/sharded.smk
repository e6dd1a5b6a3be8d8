# Sampling where the scale divides it over jobs (`shards` above 1): the shards of every completions table, and their
# gathering. The targets are the same as in sample.smk and evaluate.smk, which stand in for these rules otherwise.


rule shard:
    input:
        R.input("shard", "state", "completions", "shard"),
    output:
        R.output(paths.SHARD),
        R.record(paths.SHARD),
    log:
        R.output("logs/{state}/shards/{completions}.{shard}.log"),
    wildcard_constraints:
        completions=names.TABLE_PATTERN,
        shard=r"\d+",
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("attempt"),
    params:
        **R.params("shard", "state", "completions", "shard"),
        stage=lambda wildcards: names.TABLE_STAGES[
            wildcards.completions.partition("-")[0]
        ],
    message:
        "{params.stage}: {wildcards.state}, {wildcards.completions}, shard {wildcards.shard}"
    shell:
        "piretry {params.stage} --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule gather:
    input:
        R.input("gather", "state", "completions"),
    output:
        R.output(paths.GATHERED),
        R.record(paths.GATHERED),
    log:
        R.output("logs/{state}/gather-{completions}.log"),
    wildcard_constraints:
        completions=names.TABLE_PATTERN,
    threads: 1
    resources:
        **R.resources("gather"),
    params:
        **R.params("gather", "state", "completions"),
    message:
        "gather: {wildcards.state}, {wildcards.completions}"
    shell:
        "piretry gather --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"
