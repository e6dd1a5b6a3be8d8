# The report: one HTML file.


rule report:
    input:
        R.input("report", target=PROJECT.scale.name),
    output:
        R.output(paths.REPORT),
        R.record(paths.REPORT),
    log:
        R.output("logs/report/report.log"),
    params:
        **R.params("report", target=PROJECT.scale.name),
    threads: 1
    resources:
        **R.resources("report"),
    message:
        "report: {params.root}/report/index.html"
    shell:
        "piretry report --task {params.task:q} --root {params.root:q} > {log:q} 2>&1"
