# Evaluation on the held-out problems.


rule evaluate:
    input:
        R.input("evaluate", "state"),
    output:
        R.output(paths.EVALUATION),
        R.record(paths.EVALUATION),
    log:
        R.output("logs/{state}/evaluate.log"),
    container:
        R.image("evaluate", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("evaluate", "state"),
    params:
        **R.params("evaluate", "state"),
    message:
        "evaluate: {wildcards.state}"
    shell:
        "exec piretry evaluate --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
