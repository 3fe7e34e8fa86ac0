#!/usr/bin/python3
"""Runs all of `steps` on one disk, in the machine: after each it prints the state into a file
and notes on the second partition of the same disk that it has ended, without a flush, which
would keep what the command itself did not.

    record.py PARTITIONS DIRECTORY

PARTITIONS is what the names of the disk's partitions begin with. All is one process, since an
emulated processor takes seconds to start another Python."""
import mmap
import os
import subprocess
import sys

from state import state

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITION, DIRECTORY = sys.argv[1:]


def run(*command):
    subprocess.run(command, check=True)


def note(number):
    """Notes that a command has ended, and then what is on the disk."""
    block = mmap.mmap(-1, 512)
    block.write(f"ended {number}\n".encode().ljust(512, b"\0"))
    os.pwrite(marks, block, number * 512)
    with open(f"{DIRECTORY}/{number}", "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in state())


os.makedirs("/data", exist_ok=True)
os.makedirs(DIRECTORY, exist_ok=True)
run("mount", f"{PARTITION}1", "/data")
run(f"{HERE}/bind.sh")
marks = os.open(f"{PARTITION}2", os.O_WRONLY | os.O_DIRECT)
note(0)
with open(f"{HERE}/steps", encoding="utf-8") as file:
    steps = [line.rstrip("\n").split(" ", 1)[1] for line in file if line.strip() and not line.startswith("#")]
for number, command in enumerate(steps, 1):
    step = subprocess.run([f"{HERE}/step.sh", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if step.returncode != 0:
        sys.exit(f"error: `{command}` ended with {step.returncode}:\n{step.stdout}")
    note(number)
run("sync")
