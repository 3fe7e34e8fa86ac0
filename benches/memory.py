#!/usr/bin/env python3
"""Measures the peak memory of every command on the worst input that it takes.

src/limits.rs says how large an input may be. Each is made up to that, of what takes most
once it is read, and each command is to end in an orderly way: it works, or says what is too
much. The table is docs/memory.md.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENT = 1 << 20
GIVEN_DOCUMENT = 16 << 20
VALUES = 200_000
IMAGES = 50_000

# No command may take more, in MiB.
MAX_MEMORY = 800


def filled(head, part, tail, size=DOCUMENT):
    """A document of all the bytes that one may have."""
    return head + part * ((size - len(head) - len(tail)) // len(part)) + tail


def given(head, part, tail):
    """The same of one that is given: all the values, and then blanks."""
    text = head + part * (VALUES - 10) + tail
    return text + " " * (GIVEN_DOCUMENT - len(text) - 1) + "\n"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


def records(store, images, depth, is_shared):
    """Writes the records of a store: so many images, each on layers of its own or on one chain."""
    for part in ("overlay-images", "overlay-layers", "overlay/l"):
        (store / part).mkdir(parents=True)
    (store / "overlay-images/images.lock").touch()
    (store / "overlay-layers/layers.lock").touch()
    all_images, all_layers = [], []
    for image in range(images):
        chain = 0 if is_shared else image
        for level in range(0 if is_shared and image else depth):
            layer = {"id": digest(f"{chain} {level}"), "diff-size": 1024}
            layer["diff-digest"] = "sha256:" + digest(layer["id"])
            if level:
                layer["parent"] = digest(f"{chain} {level - 1}")
            all_layers.append(layer)
        name = f"registry.example.com/team/app{image}:1"
        top = digest(f"{chain} {depth - 1}")
        all_images.append({"id": digest(name), "names": [name], "layer": top})
    (store / "overlay-images/images.json").write_text(json.dumps(all_images))
    (store / "overlay-layers/layers.json").write_text(json.dumps(all_layers))


def tree(top, store):
    """A system tree with `store` listed, or a storage.conf of that text."""
    (top / "etc/containers").mkdir(parents=True)
    text = store
    if not text:
        roots = 'runroot = "/run/x"\ngraphroot = "/var/x"'
        text = f'[storage]\ndriver = "overlay"\n{roots}\n[storage.options]\nadditionalimagestores = ["/store"]\n'
    (top / "etc/containers/storage.conf").write_text(text)
    return top


def layout(path, members):
    """An OCI layout with one image of one layer."""
    blobs = path / "blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(content):
        name = hashlib.sha256(content).hexdigest()
        (blobs / name).write_bytes(content)
        return {"digest": "sha256:" + name, "size": len(content)}

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, size in members:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode, entry.size = kind, 0o755, size
            tar.addfile(entry, io.BytesIO(bytes(size)))
    content = out.getvalue()
    kind = "application/vnd.oci.image."
    layer = blob(gzip.compress(content, 1)) | {"mediaType": kind + "layer.v1.tar+gzip"}
    diff = "sha256:" + hashlib.sha256(content).hexdigest()
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff]}}
    config = blob(json.dumps(config).encode()) | {"mediaType": kind + "config.v1+json"}
    manifest = {"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": config, "layers": [layer]}
    manifest = blob(json.dumps(manifest).encode()) | {"mediaType": kind + "manifest.v1+json"}
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "localhost/app:1"}
    (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))


def apart(make, *arguments):
    """Makes an input in another process: a child begins with the peak of this one."""
    child = os.fork()
    if child == 0:
        make(*arguments)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit(f"error: {make.__name__} failed")


def measured(command):
    """Peak memory in MiB, seconds and exit status."""
    begin = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    code = os.waitstatus_to_exitcode(status)
    child.returncode = code
    if code not in (0, 1, 2):
        sys.exit(f"error: {command}: {code}: {said[-2000:]}")
    return usage.ru_maxrss / 1024, time.monotonic() - begin, code


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default=REPOSITORY / "target/release/storagectl", type=Path)
    program = parser.parse_args().program
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)

        def run(what, *command):
            words = [str(word) for word in command]
            memory, seconds, code = measured([str(program), *words])
            name = next(word for word in words if word.endswith(("-store", "-stores", "-config", "-images", "-dependents")) or word in ("apply", "doctor", "generate", "pack"))
            rows.append((name, what, memory, code))
            print(f"{name:18} {memory:6.0f} MiB {seconds:6.1f} s, {code}: {what}", flush=True)

        def document(name, text):
            (scratch / name).write_text(text)
            return scratch / name

        def made(name, members):
            apart(layout, scratch / name, members)
            return f"oci:{scratch / name}"

        conf = tree(scratch / "conf", filled("x = [", "[],", "[]]\n"))
        what = "a storage.conf of empty arrays"
        for words in (["add-store", "--dry-run", "--init", "/srv"], ["remove-store", "/srv"], ["apply"], ["check-config"],
                      ["show-config"], ["list-stores"], ["doctor"]):
            run(what, "--root", conf, *words)
        declared = tree(scratch / "declared", "[storage]\ndriver = \"overlay\"\n")
        (declared / "etc/storagectl/stores.d").mkdir(parents=True)
        (declared / "etc/storagectl/stores.d/x.toml").write_text(filled("", "[[store]]\n", ""))
        run("a declaration of empty stores", "--root", declared, "apply")

        lists = document("list.json", given('{"ignition": {"version": "3.4.0"}, "x": [', "1,", "1]}"))
        run("a document of numbers", "generate", "ignition", "--check", lists)
        run("a document of numbers", "generate", "butane", "--check", document("x.bu", given("x: [", "1,", "1]\n")))
        run("a document of numbers", "generate", "ignition", "--from", lists, "--store", "/srv")
        run("a document of nothing", "pack", "rpm", document("x.yaml", given("packages:\n", "- \n", "")))
        names = document("list.txt", filled("", "a\n", ""))
        run("a list of short names", "embed-images", "--dry-run", "--from", names, "--into", scratch / "embedded")
        (scratch / "embedded").mkdir(exist_ok=True)
        (scratch / "embedded/images.txt").write_text(names.read_text())
        run("a list of short names", "verify-images", "--source", scratch / "embedded")

        for what, images, depth, is_shared in (
            (f"records of {IMAGES:,} images, all of whose layers are missing", IMAGES, 3, False),
            ("800 images on a chain of 8,000 layers", 800, 8000, True),
        ):
            listed = tree(scratch / f"tree{images}", "")
            apart(records, listed / "store", images, depth, is_shared)
            for words in (["check-store", "/store"], ["doctor"], ["list-stores"], ["clean-dependents", "--dry-run"]):
                run(what, "--root", listed, *words)
        listed = tree(scratch / "nothing", "")
        records(listed / "store", 0, 0, False)
        (listed / "store/overlay-images/images.json").write_text("[" + "{}," * 4_000_000 + "{}]")
        run("12 MB of empty records", "--root", listed, "check-store", "/store")

        store = scratch / "built"
        many = [(f"f{number}", tarfile.REGTYPE, 0) for number in range(100_000)]
        run("100,000 files in a layer", "build-store", "-o", store, made("many", many))
        run("100,000 files in a layer", "check-store", "--deep", store)
        run("100,000 files in a layer", "init-store", store)
        run("100,000 files in a layer", "seal-store", store, "-o", scratch / "sealed.img")
        deep = [(f"{number}/" + "d/" * 1900, tarfile.DIRTYPE, 0) for number in range(200)]
        run("200 entries below 1,900 directories each", "build-store", "-o", scratch / "deep", made("names", deep))
        zeros = [("zeros", tarfile.REGTYPE, 1 << 29)]
        run("512 MiB of zeros in 2 MB", "build-store", "-o", scratch / "zeros", made("zero", zeros))

    lines = [
        "# Peak memory",
        "",
        "What each command takes at most, on the worst input that it takes: documents made of what is",
        "largest once it is read, records of many images, layers made to be too much.",
        "[SECURITY.md](../SECURITY.md) has the limits. `make memory` measures this and writes this page;",
        "the release build on x86-64.",
        "",
        "| command | input | peak, MiB |",
        "|---|---|---|",
    ]
    for name, what, memory, _ in sorted(rows, key=lambda row: row[:2]):
        lines.append(f"| `{name}` | {what} | {memory:.0f} |")
    (REPOSITORY / "docs/memory.md").write_text("\n".join(lines) + "\n")
    most = max(rows, key=lambda row: row[2])
    print(f"at most {most[2]:.0f} MiB: {most[0]}, {most[1]}")
    if most[2] > MAX_MEMORY:
        sys.exit(f"error: expected at most {MAX_MEMORY} MiB")


main()
