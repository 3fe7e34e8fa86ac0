#!/usr/bin/env python3
"""Compares `storagectl embed-images` with the loop that copies with skopeo.

Twelve images, of each of which 80 % is a base that they share, lie in a real registry on
a loopback interface that the kernel limits to 50 MB/s. Both write `dir:` directories, two
blobs at a time: skopeo itself takes more. Peers run in turns, the best of the rounds
counts. What came over the interface is what the kernel counted. The loop is measured with a
sync of the file system behind it too, since storagectl syncs what it writes.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import socket
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
IMAGES, RATE = 12, "400mbit"

LOOP = """while read -r ref; do
    hex=$(echo "$ref" | sha256sum | cut -d ' ' -f 1)
    skopeo copy -q --all --preserve-digests "docker://$ref" "dir:$0/$hex"
    echo "$ref,$hex" >>"$0/image-list.txt"
done <"$1\""""


def make_images(images):
    """A base of 60 MiB in three layers, and 15 MiB in two layers of each image's own."""
    if images.exists():
        return
    print("making images, once", file=sys.stderr)
    work = images.with_name(images.name + ".new")
    shutil.rmtree(work, ignore_errors=True)
    generator = random.Random(12)

    def layer(megabytes):
        # As it comes out of gzip: nothing makes it smaller.
        return images_of.compress(generator.randbytes(megabytes << 20))

    base = [layer(size) for size in (40, 15, 5)]
    for number in range(IMAGES):
        images_of.write_image(work / f"image{number:02}", [*base, layer(12), layer(3)])
    work.rename(images)


def received():
    # Of the network of this process; /sys shows that of the mount.
    lines = Path("/proc/self/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def measure(command, environment):
    before, start = received(), time.monotonic()
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        sys.exit(f"error: {command}: {done.stderr.decode(errors='replace')[-2000:]}")
    return seconds, received() - before


def serve(scratch, port):
    """The registry, as a process."""
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(scratch / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (scratch / "config.json").write_text(json.dumps(config))
    environment = {**os.environ, "OTEL_TRACES_EXPORTER": "none"}
    process = subprocess.Popen(
        ["docker-registry", "serve", scratch / "config.json"], env=environment, stderr=subprocess.DEVNULL
    )
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return process
        time.sleep(0.1)
    sys.exit("error: docker-registry does not listen")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--images", type=Path, default=CACHE / "embed-images-1")
    arguments = parser.parse_args()
    make_images(arguments.images)
    scratch = Path(tempfile.mkdtemp(dir=arguments.images.parent, prefix="embed-bench-"))
    # In a network that this process has for itself.
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    registry = serve(scratch, 5000)
    try:
        home, out = scratch / "home", scratch / "out"
        (home / ".config/containers").mkdir(parents=True)
        (home / ".config/containers/registries.conf").write_text(
            '[[registry]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n'
        )
        environment = {**os.environ, "HOME": str(home)}
        references = scratch / "references"
        names = sorted(image.name for image in arguments.images.iterdir())
        references.write_text("".join(f"127.0.0.1:5000/{name}:1\n" for name in names))
        for name in names:
            source, target = f"dir:{arguments.images / name}", f"docker://127.0.0.1:5000/{name}:1"
            subprocess.run(["skopeo", "copy", "-q", source, target], env=environment, check=True)
        subprocess.run(
            ["tc", "qdisc", "add", "dev", "lo", "root", "tbf"]
            + ["rate", RATE, "burst", "256kb", "latency", "50ms"],
            check=True,
        )
        ours = [PROGRAM, "-q", "embed-images", "--jobs", "2", "--into", out, "--from", references]
        loop = ["sh", "-ec", LOOP, out, references]
        synced = ["sh", "-ec", f'{LOOP}\nsync -f "$0"', out, references]
        blobs = {path.name: path.stat().st_size for path in arguments.images.glob("*/*") if len(path.name) == 64}
        once = sum(blobs.values())
        peers = {"storagectl": ours, "loop": loop, "loop, synced": synced}
        results = {}
        for _ in range(arguments.rounds):
            for name, command in peers.items():
                shutil.rmtree(out, ignore_errors=True)
                out.mkdir()
                os.sync()
                best = results.setdefault(name, [float("inf"), float("inf")])
                for index, value in enumerate(measure(command, environment)):
                    best[index] = min(best[index], value)
    finally:
        registry.kill()
        shutil.rmtree(scratch)
    own = results["storagectl"]
    missed = []
    print(f"{'':14} {'seconds':>9} {'fetched':>10} {'ratio':>8} {'expected':>9}")
    for name, (seconds, count) in results.items():
        ratio = seconds / own[0]
        print(f"{name:14} {seconds:7.2f} s {count / 1e6:7.1f} MB {ratio:7.2f}x {2.5 if name != 'storagectl' else 1:8.2f}x")
        if name != "storagectl" and ratio < 2.5:
            missed.append(f"{name}: {ratio:.2f}x and not 2.50x")
    # Headers and acknowledgements come over it as well.
    print(f"each blob once: {once / 1e6:.1f} MB")
    if own[1] > once * 1.05:
        missed.append(f"fetched {own[1] / once:.2f} times what is needed")
    images_of.conclude(missed, "as expected", results, arguments.json)


main()
