"""The Apptainer images: how they are built and addressed, and what a job needs inside one.

`definition` says what an image is made of, `wheels` and `build` make it, `sidecar` knows it by its checksum,
`job` prepares the environment of `apptainer exec`, `inside` is what code asks that runs in an image.
"""
