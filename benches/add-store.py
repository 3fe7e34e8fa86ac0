"""Times `storagectl add-store` against the sed scriptlet, tomlkit and augtool.

All edit the same storage.conf, as whole processes, each from a fresh and synced
copy. Rounds are interleaved and only ratios within a round are judged, so that
whatever else the machine does falls on all alike. CPU time and wall time come
from wait4(2) of a child that is started by vfork.
"""

import argparse
import ctypes
import difflib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PROJECT = Path(__file__).resolve().parent.parent
TARGET = PROJECT / os.environ.get("CARGO_TARGET_DIR", "target")
KEY = ("storage", "options", "additionalimagestores")

# A file that all four can edit: augeas' lens reads no array with a trailing
# comma, and sed needs the key at the start of its line and a bracket behind it
# that is not closed there.
STORAGE_CONF = """\
# Configuration of container storage, read by podman, buildah, skopeo and CRI-O.
#
# This file is managed by the platform team; see the handbook before changing it.
# Engines read it when they start. After a change, restart CRI-O.
#
# Search order, first one found wins:
#   1. this file
#   2. the vendor's file below /usr/share
# Drop-in directories are not in use on these machines.

# Everything that is not below a table header would be ignored, so keep settings
# inside the tables.

[storage]

# The storage driver. One of overlay, vfs, btrfs and zfs. Changing it hides all
# images and containers that were made with the previous one; run a reset first.
driver = "overlay"

# Volatile state: lock files, mount points, process ids. Must be on a tmpfs so
# that it is empty after a reboot.
runroot = "/run/containers/storage"

# Images, layers and containers. With SELinux enforcing, another place needs the
# same labels:
#   semanage fcontext -a -e /var/lib/containers/storage /NEW/PLACE
#   restorecon -R -v /NEW/PLACE
graphroot = "/var/lib/containers/storage"

# Images can be kept apart from containers. Not in use here: the disk for images
# is mounted on the graph root itself.
# imagestore = ""

# Where users without privileges keep their storage. Variables are expanded in
# this setting and in no other.
# rootless_storage_path = "$HOME/.local/share/containers/storage"

# Free space is reclaimed from containers that crashed while they were removed.
# transient_store = false

[storage.options]

# Stores that engines read and never write. The first one that has an image serves
# it. Every directory must exist: one that is missing stops all engines.
#
# The order below is deliberate:
#   - the platform's own images come first, since they are signed
#   - images of the vendor's appliance
#   - the ones which the site's operators have preloaded
#
# Entries are added by the packages that bring the images. Do not add one by hand.
additionalimagestores = [
  "@STORES@/platform",
  "@STORES@/appliance",
  "@STORES@/site"
]

# Layers that are provided on demand by a helper, as lazy-pulling snapshotters do.
# The helper has to run before any engine does:
#   systemctl enable --now storage-helper.service
# additionallayerstores = ["/var/lib/storage-helper/store:ref"]

# How layers are pulled. Partial pulls fetch only the files that no other layer has,
# if the registry's images are in a format that allows for it.
#   enable_partial_images  fetch only what is missing
#   use_hard_links         share equal files between layers
#   ostree_repos           repositories to look for files in
#   convert_images         turn all images into the format, at some cost of time
pull_options = { enable_partial_images = "true", use_hard_links = "false", ostree_repos = "" }

# Ranges of ids for containers that run in a user namespace of their own. Both
# have to agree with the files below /etc of the same meaning.
# remap-uids = "0:1668442479:65536"
# remap-gids = "0:1668442479:65536"

# The user whose ranges are taken from /etc/subuid and /etc/subgid instead.
# remap-user = "containers"
# remap-group = "containers"

# The pool for containers with automatically chosen ranges, and the sizes of these.
# root-auto-userns-user = "storage"
# auto-userns-min-size = 1024
# auto-userns-max-size = 65536

# Keep the driver from making its directory private. Some backup programs need to
# mount the same tree a second time.
# skip_mount_home = "false"

# Do not fail for layers whose owners cannot be represented in the user namespace.
# Set it for single-user clusters only; file owners are lost.
# ignore_chown_errors = "false"

# Take a full digest of each file when layers are committed. Costs a third more time
# and finds bad memory, of which one board revision had some.
# disable-volatile = true

[storage.options.overlay]

# Options of each overlay mount. With metacopy, changing the owner of a file does
# not copy its content; kernels below 5.11 lose it after a power cut.
mountopt = "nodev,metacopy=on"

# Mount with a program instead of the kernel, for users without privileges.
# mount_program = "/usr/bin/fuse-overlayfs"

# Keep owners and modes in attributes: for file systems that cannot represent them,
# such as network shares.
#   ""        real ones (the default)
#   "private" a mask of 0700
#   "shared"  a mask of 0755
# force_mask = ""

# Limit what one container can write. Needs a file system with project quotas, which
# has to be mounted with that option.
# size = ""
# inodes = ""

# Mount images from one composed file, which the kernel can verify.
# use_composefs = "false"

[storage.options.vfs]

# The driver for machines on which nothing else works: it copies every layer, so
# each image takes its size as often as it has layers.
# ignore_chown_errors = "false"

[storage.options.thinpool]

# Left from the device mapper driver, which is gone. These settings have no effect and
# stay until the last machine with an old engine has been replaced.
#
# Space is added when the pool is this full, in percent, and by this much.
# autoextend_threshold = "80"
# autoextend_percent = "20"
#
# The block device. Whatever was on it is lost when it is set up for the first time.
# directlvm_device = ""
# directlvm_device_force = "false"
#
# File system of the devices, and options for making and mounting it.
# fs = "xfs"
# mkfsarg = ""
# mountopt = ""
#
# Deferred removal frees a device once nothing has it open any more.
# use_deferred_removal = "true"
# use_deferred_deletion = "true"
#
# Below this share of free space no new device is made.
# min_free_space = "10%"
"""

# What an administrator's script would hold. Nothing is imported that it does not
# need, and it syncs by itself, which saves it a process.
TOMLKIT = """\
import sys, os, tomlkit
file, store = sys.argv[1:3]
with open(file, newline="") as f:
    doc = tomlkit.parse(f.read())
doc["storage"]["options"]["additionalimagestores"].append(store)
with open(file, "w", newline="") as f:
    f.write(tomlkit.dumps(doc))
    if len(sys.argv) > 3:
        f.flush()
        os.fsync(f.fileno())
        dir = os.open(os.path.dirname(file), os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(dir)
"""

NULL = os.open(os.devnull, os.O_RDWR)


class Fails(Exception):
    """Something does not run. That, and nothing else, fails the benchmark."""


def run(argv, env=None):
    """Runs one process; returns its wall time and CPU time in seconds."""
    said = os.memfd_create("stderr")
    streams = [(os.POSIX_SPAWN_DUP2, NULL, 0), (os.POSIX_SPAWN_DUP2, NULL, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
    start = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, env or os.environ, file_actions=streams)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter() - start
    text = os.pread(said, 2000, 0).decode(errors="replace")
    os.close(said)
    if os.waitstatus_to_exitcode(status) != 0:
        raise Fails(f"{' '.join(argv[:2])} … failed:\n{text}")
    return wall, usage.ru_utime + usage.ru_stime


def peak_memory(argv, env=None):
    """Runs one process; returns its peak memory in bytes.

    execve counts the memory of the process that calls it as that of the program,
    so a child of Python never shows less than Python has. This one is started by
    a shell, which is small (the row `true` shows how small) and leaves it to us.
    """
    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0) != 0:
        raise Fails("prctl(PR_SET_CHILD_SUBREAPER): " + os.strerror(ctypes.get_errno()))
    # It starts when the shell has gone, which might reap it otherwise.
    wait, go = os.pipe()
    script = 'exec 3<&0; { read -r _; exec "$@" </dev/null 3<&-; } <&3 >/dev/null 2>&1 & echo $!'
    shell = ["/bin/sh", "-c", script, "sh", *argv]
    pid = int(subprocess.run(shell, env=env or os.environ, stdin=wait, stdout=subprocess.PIPE, check=True).stdout)
    os.write(go, b"\n")
    _, status, usage = os.wait4(pid, 0)
    os.close(wait)
    os.close(go)
    if os.waitstatus_to_exitcode(status) != 0:
        raise Fails(f"{' '.join(argv[:2])} … failed")
    return usage.ru_maxrss * 1024


class Bench:
    """One file system: a directory there, the file, the stores, and the tools."""

    def __init__(self, where, program, tomlkit):
        self.dir = Path(tempfile.mkdtemp(prefix="storagectl-bench-", dir=where))
        self.syncs = []
        self.file = self.dir / "etc" / "containers" / "storage.conf"
        self.file.parent.mkdir(parents=True)
        stores = self.dir / "stores"
        for name in ["platform", "appliance", "site", "new", "full"]:
            (stores / name).mkdir(parents=True)
        # A package's store is complete when its scriptlet runs.
        for name in ["new", "full"]:
            make_store(stores / name, 12 if name == "full" else 0)
        # The directory is a system of its own, on which every engine is asked what it reads.
        self.text = STORAGE_CONF.replace("@STORES@", "/stores")
        file, new, full = str(self.file), "/stores/new", "/stores/full"
        sync = [which("sync"), file, str(self.file.parent)]
        sed = [which("sed"), "-i", f'/^additionalimagestores =*/a "{new}",', file]
        # Each tool: the processes that make up one run, their environment and the store.
        self.tools = {
            "true": ([[which("true")]], None, None),
            "storagectl": ([[program, "--root", str(self.dir), "add-store", new]], None, new),
            "storagectl, 12 images": ([[program, "--root", str(self.dir), "add-store", full]], None, full),
            "sed -i": ([sed], None, new),
            "sed -i + sync": ([sed, sync], None, new),
        }
        if tomlkit:
            python, env, _ = tomlkit
            command = [python, "-c", TOMLKIT, file, new]
            self.tools["tomlkit"] = ([command], env, new)
            self.tools["tomlkit + fsync"] = ([[*command, "sync"]], env, new)
        if shutil.which("augtool"):
            at = "table[. = 'storage.options']/entry[. = 'additionalimagestores']/array/string[last()+1]"
            # --noautoload: only this lens and this file, which is many times faster.
            augtool = [
                which("augtool"), "--noautoload", "--autosave",
                "--transform", f"Toml.lns incl {file}", f"set /files{file}/{at} {new}",
            ]
            self.tools["augtool"] = ([augtool], None, new)
            self.tools["augtool + sync"] = ([augtool, sync], None, new)

    def fresh(self, text=None):
        """Puts the file back, synced: or else the next run's sync would pay for it."""
        text = self.text if text is None else text
        # Not over the old one, so that no run finds blocks or names of the one before.
        for old in self.file.parent.iterdir():
            old.unlink()
        with open(self.file, "w", newline="") as file:
            file.write(text)
            file.flush()
            start = time.perf_counter()
            os.fsync(file.fileno())
        dir = os.open(self.file.parent, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(dir)
        self.syncs.append(time.perf_counter() - start)
        os.close(dir)

    def once(self, name):
        """One run; returns wall and CPU time, the sums over its processes.

        The shell that would join sed and sync is left out, to their favour.
        """
        commands, env, _ = self.tools[name]
        self.fresh()
        times = [run(argv, env) for argv in commands]
        return sum(wall for wall, _ in times), sum(cpu for _, cpu in times)

    def result(self, name, text=None):
        """What a run makes of the file, in words; "right" if that is all right."""
        commands, env, store = self.tools[name]
        before = self.text if text is None else text
        self.fresh(before)
        for argv in commands:
            try:
                run(argv, env)
            except Fails:
                return "refused"
        if store is None:
            return ""
        after = self.file.read_text()
        try:
            old, new = parse(before), parse(after)
        except ValueError:
            return "INVALID TOML"
        if store not in stores_of(new):
            return "NOT ADDED"
        old_stores, new_stores = stores_of(old), stores_of(new)
        new_stores.remove(store)
        if old_stores != new_stores or without_stores(old) != without_stores(new):
            return "OTHER VALUES CHANGED"
        lines = list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]
        added, removed = (sum(line.startswith(sign) for line in lines) for sign in "+-")
        # A comma after what was the last item is a change that has to be.
        necessary = removed <= 1 and added == removed + 1
        return "right" if necessary else f"right, but {removed} lines changed"


def which(name):
    path = shutil.which(name)
    if path is None:
        raise Fails(f"`{name}` is missing")
    return path


def make_store(path, images):
    """A store as an engine makes it, with `images` images of five layers each."""
    def digest(*of):
        return "%064x" % random.Random(repr(of)).getrandbits(256)
    records, layers = [], []
    for image in range(images):
        for layer in range(5):
            layers.append({
                "id": digest(image, layer), "parent": digest(image, layer - 1) if layer else "",
                "created": "2026-03-01T10:11:12.123456789Z",
                "compressed-diff-digest": "sha256:" + digest(image, layer, "c"), "compressed-size": 23456789,
                "diff-digest": "sha256:" + digest(image, layer, "d"), "diff-size": 87654321,
                "compression": 2, "uidset": [0, 1, 99], "gidset": [0, 5, 99],
            })
        manifest = "manifest-sha256:" + digest(image, "m")
        config = "sha256:" + digest(image)
        records.append({
            "id": digest(image), "digest": "sha256:" + digest(image, "m"),
            "names": [f"registry.example.com/product/component-{image}:4.19.{image}"],
            "layer": digest(image, 4), "metadata": json.dumps({"signature-sizes": []}),
            "big-data-names": [config, "manifest", manifest],
            "big-data-sizes": {config: 4567, "manifest": 1234, manifest: 1234},
            "big-data-digests": {
                config: config, "manifest": "sha256:" + digest(image, "m"), manifest: "sha256:" + digest(image, "m"),
            },
            "created": "2026-03-01T10:11:12.123456789Z",
        })
    for kind, content in [("images", records), ("layers", layers)]:
        dir = path / f"overlay-{kind}"
        dir.mkdir()
        (dir / f"{kind}.lock").touch()
        if content:
            (dir / f"{kind}.json").write_text(json.dumps(content))


def parse(text):
    try:
        import tomllib
    except ImportError:
        raise Fails("Python 3.11 or newer is needed, for tomllib") from None
    return tomllib.loads(text)


def stores_of(values):
    for part in KEY:
        values = values[part]
    return list(values)


def without_stores(values):
    options = {key: value for key, value in values["storage"]["options"].items() if key != KEY[-1]}
    return {**values, "storage": {**values["storage"], "options": options}}


def find_tomlkit():
    """A Python that has tomlkit, the environment it needs, and the versions; or None.

    The distribution's Python comes first: it is what a scriptlet would run, and
    faster than one that was built by hand. If it lacks tomlkit, pip puts a copy
    into a private directory.
    """
    private = TARGET / "tomlkit"
    # Without compiled modules Python would be made slower than it is.
    plain = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    ours = {**plain, "PYTHONPATH": str(private)}
    probe = "import importlib.metadata as m, platform as p, tomlkit; print(m.version('tomlkit'), p.python_version())"
    pythons = [path for path in ["/usr/bin/python3", sys.executable] if os.path.exists(path)]
    for attempt in range(2):
        for python, env in [(python, env) for env in (plain, ours) for python in pythons]:
            found = subprocess.run([python, "-c", probe], env=env, capture_output=True, text=True)
            if found.returncode == 0:
                return python, env, found.stdout.split()
        if attempt == 0:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--retries", "0", "--timeout", "10"]
            subprocess.run([*pip, "--target", str(private), "tomlkit"], env=plain, capture_output=True)
    return None


def file_system(path):
    """The type of the file system at `path`, as the mount table names it."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in open("/proc/self/mountinfo"):
        fields = line.split()
        if fields[2] == wanted:
            return fields[fields.index("-") + 1]
    return "unknown"


def measure(bench, rounds):
    """Interleaved rounds in changing order; returns the times of each tool, by round."""
    times = {name: [] for name in bench.tools}
    order = list(bench.tools)
    for number in range(-3, rounds):  # three to warm up: page cache, .pyc files
        random.shuffle(order)
        for name in order:
            one = bench.once(name)
            if number >= 0:
                times[name].append(one)
    return times


def ratio(times, one, other, what):
    """The median over the rounds of `one` divided by `other`, and its quartiles."""
    column = {"wall": 0, "CPU": 1}[what]
    ratios = sorted(a[column] / b[column] for a, b in zip(times[one], times[other]))
    return median(ratios), ratios[len(ratios) // 4], ratios[len(ratios) * 3 // 4]


def milliseconds(values):
    return f"{median(values) * 1000:8.2f}"


def judge(what, value, ok, unit=""):
    print(f"  {'as expected' if ok else 'MISSED':<12}{what:<46}{value}{unit}")
    return {"what": what, "value": value, "as_expected": ok}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=40, metavar="N", help="rounds that count (default 40)")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write all times, in seconds, to FILE")
    options = arguments.parse_args()
    os.umask(0o022)

    built = TARGET / "release" / "storagectl"
    if not built.exists():
        raise Fails(f"`{built}` is missing\n\nhint: `cargo build --release` makes it")
    # A copy, so that a build meanwhile does not change what is measured.
    program = TARGET / "storagectl-bench-program"
    shutil.copy2(built, program)
    tomlkit = find_tomlkit()
    if tomlkit:
        print(f"tomlkit {tomlkit[2][0]} with Python {tomlkit[2][1]}, {tomlkit[0]}")
    else:
        print("tomlkit is MISSING: `apt-get install python3-tomlkit` or `pip install tomlkit`")
    if not shutil.which("augtool"):
        print("augtool is MISSING: `apt-get install augeas-tools`")

    places = [TARGET]
    if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK):
        places.append(Path("/dev/shm"))
    report = {"rounds": options.rounds, "binary": built.stat().st_size, "file_systems": []}
    try:
        for place in places:
            report["file_systems"].append(compare(place, str(program), tomlkit, options.rounds))
    finally:
        program.unlink()
    print("\nthe program")
    size = report["binary"] / 2**20
    report["program"] = [judge("binary, < 4 MiB", f"{size:.2f}", size < 4, " MiB")]
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


def compare(place, program, tomlkit, rounds):
    """Measures on one file system and prints what came of it."""
    bench = Bench(place, program, tomlkit)
    try:
        name = file_system(bench.dir)
        results = {tool: bench.result(tool) for tool in bench.tools}
        peaks = {}
        for tool, (commands, env, _) in bench.tools.items():
            peak = []
            for _ in range(5):
                bench.fresh()
                peak.append(max(peak_memory(argv, env) for argv in commands))
            peaks[tool] = median(peak)
        times = measure(bench, rounds)
        comma = bench.text.replace('/site"\n', '/site",\n')
        trailing = {tool: bench.result(tool, comma) for tool in ["storagectl", "augtool"] if tool in bench.tools}
    finally:
        shutil.rmtree(bench.dir, ignore_errors=True)
    lines = bench.text.count("\n")
    print(f"\n{name}: a file of {lines} lines, medians of {rounds} rounds")
    print(f"  (syncing a new file and its directory takes {median(bench.syncs) * 1000:.2f} ms here)")
    print(f"  {'':<24}{'wall ms':>8} {'CPU ms':>8} {'peak MiB':>9}  result")
    for tool, columns in times.items():
        wall, cpu = zip(*columns)
        peak = f"{peaks[tool] / 2**20:9.2f}"
        print(f"  {tool:<24}{milliseconds(wall)} {milliseconds(cpu)} {peak}  {results[tool]}")
    if "augtool" in trailing:
        print(f"  (with a comma behind the last item: storagectl {trailing['storagectl']}, augtool {trailing['augtool']})")
    if results["storagectl"] != "right":
        raise Fails(f"storagectl's result is not right: {results['storagectl']}")

    print("  ratios: median (quartiles) over the rounds")
    judged = []
    def expect(what, one, other, kind, ok):
        if one in times and other in times:
            middle, low, high = ratio(times, one, other, kind)
            judged.append(judge(what, f"{middle:.2f} ({low:.2f}–{high:.2f})", ok(middle)))
        else:
            print(f"  {'unmeasured':<12}{what}")
    ours = "storagectl"
    expect("CPU time / `sed -i`, <= 2", ours, "sed -i", "CPU", lambda value: value <= 2)
    expect("wall time / `sed -i` and `sync`, <= 1.5", ours, "sed -i + sync", "wall", lambda value: value <= 1.5)
    expect("wall time of tomlkit with fsync / ours, > 20", "tomlkit + fsync", ours, "wall", lambda value: value > 20)
    if "tomlkit + fsync" in times:
        # For a machine that is busy, where wall time is mostly waiting.
        middle, low, high = ratio(times, "tomlkit + fsync", ours, "CPU")
        print(f"  {'':<12}{'(CPU time of tomlkit with fsync / ours':<46}{middle:.2f} ({low:.2f}–{high:.2f}))")
    peak = peaks[ours] / 2**20
    judged.append(judge("peak memory, < 8 MiB", f"{peak:.2f}", peak < 8, " MiB"))
    return {"file_system": name, "times": times, "peaks": peaks, "results": results, "expectations": judged}


if __name__ == "__main__":
    try:
        main()
    except Fails as problem:
        print(f"error: {problem}", file=sys.stderr)
        sys.exit(1)
