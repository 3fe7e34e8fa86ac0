#!/usr/bin/env python3
"""Compares `storagectl check-store` with the engines' own checkers and with the limit.

Two stores are made, once, in the directory that --stores names (or the user's cache):
one of 2 GiB in 200 layers, one of 500 small images. Everything is measured with a warm
cache, peers in turns, and told as ratios of the best runs; times on a shared machine
prove nothing else. Layers are read in parallel: one huge layer is serial.
"""

import argparse
import hashlib
import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storagectl"

# The big store: images x layers x files of about so many bytes.
IMAGES, LAYERS, FILES, SIZE = 10, 20, 110, 100_000
SMALL = 500

MAX_MEMORY = 64 << 20


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, **options)
    if done.returncode != 0:
        sys.exit(f"error: {command}: {done.returncode}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done


def layer_tar(generator, files, size):
    """A tar stream of files with random content, from 1 byte to about twice `size`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for directory in range(1 + files // 20):
            entry = tarfile.TarInfo(f"d{directory}-{generator.randrange(1 << 30)}")
            entry.type, entry.mode, entry.mtime = tarfile.DIRTYPE, 0o755, 1_700_000_000
            tar.addfile(entry)
            for number in range(min(20, files - directory * 20)):
                length = generator.randrange(1, 2 * size)
                inner = tarfile.TarInfo(f"{entry.name}/f{number}")
                inner.size, inner.mode, inner.mtime = length, 0o644, 1_700_000_000
                tar.addfile(inner, io.BytesIO(generator.randbytes(length)))
    return out.getvalue()


def load(storage, running, images, layers, files, size):
    """Loads hand-made archives into `storage`, one image at a time."""
    generator = random.Random(1)
    base = layer_tar(generator, files, size)
    for image in range(images):
        parts = [base] if layers == 1 else []
        while len(parts) < layers:
            parts.append(layer_tar(generator, files, size))
        if layers == 1:
            parts.append(layer_tar(generator, 3, 500))
        digests = ["sha256:" + hashlib.sha256(part).hexdigest() for part in parts]
        config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": [str(image)]},
                             "rootfs": {"type": "layers", "diff_ids": digests}}).encode()
        names = [f"{number}.tar" for number in range(len(parts))]
        manifest = json.dumps([{"Config": "config.json", "Layers": names,
                                "RepoTags": [f"localhost/bench-{image}:1"]}]).encode()
        with tempfile.NamedTemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as tar:
                for name, content in [("manifest.json", manifest), ("config.json", config), *zip(names, parts)]:
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))
            archive.flush()
            run("unshare", "-m", "podman", "--root", storage, "--runroot", running, "load", "-q", "-i", archive.name)


def store(stores, name, *parameters):
    """The store `name`, made if it is not there."""
    wanted = stores / name
    if not wanted.is_dir():
        print(f"making the store {name}, once", file=sys.stderr)
        scratch = Path(tempfile.mkdtemp(dir=stores))
        # Podman wants a short path for what it keeps while it runs.
        with tempfile.TemporaryDirectory() as running:
            load(scratch / "storage", running, *parameters)
        (scratch / "storage").rename(wanted)
        shutil.rmtree(scratch, ignore_errors=True)
    return wanted


def measure(command, environment=None):
    """Wall time in seconds and peak memory in bytes of one run."""
    with tempfile.TemporaryFile() as said:
        started = time.perf_counter()
        child = subprocess.Popen([str(part) for part in command], stdout=said, stderr=said,
                                 env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(child.pid, 0)
        took = time.perf_counter() - started
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            sys.exit(f"error: {command}: {child.returncode}: {said.read().decode(errors='replace')[-2000:]}")
    return took, usage.ru_maxrss * 1024


def openssl(streams, jobs):
    """The limit: OpenSSL's SHA-256 over the same bytes on as many cores."""
    parts = [[] for _ in range(jobs)]
    for index, stream in enumerate(sorted(streams, key=lambda path: -path.stat().st_size)):
        parts[index % jobs].append(str(stream))
    started = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda part: run("openssl", "dgst", "-sha256", *part), parts))
    return time.perf_counter() - started, 0


def hashed(streams, jobs):
    """The same with larger pieces and without new processes: Python's hashlib is OpenSSL, too."""
    def digest(path):
        with open(path, "rb", buffering=0) as stream:
            hashlib.file_digest(stream, "sha256")

    started = time.perf_counter()
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(digest, streams))
    return time.perf_counter() - started, 0


def rounds(peers, count):
    """The best time, the most memory, the median time; peers in turns, the first round not
    counted. What else runs on the machine makes a run slower and never faster."""
    taken = {name: [] for name in peers}
    for number in range(count + 1):
        for name, peer in peers.items():
            result = peer()
            if number > 0:
                taken[name].append(result)
    return {name: (min(time for time, _ in results), max(memory for _, memory in results),
                   statistics.median(time for time, _ in results))
            for name, results in taken.items()}


def verdict(label, ratio, most):
    word = "as expected" if ratio <= most else "MISSED"
    print(f"{label}: {ratio:.2f} (expected at most {most:.2f}): {word}")
    return ratio <= most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--stores", type=Path, default=CACHE / "bench-stores")
    options = parser.parse_args()
    storagectl = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "release/storagectl"
    engines = Path(run(REPOSITORY / "tests/engines/build.sh", "podman-6", "containers-storage").stdout.decode().strip())
    options.stores.mkdir(parents=True, exist_ok=True)
    jobs = os.cpu_count() or 1

    big = store(options.stores, "big", IMAGES, LAYERS, FILES, SIZE)
    small = store(options.stores, "small", SMALL, 1, 3, 500)
    bytes_, layers = big_facts(big)
    print(f"{layers} layers, {bytes_ / (1 << 30):.2f} GiB; {SMALL} small images; {jobs} cores; the best of {options.rounds} runs (and the median)")

    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        # The engines' own storage is empty; the stores are additional, as served.
        conf = {}
        for name, path in (("big", big), ("small", small)):
            conf[name] = scratch / f"{name}.conf"
            conf[name].write_text(
                f'[storage]\ndriver = "overlay"\nrunroot = "{scratch}/run"\ngraphroot = "{scratch}/graph"\n'
                f'[storage.options]\nadditionalimagestores = ["{path}"]\n')
        streams = assembled(storagectl, big, options.stores)
        # In a name space of its own, with the cgroups that podman 6 wants to see.
        enter = 'mount -t tmpfs none /run && mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
        in_own = ["unshare", "-m", "sh", "-c", enter, "sh"]
        # Podman looks for its network programs, and does not start without.
        helpers = scratch / "helpers"
        helpers.mkdir()
        for helper in ("netavark", "aardvark-dns"):
            (helpers / helper).write_text("#!/bin/sh\n")
            (helpers / helper).chmod(0o755)
        (scratch / "containers.conf").write_text(
            f'[engine]\nhelper_binaries_dir = ["{helpers}"]\ncgroup_manager = "cgroupfs"\n')
        common = {"CONTAINERS_CONF": str(scratch / "containers.conf")}
        engine = {**common, "CONTAINERS_STORAGE_CONF": str(conf["big"])}
        deep = rounds({
            "check-store --deep": lambda: measure([storagectl, "--config", conf["big"], "check-store", "--deep", "--quiet"]),
            "podman 6 system check": lambda: measure([*in_own, engines / "podman-6", "system", "check"], engine),
            "containers-storage check": lambda: measure([*in_own, engines / "containers-storage", "check"], engine),
            "openssl dgst": lambda: openssl(streams, jobs),
            "hashlib (OpenSSL)": lambda: hashed(streams, jobs),
        }, options.rounds)
        engine = {**common, "CONTAINERS_STORAGE_CONF": str(conf["small"])}
        default = rounds({
            "check-store": lambda: measure([storagectl, "--config", conf["small"], "check-store", "--quiet"]),
            "podman 4 images": lambda: measure([*in_own, "podman", "images"], engine),
            "podman 6 images": lambda: measure([*in_own, engines / "podman-6", "images"], engine),
        }, options.rounds)

    for name, (took, memory, median) in {**deep, **default}.items():
        rate = f", {bytes_ / took / 1e9:.2f} GB/s" if name in deep else ""
        peak = f", {memory / (1 << 20):.0f} MiB" if memory else ""
        print(f"  {name}: {took * 1000:.0f} ms ({median * 1000:.0f} ms){rate}{peak}")
    ours, memory, _ = deep["check-store --deep"]
    fastest = min(deep[name][0] for name in ("podman 6 system check", "containers-storage check"))
    limit = min(deep[name][0] for name in ("openssl dgst", "hashlib (OpenSSL)"))
    listing = min(default[name][0] for name in ("podman 4 images", "podman 6 images"))
    memory = max(memory, default["check-store"][1])
    kept = [
        verdict("deep check / the faster engine's check", ours / fastest, 1 / 3),
        verdict("deep check / OpenSSL's SHA-256 of the same bytes", ours / limit, 1.5),
        verdict("default check of 500 images / `podman images`", default["check-store"][0] / listing, 1.0),
        verdict("peak memory / 64 MiB", memory / MAX_MEMORY, 1.0),
    ]
    if options.json:
        options.json.write_text(json.dumps({"bytes": bytes_, "layers": layers, "deep": deep, "default": default,
                                            "as_expected": all(kept)}, indent=2))


def big_facts(big):
    records = json.loads((big / "overlay-layers/layers.json").read_text())
    return sum(record["diff-size"] for record in records), len(records)


def assembled(storagectl, big, stores):
    """The layers' tar streams as files, for OpenSSL to read: the same bytes."""
    kept = stores / "streams"
    if not kept.is_dir():
        scratch = Path(tempfile.mkdtemp(dir=stores))
        generator = random.Random(1)
        layer_tar(generator, FILES, SIZE)  # the base, which the big store does not use
        for number in range(IMAGES * LAYERS):
            (scratch / f"{number}.tar").write_bytes(layer_tar(generator, FILES, SIZE))
        scratch.rename(kept)
    recorded = {record["diff-digest"] for record in json.loads((big / "overlay-layers/layers.json").read_text())}
    streams = sorted(kept.iterdir())
    if len(streams) != len(recorded):
        sys.exit("error: the streams are not those of the store; remove both")
    return streams


if __name__ == "__main__":
    main()
