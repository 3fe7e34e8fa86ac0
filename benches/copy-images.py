#!/usr/bin/env python3
"""Compares `storagectl copy-images` with the shell loop that copies with skopeo.

Twenty images of mixed size, some with common layers, are embedded as `dir:` directories
with a list. Measured are a cold copy, on one processor and on all, and a second boot on
which everything is there; and `verify-images` against `openssl dgst -sha256` over the
same files on as many processors. Peers run in turns; the best of the rounds counts. What
is copied is not synced by skopeo, and is by storagectl: so the loop is also measured with
a sync of the file system behind it.
"""

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
specification = importlib.util.spec_from_file_location("build_store", HERE / "build-store.py")
images_of = importlib.util.module_from_spec(specification)
specification.loader.exec_module(images_of)

CACHE, PROGRAM = images_of.CACHE, images_of.PROGRAM

LOOP = """while IFS="," read -r img sha; do
    skopeo copy -q --preserve-digests "dir:$DIR/$sha" "containers-storage:$img"
done <"$DIR/image-list.txt"
umount "$GRAPH/overlay" 2>/dev/null || :"""


def embed(images, out):
    """Directories and list as image builds make them; the blobs are hard links."""
    out.mkdir()
    lines = []
    for image in sorted(images.iterdir()):
        reference = f"registry.example.com/{image.name}:1"
        directory = hashlib.sha256(f"{reference}\n".encode()).hexdigest()
        shutil.copytree(image, out / directory, copy_function=os.link)
        lines.append(f"{reference},{directory}\n")
    (out / "image-list.txt").write_text("".join(lines))


def measure(command, environment):
    start = time.monotonic()
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(f"error: {command}: {done.stderr.decode(errors='replace')[-2000:]}")
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--images", type=Path, default=CACHE / "build-images-1")
    arguments = parser.parse_args()
    images_of.make_images(arguments.images)
    cores = sorted(os.sched_getaffinity(0))
    one, two = [["taskset", "-c", ",".join(map(str, cores[:count]))] for count in (1, 2)]
    scratch = Path(tempfile.mkdtemp(dir=arguments.images.parent, prefix="copy-bench-"))
    try:
        embedded, graph, store = scratch / "embedded", scratch / "graph", scratch / "store"
        embed(arguments.images / "mixed", embedded)
        conf = scratch / "storage.conf"
        text = f'[storage]\ndriver = "overlay"\nrunroot = "{scratch}/run"\ngraphroot = "{graph}"\n'
        environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(conf), "DIR": str(embedded), "GRAPH": str(graph)}

        def clear():
            subprocess.run(["rm", "-rf", graph, store, scratch / "run"], check=True)
            conf.write_text(text)
            os.sync()

        ours = [PROGRAM, "-q", "--config", conf, "copy-images", "--source", embedded]
        loop = ["unshare", "-m", "sh", "-ec", LOOP]
        synced = ["unshare", "-m", "sh", "-ec", f'{LOOP}\nsync -f "$GRAPH"']
        to_store = [*ours, "--store", store]
        blobs = "find \"$DIR\" -type f -size +4k -print0 | xargs -0 -n 4 -P 2 openssl dgst -sha256 >/dev/null"
        cold = {
            "cold, one job": ([*one, *ours, "--jobs", "1"], [*one, *loop], 1.0),
            "cold, two jobs": ([*two, *ours, "--jobs", "2"], [*two, *loop], 1.5),
            "cold, two jobs, store": ([*two, *to_store, "--jobs", "2"], [*two, *loop], 1.5),
            "cold, two jobs, both synced": ([*two, *ours, "--jobs", "2"], [*two, *synced], 1.5),
        }
        warm = {
            "nothing to do": ([*two, *ours], [*two, *loop], 20.0),
            "nothing to do, store": ([*two, *to_store], [*two, *loop], 20.0),
            "verify-images": (
                [*two, PROGRAM, "-q", "verify-images", "--jobs", "2", "--source", embedded],
                [*two, "sh", "-c", blobs],
                1 / 1.3,
            ),
        }
        results = {}

        def compare(name, commands, before):
            best = results.setdefault(name, [float("inf"), float("inf"), commands[2]])
            for index, command in enumerate(commands[:2]):
                before()
                best[index] = min(best[index], measure(command, environment))

        for _ in range(arguments.rounds):
            for name, commands in cold.items():
                compare(name, commands, clear)
        clear()
        for command in (loop, ours, to_store):
            measure(command, environment)
        for _ in range(max(arguments.rounds, 5)):
            for name, commands in warm.items():
                compare(name, commands, lambda: None)
    finally:
        subprocess.run(["rm", "-rf", scratch], check=True)
        os.sync()
    missed = []
    print(f"{'':28} {'storagectl':>12} {'other':>12} {'ratio':>8} {'expected':>9}")
    for name, (own, other, expected) in results.items():
        ratio = other / own
        print(f"{name:28} {own:10.3f} s {other:10.3f} s {ratio:7.2f}x {expected:8.2f}x")
        if ratio < expected:
            missed.append(f"{name}: {ratio:.2f}x and not {expected:.2f}x")
    images_of.conclude(missed, "as expected", results, arguments.json)


main()
