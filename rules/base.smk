# Base models: pretrained from a seed where the scale says so, else fetched at a pinned revision.


rule pretrain:
    input:
        R.input("pretrain", "role"),
    output:
        directory(R.output(paths.BASE_MODEL)),
        R.record(paths.BASE_MODEL),
    log:
        R.output("logs/{role}/base/pretrain.log"),
    wildcard_constraints:
        role=R.roles("pretrain", "pretrain_prover"),
    priority: 10
    container:
        R.image("pretrain", "role")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("pretrain", "role"),
    params:
        **R.params("pretrain", "role"),
    message:
        "pretrain: base model of {wildcards.role}"
    shell:
        "exec piretry pretrain --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule fetch:
    input:
        R.input("fetch", "role"),
    output:
        directory(R.output(paths.BASE_MODEL)),
        R.record(paths.BASE_MODEL),
    log:
        R.output("logs/{role}/base/fetch.log"),
    wildcard_constraints:
        role=R.roles("hub"),
    localrule: True  # compute nodes have no network
    container:
        R.image("fetch", "role")
    threads: 1
    resources:
        **R.resources("fetch", "role"),
    params:
        **R.params("fetch", "role"),
    message:
        "fetch: base model of {wildcards.role}"
    shell:
        "exec piretry fetch --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
