# Copyright: the authors of storagectl
# SPDX-License-Identifier: Apache-2.0
"""How modules call storagectl. Whatever is decided, the program decides."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import json
import os

ARGUMENTS = dict(
    root=dict(type="path"),
    config=dict(type="path"),
    executable=dict(type="path", default="storagectl"),
)


def _path_of(module):
    """The program that `executable` names; fails if there is none."""
    named = module.params["executable"]
    if os.path.sep in named:
        if os.path.isfile(named) and os.access(named, os.X_OK):
            return named
        where = "`{0}` is no program".format(named)
    else:
        found = module.get_bin_path(named)
        if found:
            return found
        where = "`{0}` is not installed".format(named)
    module.fail_json(
        msg="{0} on this host; install the package `storagectl`, or say where the program is with `executable`".format(where)
    )


def sentence(problem):
    """A problem as one line: what is wrong, and what helps."""
    return "; ".join(text for text in (problem["message"], problem["hint"]) if text)


def call(module, arguments):
    """Runs the program once, and returns what it wrote as JSON and its arguments.

    Fails with the program's own words if it does, and passes its warnings on.
    """
    command = [_path_of(module), "--format", "json"]
    for option in ("root", "config"):
        if module.params[option] is not None:
            command.append("--{0}={1}".format(option, module.params[option]))
    command += arguments
    # Paths are taken as they stand: a store's name may have a dollar sign.
    status, stdout, stderr = module.run_command(command, expand_user_and_vars=False)
    try:
        answer = json.loads(stdout)
    except ValueError:
        # Wrong usage, or another program: it has no answer.
        said = stderr.strip() or stdout.strip() or "it said nothing"
        if said.startswith("error: "):
            said = said[len("error: "):]
        module.fail_json(msg=said, rc=status, stderr=stderr, cmd=command)
    if "error" in answer:
        problems = [answer["error"]] + answer.get("more", [])
        module.fail_json(
            msg="\n".join(sentence(problem) for problem in problems), problems=problems, rc=status, cmd=command
        )
    for problem in answer.get("warnings", []):
        module.warn(sentence(problem))
    return answer, command
