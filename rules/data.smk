# Data: the training pool and the held-out problems, and the training set without what overlaps.


rule fetch_dataset:
    input:
        R.input("fetch", "split"),
    output:
        directory(R.output(paths.SOURCE)),
        R.record(paths.SOURCE),
    log:
        R.output("logs/data/fetch-{split}.log"),
    wildcard_constraints:
        split="train|eval|theorems|theorems-eval",
    localrule: True  # compute nodes have no network
    container:
        R.image("fetch", "split")
    threads: 1
    resources:
        **R.resources("fetch", "split"),
    params:
        **R.params("fetch", "split"),
    message:
        "fetch: dataset {wildcards.split}"
    shell:
        "exec piretry fetch --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule prepare:
    input:
        R.input("prepare", target=PROJECT.scale.name),
    output:
        R.output(paths.POOL),
        R.record(paths.POOL),
        R.output(paths.EVAL),
        R.record(paths.EVAL),
    log:
        R.output("logs/data/prepare.log"),
    container:
        R.image("prepare", target=PROJECT.scale.name)
    threads: 1
    resources:
        **R.resources("prepare", target=PROJECT.scale.name),
    params:
        **R.params("prepare", target=PROJECT.scale.name),
    message:
        "prepare: training pool and held-out problems"
    shell:
        "exec piretry prepare --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule overlap:
    input:
        R.input("overlap", target=PROJECT.scale.name),
    output:
        R.output(paths.TRAIN),
        R.record(paths.TRAIN),
        R.output(paths.OVERLAP),
        R.record(paths.OVERLAP),
        R.output(paths.OVERLAP_PAIRS),
        R.record(paths.OVERLAP_PAIRS),
    log:
        R.output("logs/data/overlap.log"),
    container:
        R.image("overlap", target=PROJECT.scale.name)
    threads: 1
    resources:
        **R.resources("overlap", target=PROJECT.scale.name),
    params:
        **R.params("overlap", target=PROJECT.scale.name),
    message:
        "overlap: matches between training pool and held-out problems"
    shell:
        "exec piretry overlap --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule theorems:
    input:
        R.input("theorems", target=PROJECT.scale.name),
    output:
        R.output(paths.THEOREMS),
        R.record(paths.THEOREMS),
        R.output(paths.THEOREMS_EVAL),
        R.record(paths.THEOREMS_EVAL),
    log:
        R.output("logs/data/theorems.log"),
    container:
        R.image("theorems", target=PROJECT.scale.name)
    threads: 1
    resources:
        **R.resources("theorems", target=PROJECT.scale.name),
    params:
        **R.params("theorems", target=PROJECT.scale.name),
    message:
        "theorems: training and held-out theorems of the prover"
    shell:
        "exec piretry theorems --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
