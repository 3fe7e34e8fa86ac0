#!/usr/bin/python3
"""Prints what of the disk has to be as it was before a command or as it is after it: a thing a
line, its name and then what it is. What is made under another name first is `left`."""
import fnmatch
import hashlib
import json
import os
import stat
import subprocess

DEPENDENTS = "/srv/dependents"
KEPT = "/srv/kept"
EMBEDDED = "/usr/lib/containers/storage"
CONFIGURATION = ["/etc/containers", "/etc/storagectl", "/usr/lib/storagectl", "/usr/lib/sysimage",
                 "/var/lib/storagectl", "/srv/documents", "/srv/packages", "/srv/sealed"]
UNDO = "/var/lib/storagectl/undo"


def is_left(name):
    return fnmatch.fnmatch(name, ".storagectl-new-*") or fnmatch.fnmatch(name, ".*.storagectl-new")


def files(top, deep=True):
    """The files and symlinks below a directory."""
    for where, directories, names in os.walk(top):
        directories[:] = [name for name in directories if deep and not is_left(name)]
        for name in names:
            if not is_left(name) and not name.endswith(".lock"):
                yield os.path.join(where, name)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def what(path):
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return f"-> {os.readlink(path)}"
    digest = hashlib.sha256(read(path)).hexdigest()[:16]
    return f"{found.st_mode & 0o7777:o} {found.st_uid}:{found.st_gid} {digest}"


def stores():
    for top in ["/srv/stores", "/var/lib/containers"]:
        for where, directories, _ in os.walk(top):
            if "overlay-images" in directories:
                directories.clear()
                yield where


def configuration():
    for directory in CONFIGURATION:
        for path in files(directory):
            if not path.startswith(f"{UNDO}/"):
                yield f"file:{path} {what(path)}"
    # Each run of `doctor --fix` has a directory of its own for what files were, and one that is
    # run again may need another. What is kept is what counts.
    kept = {}
    for path in files(UNDO):
        kept.setdefault(path.removeprefix(f"{UNDO}/").partition("/")[2], set()).add(what(path))
    for path, kinds in kept.items():
        yield f"file:{UNDO}/{path} {', '.join(sorted(kinds))}"
    for directory in ["/srv/controls", EMBEDDED]:
        for path in files(directory, deep=False):
            yield f"file:{path} {what(path)}"


def images():
    for name in os.listdir(EMBEDDED) if os.path.isdir(EMBEDDED) else []:
        image = os.path.join(EMBEDDED, name)
        if os.path.isdir(image) and not is_left(name):
            whole = "".join(f"{path} {what(path)}\n" for path in sorted(files(image)))
            yield f"tree:{image} {hashlib.sha256(whole.encode()).hexdigest()[:16]}"
    for store in [*stores(), f"{DEPENDENTS}/graph", f"{KEPT}/graph", "/srv/controls/skopeo"]:
        records = f"{store}/overlay-images/images.json"
        text = read(records)
        try:
            for image in json.loads(text or b"[]"):
                for name in image.get("names") or []:
                    yield f"image:{store}:{name} {image['id']}"
        except ValueError:
            yield f"torn:{records} {len(text)} bytes"
        locks = ["overlay-images/images.lock", "overlay-layers/layers.lock"]
        if all(os.path.exists(f"{store}/{lock}") for lock in locks):
            yield f"locks:{store} both"

    # A layer that is recorded is whole.
    for records in [f"{KEPT}/graph/overlay-layers/layers.json"]:
        text = read(records)
        try:
            for layer in json.loads(text or b"[]"):
                whole = "".join(f"{path} {what(path)}\n" for path in sorted(files(f"{KEPT}/graph/overlay/{layer['id']}")))
                yield f"layer:{KEPT}/graph:{layer['id']} {hashlib.sha256(whole.encode()).hexdigest()[:16]}"
        except ValueError:
            yield f"torn:{records} {len(text)} bytes"

    # Either the records are as they were, or the backup has them.
    before = read(f"{DEPENDENTS}/images.json")
    places = [f"{DEPENDENTS}/graph/overlay-images/images.json"]
    backups = f"{DEPENDENTS}/graph/storagectl-backup"
    places += [path for path in files(backups) if path.endswith("/overlay-images/images.json")]
    if any(read(path) == before for path in places):
        yield f"kept:{DEPENDENTS} yes"


def rest():
    said = subprocess.run(["storagectl", "check-config", "--format", "json"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False).stdout
    try:
        findings = json.loads(said)["findings"]
        # Between two files of one edit much can be said of a configuration, but engines start.
        stopping = sorted(it["id"] for it in findings if it.get("stops") or it.get("stops_users"))
        yield f"config: {','.join(stopping)}"
    except ValueError:
        yield "config: unread"
    for top in ["/etc", "/srv", "/usr/lib/containers", "/usr/lib/storagectl", "/usr/lib/sysimage", "/var/lib"]:
        for where, directories, names in os.walk(top):
            for name in filter(is_left, directories + names):
                yield f"left:{os.path.join(where, name)} x"


def state():
    """The lines."""
    yield from configuration()
    yield from images()
    yield from rest()


if __name__ == "__main__":
    for line in state():
        print(line)
