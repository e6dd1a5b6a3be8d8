"""Publication: whole or nothing, whatever happens; and what the record then says."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from results_folder import BASE, BASE_STATE, CELL, STAGE_MODULES, Run, fill, model, rows

from piretry.errors import PiretryError
from piretry.provenance import hashing, layout
from piretry.provenance.code import code_digest
from piretry.provenance.model import Record, load, trusted_record
from piretry.provenance.record import Publication, read_record, record_path
from piretry.provenance.root import run_id


def publication(root: Path, *names: str, **more: object) -> Publication:
    values = {
        "root": root,
        "stage": "select",
        "target": BASE_STATE,
        "outputs": {name: root / BASE_STATE / name for name in names or ("sft.parquet",)},
        "modules": STAGE_MODULES,
        **more,
    }
    return Publication(**values)  # type: ignore[arg-type]


def files_below(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir()}


# -- what the record says


def test_the_record_says_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIRETRY_IMAGE", "containers/cpu.sif")
    monkeypatch.setenv("PIRETRY_IMAGE_SHA256", "ab" * 32)
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    root = tmp_path / "results" / "mini"
    Run(root).data()
    outside = tmp_path / "claims.yaml"
    outside.write_text("claims: []\n")
    job = publication(
        root,
        inputs={"problems": root / "data" / "train.parquet", "claims": outside},
        settings={"k": 3, "training": {"data_seed": 7}, "seed": 42, "rates": (0.5, 1.0)},
        facts={"losses": [1.5, 0.5], "models": {"small": {"id": "org/model", "revision": "c" * 40}}},
        command=["piretry", "select", "a name"],
    )
    with job:
        rows(job.temporary("sft.parquet"), 1)
        job.count(prompt_tokens=10, completion_tokens=5)
        job.count(prompt_tokens=10)
        job.note(datasets={"eval": {"id": "math", "revision": "1", "fingerprint": "f"}}, losses=[1.0])
        assert sum(value for value in range(2_000_000)) > 0  # some CPU time
    path = root / BASE_STATE / "sft.parquet"
    record = read_record(record_path(path))
    assert record_path(path).name == "sft.parquet.prov.json"
    assert record == job.records["sft.parquet"]
    assert record.artifact.path == f"{BASE_STATE}/sft.parquet"
    assert (record.artifact.sha256, record.artifact.size) == (hashing.sha256_file(path), path.stat().st_size)
    assert (record.stage, record.target, record.state) == ("select", BASE_STATE, BASE_STATE)
    assert (record.claim, record.table) == (None, None)
    assert record.settings == {"k": 3, "training": {"data_seed": 7}, "seed": 42, "rates": [0.5, 1.0]}
    assert record.seeds == {"seed": 42, "training.data_seed": 7}
    inside, out = record.inputs
    assert (inside.role, inside.path, inside.inside) == ("problems", "data/train.parquet", True)
    assert inside.sha256 == hashing.sha256_file(root / "data" / "train.parquet")
    assert inside.record == read_record(record_path(root / "data" / "train.parquet")).checksum
    assert (out.path, out.inside, out.record) == (outside.as_posix(), False, None)
    assert job.input_hashes == {"problems": inside.sha256, "claims": hashing.sha256_file(outside)}
    assert record.command == "piretry select 'a name'"
    assert record.code.digest == code_digest(STAGE_MODULES)
    assert record.modules == STAGE_MODULES
    assert record.packages["pyarrow"] == pa.__version__
    assert record.packages["piretry"] is not None
    assert record.packages["vllm"] is None or record.packages["vllm"][0].isdigit()
    assert (record.image.path, record.image.sha256) == ("containers/cpu.sif", "ab" * 32)
    assert [(entry.role, entry.id) for entry in record.models] == [("small", "org/model")]
    assert [(entry.role, entry.fingerprint) for entry in record.datasets] == [("eval", "f")]
    assert record.facts == {"losses": [1.0]}
    assert (record.machine.host, record.machine.slurm_job) == (socket.gethostname(), "4711")
    assert record.machine.cpu
    assert len(record.machine.gpus) == 2
    assert record.cost.counters == {"prompt_tokens": 20, "completion_tokens": 5}
    assert record.cost.cpu_seconds > 0
    assert record.cost.gpu_seconds == pytest.approx(2 * record.cost.wall_seconds, abs=0.01)
    assert record.cost.start < record.cost.end
    assert record.run == run_id(root)


def test_a_folder_is_published_with_each_of_its_files(run: Run) -> None:
    record = read_record(record_path(run.root / BASE / "model"))
    assert (record.artifact.kind, record.state) == ("directory", BASE)
    names = ["config.json", "model.safetensors", "tokenizer/tokenizer.json"]
    assert sorted(entry.path for entry in record.artifact.files) == names
    assert record.artifact.sha256 == hashing.sha256_directory(run.root / BASE / "model")
    judged = read_record(record_path(run.root / "claims" / "headline.json"))
    assert (judged.claim, judged.state) == ("headline", None)


def test_outputs_of_one_job_know_each_other(run: Run) -> None:
    pool = read_record(record_path(run.root / "data" / "pool.parquet"))
    other = read_record(record_path(run.root / "data" / "eval.parquet"))
    assert pool.siblings == ("data/eval.parquet",)
    assert pool.job == other.job


def test_a_record_survives_the_round_trip_and_shows_every_edit(run: Run) -> None:
    record = read_record(record_path(run.root / CELL / "model"))
    assert Record.from_json(record.to_json()) == record
    value = json.loads(record.to_json())
    for key in value:
        edited = json.loads(record.to_json())
        edited[key] = {"settings": {"seed": 43}, "schema": 1}.get(key, edited[key])
        if edited == value:
            continue
        assert load(json.dumps(edited)).edited
    assert load(json.dumps({**value, "stage": "other"})).edited
    with pytest.raises(ValueError, match="edited after it was written"):
        Record.from_json(json.dumps({**value, "seeds": {}}))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda value: value.pop("stage"), "stage: Field required"),
        (lambda value: value.update(mood="good"), "mood: Unexpected keyword argument"),
        (lambda value: value.update(schema=2), "it has schema 2, and this piretry reads schema 1"),
        (lambda value: value["cost"].update(started="yesterday"), "cost: .*yesterday"),
        (lambda value: value["cost"].update(started="2026-01-01T00:00:00+01:00"), "not a time in UTC"),
        (lambda value: value["artifact"].update(size="12"), "artifact.size: Input should be a valid integer"),
    ],
)
def test_what_is_no_record_is_refused_with_the_place(
    run: Run, edit: Callable[[dict[str, object]], object], message: str
) -> None:
    value = json.loads(record_path(run.root / BASE / "model").read_text())
    edit(value)
    with pytest.raises(ValueError, match=message):
        load(json.dumps(value))


def test_reading_a_bad_record_says_how_to_mend_it(run: Run) -> None:
    path = record_path(run.root / BASE / "model")
    path.write_text("{")
    with pytest.raises(PiretryError, match=r"model\.prov\.json is no valid provenance record.*Delete it together"):
        read_record(path)
    path.unlink()
    with pytest.raises(PiretryError, match="has no provenance record"):
        read_record(path)


# -- hashes of inputs are taken over from their records while size and time fit


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes are read to be hashed."""
    names: list[str] = []
    real = hashing.sha256_file
    monkeypatch.setattr(hashing, "sha256_file", lambda path: names.append(path.name) or real(path))
    return names


def test_a_recorded_input_is_not_read_again(run: Run, hashed: list[str]) -> None:
    (run.root / BASE / "model" / hashing.FOLDER_TIMESTAMP).touch()  # as Snakemake does after the job
    with publication(run.root, inputs={"model": run.root / BASE / "model"}) as job:
        assert hashed == []
        rows(job.temporary("sft.parquet"), 1)
    expected = hashing.sha256_directory(run.root / BASE / "model")
    assert job.records["sft.parquet"].inputs[0].sha256 == expected


@pytest.mark.parametrize("edit", ["bytes", "time", "extra", "record"])
def test_an_input_that_may_have_changed_is_read(run: Run, hashed: list[str], edit: str) -> None:
    folder = run.root / BASE / "model"
    if edit == "bytes":
        (folder / "config.json").write_text('{"hidden_size": 97}')
    elif edit == "time":
        os.utime(folder / "config.json", ns=(1, 1))
    elif edit == "extra":
        (folder / "extra").touch()
    else:
        path = record_path(folder)
        path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    assert trusted_record(folder) is None
    with publication(run.root, inputs={"model": folder}) as job:
        rows(job.temporary("sft.parquet"), 1)
    assert "config.json" in hashed
    assert job.records["sft.parquet"].inputs[0].sha256 == hashing.sha256_directory(folder)


def test_an_input_that_changes_meanwhile_is_refused(run: Run) -> None:
    problems = run.root / "data" / "train.parquet"
    before = files_below(run.root)
    with (
        pytest.raises(PiretryError, match=r"train\.parquet changed while select was reading it"),
        publication(run.root, inputs={"problems": problems}) as job,
    ):
        rows(job.temporary("sft.parquet"), 1)
        problems.write_bytes(b"other")
    assert files_below(run.root) == before
    with publication(run.root, inputs={"problems": problems}) as job:
        rows(job.temporary("sft.parquet"), 1)
        os.utime(problems)  # Snakemake touches files: no change of bytes is no change


# -- what goes wrong leaves nothing


def test_a_missing_input_names_its_stage_and_the_command(tmp_path: Path) -> None:
    root = tmp_path / "results" / "mini"
    missing = root / CELL / "model"
    with (
        pytest.raises(
            PiretryError, match=rf"input 'model' of select .*Stage train makes it: run `snakemake .*{missing}`"
        ),
        publication(root, inputs={"model": missing}),
    ):
        pass
    with (
        pytest.raises(PiretryError, match=r"nowhere\.txt does not exist\. Check the path"),
        publication(root, inputs={"x": tmp_path / "nowhere.txt"}),
    ):
        pass
    assert not root.exists()


class Wrong(Exception):
    pass


@pytest.mark.parametrize("error", [Wrong, KeyboardInterrupt, SystemExit])
def test_an_exception_publishes_nothing_and_keeps_the_old(run: Run, error: type[BaseException]) -> None:
    run.job("train", CELL, {"model": f"{CELL}/model"}, write=model, seed=77)
    before = {name: (run.root / name).read_bytes() for name in files_below(run.root)}
    with pytest.raises(error), publication(run.root, "model", "log.csv", target=CELL) as job:
        model(job.temporary("model"), 5)
        job.temporary("log.csv").write_text("half")
        raise error
    assert {name: (run.root / name).read_bytes() for name in files_below(run.root)} == before


def test_an_output_that_was_not_written_is_an_error(run: Run) -> None:
    before = files_below(run.root)
    with (
        pytest.raises(PiretryError, match=r"finished without writing its output .b\.csv."),
        publication(run.root, "a.csv", "b.csv") as job,
    ):
        job.temporary("a.csv").write_text("x")
    assert files_below(run.root) == before


def test_names_of_outputs_are_checked(tmp_path: Path) -> None:
    root = tmp_path / "mini"
    with pytest.raises(PiretryError, match="lies outside the results folder"):
        publication(root, outputs={"x": tmp_path / "elsewhere.csv"})
    with pytest.raises(PiretryError, match="lies outside the results folder"):
        publication(root, outputs={"x": root / ".." / "elsewhere.csv"})
    with pytest.raises(PiretryError, match="each with a path of its own"):
        publication(root, outputs={"x": root / "a.csv", "y": root / "." / "a.csv"})
    with publication(root, "table.csv") as job:
        with pytest.raises(PiretryError, match=r"no output 'tabel.csv'. Did you mean 'table.csv'"):
            job.temporary("tabel.csv")
        job.temporary("table.csv").write_text("x")
    with pytest.raises(PiretryError, match="noted models or datasets that do not fit"), publication(root) as job:
        job.temporary("sft.parquet").touch()
        job.note(models={"small": {"name": "x"}})


def test_a_rename_that_fails_halfway_is_undone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: (run.root / name).read_bytes() for name in files_below(run.root)}
    real = Path.rename
    done: list[Path] = []

    def rename(self: Path, target: Path) -> Path:
        if target == run.root / "data" / "eval.parquet":
            monkeypatch.setattr(Path, "rename", real)  # the way back works
            raise OSError(errno.EIO, "Input/output error", str(self))
        done.append(target)
        return real(self, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(OSError, match="Input/output error"):
        run.data()
    assert run.root / "data" / "pool.parquet" in done  # the first output was in place already
    assert {name: (run.root / name).read_bytes() for name in files_below(run.root)} == before


def test_an_old_output_is_replaced_whole(run: Run) -> None:
    old = run.root / CELL / "model"
    (old / "left-over.bin").touch()
    run.job("train", CELL, {"model": f"{CELL}/model"}, write=model, seed=99)
    assert not (old / "left-over.bin").exists()
    assert trusted_record(old) is not None
    assert json.loads((old / "config.json").read_text())["seed"] == 99


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from piretry.provenance import record
    from piretry.provenance.record import Publication

    def write_model(folder, text):
        folder.mkdir()
        (folder / "config.json").write_text(text)
        (folder / "weights").write_bytes(os.urandom(100_000))

    def publish(root, moment, text):
        def die():
            os.kill(os.getpid(), signal.SIGKILL)
        if moment == "before the swap":
            record.swap_in = lambda finished: die()
        if moment.startswith("at rename"):
            real, left = Path.rename, [int(moment.split()[-1])]
            def rename(self, target):
                if not left[0]:
                    die()
                left[0] -= 1
                return real(self, target)
            Path.rename = rename
        outputs = {"model": root / "cell/model", "sft": root / "cell/sft.csv"}
        with Publication(root=root, stage="s", target="cell", modules=("piretry.errors",), outputs=outputs) as job:
            write_model(job.temporary("model"), text)
            if moment == "while writing":
                die()
            job.temporary("sft").write_text(text)

    # Each publication in a process of its own, without the cost of a start.
    for line in sys.stdin:
        root, moment, text = line.rstrip("\\n").split("|")
        child = os.fork()
        if not child:
            publish(Path(root), moment, text)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_kill_9_at_any_moment_leaves_no_output_or_a_whole_one(tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(KILLED)], **pipes) as program:  # type: ignore[call-overload]

        def publish(root: Path, moment: str, text: str) -> int:
            program.stdin.write(f"{root}|{moment}|{text}\n")
            program.stdin.flush()
            return int(program.stdout.readline())

        for old, renames in ((False, 4), (True, 8)):
            for moment in ("while writing", "before the swap", *(f"at rename {n}" for n in range(renames)), "never"):
                root = tmp_path / f"{moment}-{old}"
                if old:
                    assert publish(root, "never", "old") == 0
                assert publish(root, moment, "new") == (0 if moment == "never" else -signal.SIGKILL), moment
                for name in ("model", "sft.csv"):
                    artifact = root / "cell" / name
                    if artifact.exists():  # then its record is there, is valid, and fits
                        record = read_record(record_path(artifact))
                        assert record.artifact.sha256 == hashing.hash_content(artifact).sha256, moment
                    else:
                        assert moment != "never"
                # The next run takes over from whatever is left, and cleans up after it.
                assert publish(root, "never", "again") == 0
                assert files_below(root) == {
                    "run.json",
                    "cell/sft.csv",
                    "cell/sft.csv.prov.json",
                    "cell/model.prov.json",
                    "cell/model/config.json",
                    "cell/model/weights",
                }, moment
                assert (root / "cell" / "sft.csv").read_text() == "again"


# -- two at once


def test_two_jobs_cannot_write_one_output(tmp_path: Path) -> None:
    root = tmp_path / "mini"
    program = textwrap.dedent(
        f"""
        import sys
        from pathlib import Path
        from piretry.provenance.record import Publication
        root = Path({str(root)!r})
        outputs = {{"sft.parquet": root / "{BASE_STATE}/sft.parquet"}}
        with Publication(root=root, stage="s", target="t", modules=("piretry.errors",), outputs=outputs) as job:
            job.temporary("sft.parquet").write_text("theirs")
            print("ready", flush=True)
            sys.stdin.read()
        """
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "ready\n"
        with (
            pytest.raises(PiretryError, match=rf"being written by another job \(process {other.pid} on"),
            publication(root),
        ):
            pass
        assert len(layout.temporaries_of(root / BASE_STATE / "sft.parquet")) == 1  # theirs is not touched
        with publication(root, "other.csv") as job:  # another output of the same state is free
            job.temporary("other.csv").write_text("ours")
        other.communicate("")
    assert other.returncode == 0
    assert (root / BASE_STATE / "sft.parquet").read_text() == "theirs"
    with publication(root) as job:
        job.temporary("sft.parquet").write_text("ours")
        with pytest.raises(PiretryError, match="another thread"), publication(root):
            pass
    assert (root / BASE_STATE / "sft.parquet").read_text() == "ours"
    assert not list(root.rglob(".lock-*"))


def test_many_jobs_at_once_share_one_new_results_folder(tmp_path: Path) -> None:
    root = tmp_path / "results" / "mini"
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with publication(root, f"retries-{number}.parquet") as job:
                rows(job.temporary(f"retries-{number}.parquet"), number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    records = [read_record(path) for path in sorted(root.rglob("*.prov.json"))]
    assert len(records) == 16
    assert {record.run for record in records} == {run_id(root)}
    assert len({record.job for record in records}) == 16


def test_the_lock_dies_with_its_process_though_a_forked_worker_lives_on(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import os, signal, sys, time
        from pathlib import Path
        from piretry.provenance.record import Publication
        root = Path({str(tmp_path)!r})
        with Publication(root=root, stage="s", target="t", modules=("piretry.errors",),
                         outputs={{"a": root / "a.csv"}}) as job:
            worker = os.fork()
            if worker == 0:
                time.sleep(60)
                os._exit(0)
            print(worker, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    done = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert done.stdout is not None
    worker = int(done.stdout.readline())
    try:
        assert done.wait() == -signal.SIGKILL
        with publication(tmp_path, outputs={"a": tmp_path / "a.csv"}) as job:
            job.temporary("a").write_text("x")
    finally:
        os.kill(worker, signal.SIGKILL)
        done.stdout.close()
    assert files_below(tmp_path) == {"a.csv", "a.csv.prov.json", "run.json"}


# -- disks


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mounts a 2 MB tmpfs with the given options; skips where the tests may not mount."""
    with ExitStack() as stack:

        def make(options: str) -> Path:
            folder = tmp_path / f"disk-{time.monotonic_ns()}"
            folder.mkdir()
            command = ["mount", "-t", "tmpfs", "-o", f"size=2m,{options}", "none", str(folder)]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=False)
            except FileNotFoundError:
                pytest.skip("there is no mount command: a full and a read-only disk are NOT tested here")
            if done.returncode:
                pytest.skip(
                    f"tmpfs may not be mounted ({done.stderr.strip()}): full and read-only disks are NOT tested"
                )
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=False)
            return folder

        yield make


def write_text(path: Path) -> None:
    path.write_text("x" * 4_000_000)


def write_parquet(path: Path) -> None:
    rows(path, 1, count=500_000)


def write_tensors(path: Path) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path.mkdir()
    (path / "config.json").write_text("{}")
    save_file({"w": __import__("numpy").zeros(1_000_000)}, path / "model.safetensors")


@pytest.mark.parametrize("write", [write_text, write_parquet, write_tensors])
def test_a_full_disk_is_said_and_leaves_nothing(mount: Callable[[str], Path], write: Callable[[Path], None]) -> None:
    root = mount("rw")
    run_id(root)
    expected = r"The disk is full: select small/base/s42 could not write .*/(model|s42/model).* \([0-9.]+ MB free\)"
    with pytest.raises(PiretryError, match=expected) as caught, publication(root, "model") as job:
        write(job.temporary("model"))
    assert "run the same command again" in str(caught.value)
    assert ".tmp-" not in str(caught.value)
    assert files_below(root) == {"run.json"}
    with publication(root, "model") as job:  # and there is room again
        rows(job.temporary("model"), 1)


def test_a_disk_that_fills_up_at_the_record_leaves_nothing(mount: Callable[[str], Path]) -> None:
    root = mount("rw")
    run_id(root)
    with pytest.raises(PiretryError, match="The disk is full"), publication(root, "model") as job:
        path = job.temporary("model")
        with path.open("wb") as stream, pytest.raises(OSError, match="No space left"):
            while True:
                stream.write(b"x" * 4096)
                stream.flush()
    assert files_below(root) == {"run.json"}


def test_a_read_only_folder_is_said_before_the_work(mount: Callable[[str], Path]) -> None:
    root = mount("rw")
    publish = publication(root)
    with publish as job:
        rows(job.temporary("sft.parquet"), 1)
    before = files_below(root)
    subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
    with (
        pytest.raises(PiretryError, match=r"cannot be written \(Read-only file system\).*Make the results folder"),
        publication(root),
    ):
        pytest.fail("the stage must not be started")
    assert files_below(root) == before


def test_a_forbidden_folder_is_said(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        with (
            pytest.raises(PiretryError, match=r"cannot be written \(Permission denied\)"),
            publication(tmp_path) as job,
        ):
            raise PermissionError(errno.EACCES, "Permission denied", str(job.temporary("sft.parquet")))
        return
    (tmp_path / "mini").mkdir(mode=0o500)
    with pytest.raises(PiretryError, match=r"cannot be written \(Permission denied\)"), publication(tmp_path / "mini"):
        pass


def test_other_errors_keep_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(PermissionError, match="elsewhere"), publication(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere")
    with pytest.raises(PiretryError, match=r"^mine$"), publication(tmp_path):
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise PiretryError("mine") from error


# -- results folders


def test_a_results_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    run_id(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 9'))
    with (
        pytest.raises(PiretryError, match="has schema 9, and this piretry reads and writes schema 1"),
        publication(tmp_path),
    ):
        pass
    path.write_text("{")
    with pytest.raises(PiretryError, match=r"run\.json is damaged"), publication(tmp_path):
        pass


def test_a_file_system_without_hard_links_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    assert run_id(tmp_path) == run_id(tmp_path)
    assert files_below(tmp_path) == {"run.json"}


def test_a_results_folder_behind_a_link_is_the_same_folder(tmp_path: Path) -> None:
    fill(tmp_path / "scratch")
    (tmp_path / "results").symlink_to(tmp_path / "scratch")
    with publication(tmp_path / "results", inputs={"model": tmp_path / "scratch" / BASE / "model"}) as job:
        rows(job.temporary("sft.parquet"), 1)
    assert job.records["sft.parquet"].inputs[0].path == f"{BASE}/model"


def test_two_runs_make_the_same_bytes_and_differ_in_their_records_only(tmp_path: Path) -> None:
    one, two = fill(tmp_path / "one").root, fill(tmp_path / "two").root
    assert files_below(one) == files_below(two)
    for name in files_below(one):
        same = (one / name).read_bytes() == (two / name).read_bytes()
        assert same == (not name.endswith(".prov.json") and name != "run.json"), name
    first, second = (read_record(record_path(root / CELL / "model")) for root in (one, two))
    blank = {"run": "", "job": "", "artifact": first.artifact, "inputs": (), "cost": first.cost}
    assert replace(first, **blank) == replace(second, **blank)  # type: ignore[arg-type]
    assert first.artifact.sha256 == second.artifact.sha256
