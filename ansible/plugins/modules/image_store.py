#!/usr/bin/python
# Copyright: the authors of storagectl
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: image_store
short_description: List additional image stores for container engines
version_added: 0.1.0
description:
  - Lists read-only image stores in C(storage.conf), or removes them from it, for podman, buildah, skopeo and CRI-O.
  - Calls C(storagectl), once, which must be installed on the managed host. It changes nothing that would stop an
    engine, and either does everything that a task asks for or nothing.
  - Run as root it edits the system's file, as another user (O(ignore:become_user)) that user's own.
options:
  path:
    description:
      - The stores, as absolute paths, in the order in which engines are to search them.
      - With O(root), paths in that tree.
    type: list
    elements: str
    required: true
    aliases: [paths]
  state:
    description:
      - V(present) lists the stores, V(absent) removes their entries. The directories stay.
    type: str
    choices: [present, absent]
    default: present
  position:
    description:
      - Put the stores before or after all others. The first store that has an image serves it.
      - Without this, O(before) and O(after) what is listed keeps its place, and what is not comes last.
    type: str
    choices: [first, last]
  before:
    description:
      - Put the stores before this one, which must be listed.
    type: str
  after:
    description:
      - Put the stores after this one, which must be listed.
    type: str
  init:
    description:
      - Create each store, empty, if it does not exist.
    type: bool
    default: false
  allow_missing:
    description:
      - List a directory that does not exist yet, but will when engines start. Without it they would stop.
    type: bool
    default: false
  allow_writable:
    description:
      - List a store that other users can write to.
    type: bool
    default: false
  if_gone:
    description:
      - With O(state=absent), remove only entries of stores of which nothing is left.
    type: bool
    default: false
  force:
    description:
      - List bootc's own storage, or edit an OpenShift node's file, which its operator owns.
    type: bool
    default: false
  engine:
    description:
      - The engines that see the change.
      - V(all) edits the main file, and adds a drop-in where one would hide it.
      - V(legacy) is for those that read the main file alone, podman 4 and 5 and CRI-O; V(modern) for podman 6, which
        reads drop-ins.
    type: str
    choices: [all, legacy, modern]
    default: all
  restart:
    description:
      - Restart CRI-O, if it runs, after a change. It reads its stores only when it starts.
      - For several tasks a handler does it once.
    type: bool
    default: false
extends_documentation_fragment:
  - storagectl.storagectl.program
attributes:
  check_mode:
    support: full
    description: C(storagectl) plans the change, with the same errors, and does not write it.
  diff_mode:
    support: full
    description: All files that change, whole.
  platform:
    support: full
    description: The module runs where the program does.
    platforms: linux
seealso:
  - module: storagectl.storagectl.image_store_info
author:
  - The authors of storagectl (@storagectl)
"""

EXAMPLES = r"""
- name: Add a store that is part of the operating system
  storagectl.storagectl.image_store:
    path: /usr/lib/containers/app

- name: Create two empty stores and search them before all others
  storagectl.storagectl.image_store:
    path:
      - /var/lib/containers/extra
      - /var/lib/containers/more
    init: true
    position: first
  notify: Restart CRI-O

- name: Add a disk that is mounted when the system starts
  storagectl.storagectl.image_store:
    path: /mnt/images
    allow_missing: true

- name: Add a store for one user alone
  storagectl.storagectl.image_store:
    path: /srv/images
  become: true
  become_user: app

- name: Add a store to a system that is being built
  storagectl.storagectl.image_store:
    path: /usr/lib/containers/app
    root: /mnt/sysroot

- name: Use a store no longer
  storagectl.storagectl.image_store:
    path: /var/lib/containers/extra
    state: absent
"""

RETURN = r"""
stores:
  description: What became of each store.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its path.
      type: str
      returned: always
    result:
      description: V(added), V(moved), V(listed) already, V(removed), V(absent) already, or V(kept), since it is not gone.
      type: str
      returned: always
    alias:
      description: The entry by which it is listed, if that is another name.
      type: str
      returned: if it has one
  sample: [{path: /var/lib/containers/extra, result: added}]
files:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Its path.
      type: str
      returned: always
    action:
      description: V(create), V(edit), V(link) or V(delete).
      type: str
      returned: always
  sample: [{path: /etc/containers/storage.conf, action: edit}]
notes:
  description: What else was done.
  returned: success
  type: list
  elements: str
  sample: ["created `/etc/containers/storage.conf`"]
problems:
  description: What is wrong, with the keys C(id), C(message), C(file), C(line), C(hint) and others.
  returned: if the program refuses
  type: list
  elements: dict
cmd:
  description: The command that was run.
  returned: if it was run
  type: list
  elements: str
  sample: [/usr/bin/storagectl, --format, json, add-store, --engine=all, --, /var/lib/containers/extra]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.storagectl.storagectl.plugins.module_utils.program import ARGUMENTS, call

# Those of one command alone, in the order of its help.
ADDING = ("init", "allow_missing", "allow_writable")
REMOVING = ("if_gone",)


def arguments_of(module):
    """The command line of the task."""
    params = module.params
    adds = params["state"] == "present"
    others = REMOVING if adds else ADDING + ("position", "before", "after")
    for option in others:
        if params[option]:
            module.fail_json(msg="`{0}` means nothing with `state: {1}`".format(option, params["state"]))
    arguments = ["add-store" if adds else "remove-store"]
    if params["position"]:
        arguments.append("--{0}".format(params["position"]))
    for option in ("before", "after"):
        if params[option]:
            arguments.append("--{0}={1}".format(option, params[option]))
    for option in ADDING + REMOVING + ("force", "restart"):
        if params[option]:
            arguments.append("--{0}".format(option.replace("_", "-")))
    arguments.append("--engine={0}".format(params["engine"]))
    if module.check_mode:
        arguments.append("--dry-run")
    return arguments + ["--"] + params["path"]


def main():
    spec = dict(
        path=dict(type="list", elements="str", required=True, aliases=["paths"]),
        state=dict(type="str", choices=["present", "absent"], default="present"),
        position=dict(type="str", choices=["first", "last"]),
        before=dict(type="str"),
        after=dict(type="str"),
        init=dict(type="bool", default=False),
        allow_missing=dict(type="bool", default=False),
        allow_writable=dict(type="bool", default=False),
        if_gone=dict(type="bool", default=False),
        force=dict(type="bool", default=False),
        engine=dict(type="str", choices=["all", "legacy", "modern"], default="all"),
        restart=dict(type="bool", default=False),
    )
    spec.update(ARGUMENTS)
    module = AnsibleModule(
        argument_spec=spec,
        mutually_exclusive=[("position", "before", "after")],
        supports_check_mode=True,
    )
    if not module.params["path"]:
        # A list that a filter has emptied.
        module.exit_json(changed=False, stores=[], files=[], notes=[])
    answer, command = call(module, arguments_of(module))
    result = dict(
        changed=answer["changed"],
        stores=answer["stores"],
        files=[dict(path=file["path"], action=file["action"]) for file in answer["files"]],
        notes=answer["notes"],
        cmd=command,
    )
    if module._diff:
        result["diff"] = [dict(prepared=file["diff"]) for file in answer["files"]]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
