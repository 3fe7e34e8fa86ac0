#!/usr/bin/env python3
"""Compares `storagectl pack rpm` with the steps of paack, for the same ten images.

Nothing is fetched: the images are in storagectl's cache, and podman pulls them from the
directories that the cache has. The steps of paack are a pull as root into a store, a tar
archive with bzip2, and rpmbuild with a list of all files; its second rpmbuild, in mock,
is left out. Peers run in turns; the best of the rounds counts. Memory is the largest
resident set of any process of a run.

Then one of the ten images changes, and the bytes are counted that a host gets anew: those
of files with another digest, with one squashfs image for all and with one for each.
"""

import argparse
import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
SPEC = importlib.util.spec_from_file_location("build_store", HERE / "build-store.py")
build_store = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build_store)
measure, PROGRAM, MIB = build_store.measure, build_store.PROGRAM, build_store.MIB

FACTOR = 6.0

PAACK = r"""
set -e
dir=$1
shift
# podman takes no long path for this.
mount -t tmpfs none /run
for image in "$@"; do
    podman --root "$dir/store" --runroot /run/r pull -q "dir:$image" >/dev/null
done
umount "$dir/store/overlay" 2>/dev/null || :
mkdir -p "$dir/top/SOURCES" "$dir/top/SPECS"
cd "$dir/store"
tar cfj "$dir/top/SOURCES/images.tar.bz2" .
{
    cat <<'SPEC'
%global __os_install_post /bin/true
%global __arch_install_post /bin/true
%global _build_id_links none
%global debug_package %{nil}
Name: images
Version: 1
Release: 1
Summary: images
License: MIT
AutoReqProv: no
Source0: images.tar.bz2
%description
images
%install
mkdir -p %{buildroot}/usr/lib/images
cd %{buildroot}/usr/lib/images
tar xfj %{SOURCE0}
%files
SPEC
    find . -mindepth 1 -type d -printf '%%dir %%attr(%m,root,root) "/usr/lib/images/%P"\n'
    find . -mindepth 1 -type f -printf '%%attr(%m,root,root) "/usr/lib/images/%P"\n'
    find . -mindepth 1 -type l -printf '%%attr(-,root,root) "/usr/lib/images/%P"\n'
} >"$dir/top/SPECS/images.spec"
rpmbuild -bb --quiet --define "_topdir $dir/top" "$dir/top/SPECS/images.spec" >/dev/null
"""


def reference(image):
    return f"registry.example.com/{image.name}:1"


def warm(cache, images):
    """Puts images into the cache as they were fetched."""
    for image in images:
        name = hashlib.sha256(f"{reference(image)}\n".encode()).hexdigest()
        shutil.copytree(image, cache / "amd64" / name)
        with (cache / "amd64" / "image-list.txt").open("a") as file:
            file.write(f"{reference(image)},{name}\n")


def recipe(scratch, name, images, **keys):
    package = {"name": name, "version": "1", **keys}
    package["arch"] = [{"name": "x86_64", "images": [reference(image) for image in images]}]
    file = scratch / f"{name}.yaml"
    # JSON is YAML.
    file.write_text(json.dumps({"packages": [package]}))
    return file


def ours(scratch, file, out):
    return [PROGRAM, "-q", "pack", "rpm", file, "x86_64", "--cache", scratch / "cache", "--output", out, "--tmp", scratch]


def theirs(scratch, images):
    return ["unshare", "-m", "sh", "-c", PAACK, "sh", scratch / "paack", *images]


def package_in(directory):
    (package,) = directory.rglob("*.rpm")
    return package


def files(package):
    """Digest and size by path."""
    query = "[%{FILENAMES} %{FILEDIGESTS} %{FILESIZES}\n]"
    said = subprocess.run(["rpm", "-qp", "--nosignature", "--qf", query, package], check=True, capture_output=True, text=True)
    lines = (line.rsplit(" ", 2) for line in said.stdout.splitlines())
    return {path: (digest, int(size)) for path, digest, size in lines}


def changed_bytes(scratch, images, out, **keys):
    """What a host gets anew when the last image changes."""
    found = []
    for round_number in range(2):
        name = "split" if keys else "single"
        file = recipe(scratch, name, images, **keys)
        subprocess.run(ours(scratch, file, out), check=True, stdout=subprocess.DEVNULL)
        found.append((files(package_in(out)), package_in(out).stat().st_size))
        shutil.rmtree(out)
        if round_number == 0:
            last = images[-1]
            changed = last.with_name(f"{last.name}-changed")
            images = [*images[:-1], changed]
    (before, _), (after, size) = found
    anew = sum(length for path, (digest, length) in after.items() if before.get(path, ("", 0))[0] != digest)
    return anew, size


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--json", type=Path)
    arguments.add_argument("--images", type=Path, default=build_store.CACHE / "build-images-1")
    arguments = arguments.parse_args()
    build_store.make_images(arguments.images)
    every = sorted((arguments.images / "mixed").iterdir())
    ten = every[:10]
    scratch = Path(tempfile.mkdtemp(dir=arguments.images.parent, prefix="pack-bench-"))
    results, missed = {}, []
    try:
        warm(scratch / "cache", every)
        out = scratch / "out"
        peers = {"ten images": ten, "twenty images": every}
        for name, images in peers.items():
            best = [(float("inf"), 0.0, 0), (float("inf"), 0.0, 0)]
            file = recipe(scratch, "images", images)
            # Memory alone is looked at with twenty.
            rounds = arguments.rounds if images is ten else 1
            for _ in range(rounds):
                for index, command in enumerate((ours(scratch, file, out), theirs(scratch, images))):
                    if index == 1 and images is not ten:
                        continue
                    seconds, memory = measure(command)
                    where = out if index == 0 else scratch / "paack"
                    size = package_in(where).stat().st_size
                    best[index] = (min(best[index][0], seconds), max(best[index][1], memory), size)
                    shutil.rmtree(where)
            results[name] = best
        changed = scratch / "changed" / f"{ten[-1].name}-changed"
        generator = build_store.random.Random(11)
        manifest = json.loads((ten[-1] / "manifest.json").read_text())
        config = json.loads((ten[-1] / manifest["config"]["digest"][7:]).read_text())
        layers = [
            ((ten[-1] / layer["digest"][7:]).read_bytes(), diff_id)
            for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"])
        ]
        layers[-1] = build_store.compress(build_store.layer(generator, "changed", 1, 40_000))
        build_store.write_image(changed, layers)
        warm(scratch / "cache", [changed])
        for name, keys in (("single", {}), ("split", {"split": True})):
            results[f"one of ten changes, {name}"] = changed_bytes(scratch, ten, out, **keys)
    finally:
        subprocess.run(["rm", "-rf", scratch], check=True)
    own, other = results["ten images"]
    print(f"{'':16} {'pack':>12} {'paack':>12} {'ratio':>7}")
    print(f"{'seconds':16} {own[0]:12.1f} {other[0]:12.1f} {other[0] / own[0]:6.1f}x")
    print(f"{'memory, MiB':16} {own[1]:12.0f} {other[1]:12.0f} {other[1] / own[1]:6.1f}x")
    print(f"{'package, MiB':16} {own[2] / MIB:12.1f} {other[2] / MIB:12.1f} {other[2] / own[2]:6.2f}x")
    twice = results["twenty images"][0]
    print(f"twice the images: {twice[1]:.0f} MiB of memory")
    for name in ("single", "split"):
        anew, size = results[f"one of ten changes, {name}"]
        print(f"one of ten changes, {name}: {anew / MIB:.1f} MiB anew, of a package of {size / MIB:.1f} MiB")
    if other[0] / own[0] < FACTOR:
        missed.append(f"{other[0] / own[0]:.1f}x as fast and not {FACTOR:.0f}x")
    if own[2] > other[2]:
        missed.append("the package is larger")
    if twice[1] > 1.25 * own[1]:
        missed.append(f"memory grows with the images: {own[1]:.0f} and {twice[1]:.0f} MiB")
    build_store.conclude(missed, "as expected: six times as fast, no larger, and memory independent of the images", results, arguments.json)


if __name__ == "__main__":
    main()
