# Sampling on the training problems: first attempts, fresh attempts, retries, and repeats of successful retries.


rule attempt:
    input:
        R.input("attempt", "state"),
    output:
        R.output(paths.ATTEMPTS),
        R.record(paths.ATTEMPTS),
    log:
        R.output("logs/{state}/attempt.log"),
    priority: 10
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("attempt"),
    params:
        **R.params("attempt", "state"),
    message:
        "attempt: {wildcards.state}"
    shell:
        "piretry attempt --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule resample:
    input:
        R.input("resample", "state"),
    output:
        R.output(paths.RESAMPLES),
        R.record(paths.RESAMPLES),
    log:
        R.output("logs/{state}/resample.log"),
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("resample"),
    params:
        **R.params("resample", "state"),
    message:
        "resample: {wildcards.state}"
    shell:
        "piretry resample --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule retry:
    input:
        R.input("retry", "state", "prompt"),
    output:
        R.output(paths.RETRIES),
        R.record(paths.RETRIES),
    log:
        R.output("logs/{state}/retry-{prompt}.log"),
    priority: 10
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("retry"),
    params:
        **R.params("retry", "state", "prompt"),
    message:
        "retry: {wildcards.state}, prompt {wildcards.prompt}"
    shell:
        "piretry retry --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule retry_cross:
    input:
        R.input("retry", "state", "prompt", "writer"),
    output:
        R.output(paths.CROSS_RETRIES),
        R.record(paths.CROSS_RETRIES),
    log:
        R.output("logs/{state}/retry-{prompt}.by-{writer}.log"),
    priority: 10
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("retry"),
    params:
        **R.params("retry", "state", "prompt", "writer"),
    message:
        "retry: {wildcards.state}, prompt {wildcards.prompt}, written by {wildcards.writer}"
    shell:
        "piretry retry --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule repeat:
    input:
        R.input("repeat", "state", "prompt"),
    output:
        R.output(paths.REPEATS),
        R.record(paths.REPEATS),
    log:
        R.output("logs/{state}/repeat-{prompt}.log"),
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("repeat"),
    params:
        **R.params("repeat", "state", "prompt"),
    message:
        "repeat: {wildcards.state}, prompt {wildcards.prompt}"
    shell:
        "piretry repeat --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"
