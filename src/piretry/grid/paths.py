"""Where every file lies under ``results/{scale}/``. The Snakemake rules and the stages both ask here.

The templates hold Snakemake wildcards in braces; the functions fill them for one state.
"""

from __future__ import annotations

from piretry.grid.names import State

RECORD_SUFFIX = ".prov.json"

SOURCE = "data/source/{split}"
POOL = "data/pool.parquet"
EVAL = "data/eval.parquet"
TRAIN = "data/train.parquet"
THEOREMS = "data/theorems.parquet"
THEOREMS_EVAL = "data/theorems-eval.parquet"
OVERLAP = "data/overlap.json"
OVERLAP_PAIRS = "data/overlap-pairs.parquet"
BASE_MODEL = "{role}/base/model"
MODEL = "{state}/model"
SFT = "{state}/sft.parquet"
ATTEMPTS = "{state}/attempts.parquet"
RESAMPLES = "{state}/resamples.parquet"
SKELETONS = "{state}/skeletons.parquet"
RETRIES = "{state}/retries-{prompt}.parquet"
CROSS_RETRIES = "{state}/retries-{prompt}.by-{writer}.parquet"
REPEATS = "{state}/repeats-{prompt}.parquet"
EVALUATION = "{state}/eval.parquet"
GATHERED = "{state}/{completions}.parquet"
SHARD = "{state}/shards/{completions}.{shard}.parquet"
COST = "tables/cost.json"
CLAIM = "claims/{claim}.json"
TABLE = "tables/{table}.csv"
REPORT = "report/index.html"


def shard(table: str, number: int | str) -> str:
    """The shard `number` of the completions table at `table`."""
    folder, _, name = table.rpartition("/")
    return f"{folder}/shards/{name.removesuffix('.parquet')}.{number}.parquet"


def record(path: str) -> str:
    """The path of the provenance record beside the artifact at `path`."""
    return path + RECORD_SUFFIX


def model(state: State) -> str:
    """The folder of the weights of `state`: every seed of a base shares one."""
    return BASE_MODEL.format(role=state.role) if state.is_base else MODEL.format(state=state.name)


def retries(state: State, prompt: str, writer: str) -> str:
    """The retries after the failed attempts of `state`, written by the model of role `writer`."""
    if writer == state.role:
        return RETRIES.format(state=state.name, prompt=prompt)
    return CROSS_RETRIES.format(state=state.name, prompt=prompt, writer=writer)
