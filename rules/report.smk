# The report: one HTML file; and the tokens that sharing saved, which it shows. `snakemake --report` shows them too, with
# the captions that the marks `report(...)` name.


report: "../report/captions/workflow.rst"


rule cost:
    input:
        R.input("cost", target=PROJECT.scale.name),
    output:
        report(
            R.output(paths.COST),
            caption="../report/captions/cost.rst",
            category="Tables",
            labels={"table": "cost"},
        ),
        R.record(paths.COST),
    log:
        R.output("logs/tables/cost.log"),
    container:
        R.image("cost", target=PROJECT.scale.name)
    threads: 1
    resources:
        **R.resources("cost", target=PROJECT.scale.name),
    params:
        **R.params("cost", target=PROJECT.scale.name),
    message:
        "cost: tokens generated and saved by sharing"
    shell:
        "exec piretry cost --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"


rule report:
    input:
        R.input("report", target=PROJECT.scale.name),
    output:
        report(
            R.output(paths.REPORT),
            caption="../report/captions/report.rst",
            category="Report",
            labels={"page": "all claims"},
        ),
        R.record(paths.REPORT),
    log:
        R.output("logs/report/report.log"),
    container:
        R.image("report", target=PROJECT.scale.name)
    threads: 1
    resources:
        **R.resources("report", target=PROJECT.scale.name),
    params:
        **R.params("report", target=PROJECT.scale.name),
    message:
        "report: {params.root}/report/index.html"
    shell:
        "exec piretry report --task {params.task:q} --root {params.root:q} --code {params.code} > {log:q} 2>&1"
