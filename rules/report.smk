# The report: one HTML file; and the tokens that sharing saved, which it shows.


rule cost:
    input:
        R.input("cost", target=PROJECT.scale.name),
    output:
        R.output(paths.COST),
        R.record(paths.COST),
    log:
        R.output("logs/tables/cost.log"),
    threads: 1
    resources:
        **R.resources("cost"),
    params:
        **R.params("cost", target=PROJECT.scale.name),
    message:
        "cost: tokens generated and saved by sharing"
    shell:
        "piretry cost --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"


rule report:
    input:
        R.input("report", target=PROJECT.scale.name),
    output:
        R.output(paths.REPORT),
        R.record(paths.REPORT),
    log:
        R.output("logs/report/report.log"),
    threads: 1
    resources:
        **R.resources("report"),
    params:
        **R.params("report", target=PROJECT.scale.name),
    message:
        "report: {params.root}/report/index.html"
    shell:
        "piretry report --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"
