#!/usr/bin/env python3
"""Compares `storagectl build-store` with `skopeo copy dir: containers-storage:`.

Twenty images of mixed size, some with common layers, and one image with one layer of
800 MiB, all as `dir:` directories with gzip, are made once. Peers run in turns, each
with a final sync of the file system and without; the best of the rounds counts. Memory
is the largest resident set of any process of a run.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "storagectl"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or REPOSITORY / "target")
PROGRAM = TARGET / "release" / "storagectl"

MIB = 1 << 20
FACTOR = 2.0


def layer(generator, name, megabytes, file_size):
    """A tar stream of about so many MiB; every other file can be compressed well."""
    out = io.BytesIO()
    words = [bytes(generator.choices(b"abcdefghijklmnopqrstuvwxyz", k=7)) + b" " for _ in range(4000)]
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        left, number = megabytes * MIB, 0
        while left > 0:
            size = max(1, min(left, generator.randrange(1, 2 * file_size)))
            if number % 20 == 0:
                directory = tarfile.TarInfo(f"{name}/d{number}")
                directory.type, directory.mode, directory.mtime = tarfile.DIRTYPE, 0o755, 1_600_000_000
                tar.addfile(directory)
            if number % 2:
                content = generator.randbytes(size)
            else:
                content = b"".join(generator.choices(words, k=size // 8 + 1))[:size]
            entry = tarfile.TarInfo(f"{name}/d{number - number % 20}/f{number}")
            entry.size, entry.mode, entry.mtime = size, 0o644, 1_600_000_000
            tar.addfile(entry, io.BytesIO(content))
            left -= size
            number += 1
    return out.getvalue()


def compress(stream):
    digest = "sha256:" + hashlib.sha256(stream).hexdigest()
    return gzip.compress(stream, 6, mtime=0), digest


def write_image(directory, layers):
    """A `dir:` image of (blob, diff id) pairs."""
    directory.mkdir(parents=True)

    def blob(content, kind):
        name = hashlib.sha256(content).hexdigest()
        (directory / name).write_bytes(content)
        return {"mediaType": kind, "size": len(content), "digest": f"sha256:{name}"}

    config = {
        "created": "2020-01-01T00:00:00Z",
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/sh"], "Labels": {"name": directory.name}},
        "rootfs": {"type": "layers", "diff_ids": [diff_id for _, diff_id in layers]},
        "history": [{"created": "2020-01-01T00:00:00Z"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": [blob(content, "application/vnd.oci.image.layer.v1.tar+gzip") for content, _ in layers],
    }
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "version").write_text("Directory Transport Version: 1.1\n")


def make_images(images):
    if images.exists():
        return
    print("making images, once", file=sys.stderr)
    work = images.with_name(images.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    generator = random.Random(7)
    bases = [compress(layer(generator, f"base{number}", size, 60_000)) for number, size in enumerate((80, 40, 20))]
    for number in range(20):
        layers = [bases[number % 3]]
        for index in range(1 + number % 3):
            size = (1, 4, 12, 30)[(number + index) % 4]
            layers.append(compress(layer(generator, f"own{number}-{index}", size, 40_000)))
        write_image(work / "mixed" / f"image{number:02}", layers)
    write_image(work / "large" / "image00", [compress(layer(generator, "large", 800, 400_000))])
    work.rename(images)


def measure(command):
    """Seconds and the largest resident set in MiB."""
    start = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    process.returncode = status
    if status != 0:
        sys.exit(f"error: {command}: {said.decode(errors='replace')[-2000:]}")
    return seconds, usage.ru_maxrss / 1024


def ours(images, out, *options):
    sources = [f"localhost/{image.name}:1=dir:{image}" for image in sorted(images.iterdir())]
    return [PROGRAM, "-q", "build-store", "-o", out, *options, *sources]


def skopeo(images, out, then="true"):
    copies = "\n".join(
        f"skopeo copy -q dir:{image} containers-storage:[overlay@{out}+{out}.run]localhost/{image.name}:1"
        for image in sorted(images.iterdir())
    )
    return ["unshare", "-m", "sh", "-ec", f"{copies}\numount {out}/overlay 2>/dev/null || :\n{then}"]


def remove(path):
    subprocess.run(["rm", "-rf", path, f"{path}.run"], check=True)
    os.sync()


def conclude(missed, well, results, file):
    """Says what was missed of what was expected, or that all is well; writes the results to a file."""
    for line in missed:
        print(f"missed: {line}")
    if not missed:
        print(well)
    if file:
        file.write_text(json.dumps(results, indent=2) + "\n")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--images", type=Path, default=CACHE / "build-images-1")
    arguments = arguments.parse_args()
    make_images(arguments.images)
    scratch = Path(tempfile.mkdtemp(dir=arguments.images.parent, prefix="build-bench-"))
    results = {}
    try:
        store, sealed = scratch / "store", scratch / "sealed.squashfs"
        for kind in ("mixed", "large"):
            images = arguments.images / kind
            sync = f"sync -f {store}"
            seal = f"mksquashfs {store} {sealed} -comp zstd -quiet -no-progress -noappend"
            peers = {
                "without sync": (
                    ours(images, store, "--no-sync"),
                    skopeo(images, store),
                ),
                "with sync": (
                    ["sh", "-ec", '"$@"\n' + sync, "sh", *ours(images, store)],
                    skopeo(images, store, sync),
                ),
                "sealed": (
                    ours(images, sealed, "--no-sync"),
                    skopeo(images, store, seal),
                ),
            }
            if kind == "large":
                # What takes its time is the compression, which is one program's.
                del peers["sealed"]
            for name, commands in peers.items():
                best = [(float("inf"), 0.0)] * 2
                for _ in range(arguments.rounds):
                    for index, command in enumerate(commands):
                        remove(store)
                        sealed.unlink(missing_ok=True)
                        seconds, memory = measure(command)
                        best[index] = (min(best[index][0], seconds), max(best[index][1], memory))
                results[f"{kind}, {name}"] = best
    finally:
        remove(scratch)
    missed = []
    print(f"{'':24} {'build-store':>20} {'skopeo':>20} {'ratio':>7}")
    for name, (own, other) in results.items():
        ratio = other[0] / own[0]
        show = [f"{seconds:.2f} s {memory:.0f} MiB" for seconds, memory in (own, other)]
        print(f"{name:24} {show[0]:>20} {show[1]:>20} {ratio:6.1f}x")
        if "mixed" in name and "sealed" not in name and ratio < FACTOR:
            missed.append(f"{name}: {ratio:.1f}x and not {FACTOR}x")
        if "sealed" not in name and own[1] > other[1]:
            missed.append(f"{name}: {own[1]:.0f} MiB, more than {other[1]:.0f} MiB")
    conclude(missed, "as expected: at least twice as fast for many images, and no more memory", results, arguments.json)


if __name__ == "__main__":
    main()
