# Training: the examples that a method keeps, and the model that they make.


rule select:
    input:
        R.input("select", "state"),
    output:
        R.output(paths.SFT),
        R.record(paths.SFT),
    log:
        R.output("logs/{state}/select.log"),
    priority: 10
    container:
        R.image("select", "state")
    threads: 1
    resources:
        **R.resources("select", "state"),
    params:
        **R.params("select", "state"),
    message:
        "select: {wildcards.state}"
    shell:
        "exec piretry select --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule train:
    input:
        R.input("train", "state"),
    output:
        directory(R.output(paths.MODEL)),
        R.record(paths.MODEL),
    log:
        R.output("logs/{state}/train.log"),
    wildcard_constraints:
        state=names.TUNED_PATTERN,
    priority: 10
    container:
        R.image("train", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("train", "state"),
    params:
        **R.params("train", "state"),
    message:
        "train: {wildcards.state}"
    shell:
        "exec piretry train --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


# Method skeleton: the prover that sees the sub-goals of known proofs teaches itself without them.
rule distill:
    input:
        R.input("distill", "state"),
    output:
        directory(R.output(paths.MODEL)),
        R.record(paths.MODEL),
    log:
        R.output("logs/{state}/distill.log"),
    wildcard_constraints:
        state=names.DISTILLED_PATTERN,
    priority: 10
    container:
        R.image("distill", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("distill", "state"),
    params:
        **R.params("distill", "state"),
    message:
        "distill: {wildcards.state}"
    shell:
        "exec piretry distill --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
