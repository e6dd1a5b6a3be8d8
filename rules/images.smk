# The container images, built on the submit host: `snakemake images` before the first run on a cluster, and again after
# an edit of code or pins. The output is the sidecar with the image's checksum: Snakemake deletes outputs before it makes
# them again, and the image that is there gives the new one its packages.

from piretry.images.definition import BASES, KINDS, Definition
from piretry.images.sidecar import SUFFIX


localrules:
    image,
    images,


# Those that jobs of the scale run in.
rule images:
    input:
        lambda wildcards: expand(f"images/{{kind}}.sif{SUFFIX}", kind=CONTAINERS.kinds),


rule image:
    input:
        lambda wildcards: Definition(wildcards.kind, Path(workflow.basedir)).sources,
        lambda wildcards: [
            f"images/{BASES[kind]}.sif{SUFFIX}"
            for kind in BASES
            if kind == wildcards.kind
        ],
    output:
        f"images/{{kind}}.sif{SUFFIX}",
    log:
        "images/{kind}.log",
    wildcard_constraints:
        kind="|".join(KINDS),
    params:
        code=lambda wildcards: Definition(
            wildcards.kind, Path(workflow.basedir)
        ).code_digest,
    message:
        "image: images/{wildcards.kind}.sif"
    shell:
        "piretry image build {wildcards.kind} > {log:q} 2>&1"
