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
        state=R.alone("shards/"),
        completions=names.TABLE_PATTERN,
        shard=r"\d+",
    container:
        R.image("shard", "state", "completions", "shard")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("shard", "state", "completions", "shard"),
    params:
        **R.params("shard", "state", "completions", "shard"),
        stage=lambda wildcards: names.TABLE_STAGES[
            wildcards.completions.partition("-")[0]
        ],
    message:
        "{params.stage}: {wildcards.state}, {wildcards.completions}, shard {wildcards.shard}"
    shell:
        "exec piretry {params.stage} --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


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
    container:
        R.image("gather", "state", "completions")
    threads: 1
    resources:
        **R.resources("gather", "state", "completions"),
    params:
        **R.params("gather", "state", "completions"),
    message:
        "gather: {wildcards.state}, {wildcards.completions}"
    shell:
        "exec piretry gather --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


# One job for all the prompts of a state, where the scale shares the start of the engine (see sample.smk).
for shared in R.shared_retries():
    tables = f"retries-{'+'.join(shared.prompts)}"

    rule:
        name:
            f"shard_retries_{shared.name}"
        input:
            R.input("shard", "state", completions=tables, shard=None),
        output:
            [R.output(shared.pattern(paths.SHARD, prompt)) for prompt in shared.prompts],
            [R.record(shared.pattern(paths.SHARD, prompt)) for prompt in shared.prompts],
        log:
            R.output(f"logs/{{state}}/shards/retries-{shared.name}.{{shard}}.log"),
        wildcard_constraints:
            state=shared.states,
            shard=r"\d+",
        priority: 10
        container:
            R.image("shard", "state", completions=tables, shard=None)
        threads: PROJECT.scale.engine.threads
        resources:
            **R.resources("shard", "state", completions=tables, shard=None),
        params:
            **R.params("shard", "state", completions=tables, shard=None),
        message:
            f"retry: {{wildcards.state}}, prompts {', '.join(shared.prompts)}, shard {{wildcards.shard}}"
        shell:
            "exec piretry retry --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
