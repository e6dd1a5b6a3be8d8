"""Running on a Slurm cluster: the set-up of a site (`piretry init slurm`) and recovery after a kill."""
