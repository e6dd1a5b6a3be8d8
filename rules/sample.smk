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
    container:
        R.image("attempt", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("attempt", "state"),
    params:
        **R.params("attempt", "state"),
    message:
        "attempt: {wildcards.state}"
    shell:
        "exec piretry attempt --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule resample:
    input:
        R.input("resample", "state"),
    output:
        R.output(paths.RESAMPLES),
        R.record(paths.RESAMPLES),
    log:
        R.output("logs/{state}/resample.log"),
    container:
        R.image("resample", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("resample", "state"),
    params:
        **R.params("resample", "state"),
    message:
        "resample: {wildcards.state}"
    shell:
        "exec piretry resample --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule retry:
    input:
        R.input("retry", "state", "prompt"),
    output:
        R.output(paths.RETRIES),
        R.record(paths.RETRIES),
    log:
        R.output("logs/{state}/retry-{prompt}.log"),
    wildcard_constraints:
        state=R.alone(""),
    priority: 10
    container:
        R.image("retry", "state", "prompt")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("retry", "state", "prompt"),
    params:
        **R.params("retry", "state", "prompt"),
    message:
        "retry: {wildcards.state}, prompt {wildcards.prompt}"
    shell:
        "exec piretry retry --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule retry_cross:
    input:
        R.input("retry", "state", "prompt", "writer"),
    output:
        R.output(paths.CROSS_RETRIES),
        R.record(paths.CROSS_RETRIES),
    log:
        R.output("logs/{state}/retry-{prompt}.by-{writer}.log"),
    priority: 10
    container:
        R.image("retry", "state", "prompt", "writer")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("retry", "state", "prompt", "writer"),
    params:
        **R.params("retry", "state", "prompt", "writer"),
    message:
        "retry: {wildcards.state}, prompt {wildcards.prompt}, written by {wildcards.writer}"
    shell:
        "exec piretry retry --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule repeat:
    input:
        R.input("repeat", "state", "prompt"),
    output:
        R.output(paths.REPEATS),
        R.record(paths.REPEATS),
    log:
        R.output("logs/{state}/repeat-{prompt}.log"),
    container:
        R.image("repeat", "state", "prompt")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("repeat", "state", "prompt"),
    params:
        **R.params("repeat", "state", "prompt"),
    message:
        "repeat: {wildcards.state}, prompt {wildcards.prompt}"
    shell:
        "exec piretry repeat --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule skeleton:
    input:
        R.input("skeleton", "state"),
    output:
        R.output(paths.SKELETONS),
        R.record(paths.SKELETONS),
    log:
        R.output("logs/{state}/skeleton.log"),
    priority: 10
    container:
        R.image("skeleton", "state")
    threads: PROJECT.scale.engine.threads
    resources:
        **R.resources("skeleton", "state"),
    params:
        **R.params("skeleton", "state"),
    message:
        "skeleton: {wildcards.state}"
    shell:
        "exec piretry skeleton --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


# Where the scale shares the start of the engine: one job for all the prompts of a state. `alone` keeps rule retry off them.
for shared in R.shared_retries():

    rule:
        name:
            f"retry_{shared.name}"
        input:
            R.input("retry", "state", prompts="+".join(shared.prompts)),
        output:
            [
                R.output(shared.pattern(paths.RETRIES, prompt))
                for prompt in shared.prompts
            ],
            [
                R.record(shared.pattern(paths.RETRIES, prompt))
                for prompt in shared.prompts
            ],
        log:
            R.output(f"logs/{{state}}/retry-{shared.name}.log"),
        wildcard_constraints:
            state=shared.states,
        priority: 10
        container:
            R.image("retry", "state", prompts="+".join(shared.prompts))
        threads: PROJECT.scale.engine.threads
        resources:
            **R.resources("retry", "state", prompts="+".join(shared.prompts)),
        params:
            **R.params("retry", "state", prompts="+".join(shared.prompts)),
        message:
            f"retry: {{wildcards.state}}, prompts {', '.join(shared.prompts)}"
        shell:
            "exec piretry retry --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
