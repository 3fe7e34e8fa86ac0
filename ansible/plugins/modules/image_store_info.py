#!/usr/bin/python
# Copyright: the authors of storagectl
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: image_store_info
short_description: Show the additional image stores of a host
version_added: 0.1.0
description:
  - Shows which additional image stores container engines read, in the order in which they search them.
  - Calls C(storagectl list-stores), which must be installed on the managed host. It judges nothing, so a missing
    directory is shown and no failure.
extends_documentation_fragment:
  - storagectl.storagectl.program
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: N/A
    description: The module changes nothing.
  platform:
    support: full
    description: The module runs where the program does.
    platforms: linux
seealso:
  - module: storagectl.storagectl.image_store
author:
  - The authors of storagectl (@storagectl)
"""

EXAMPLES = r"""
- name: See the stores of this host
  storagectl.storagectl.image_store_info:
  register: found

- name: Stop if a directory is missing
  ansible.builtin.assert:
    that: found.stores | rejectattr('state', 'equalto', 'present') | length == 0
"""

RETURN = r"""
file:
  description: The main file, or none if the host has none.
  returned: success
  type: str
  sample: /etc/containers/storage.conf
stores:
  description: The stores.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: As written.
      type: str
      returned: always
    state:
      description: V(present), V(missing), V(not-mounted), V(not-directory), V(malformed), V(unreadable) or V(invalid).
      type: str
      returned: always
    driver:
      description: The storage driver.
      type: str
      returned: always
    images:
      description: How many images it has, or none if that cannot be told.
      type: int
      returned: always
    file:
      description: The file that lists it.
      type: str
      returned: always
    line:
      description: The line there.
      type: int
      returned: always
    engines:
      description: The engines that see it.
      type: list
      elements: str
      returned: always
    declared_by:
      description: Its declaration.
      type: str
      returned: if it has one
unlisted:
  description: The stores that are declared, or were listed, and are not listed now, and why.
  returned: success
  type: list
  elements: dict
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
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.storagectl.storagectl.plugins.module_utils.program import ARGUMENTS, call


def main():
    module = AnsibleModule(argument_spec=dict(ARGUMENTS), supports_check_mode=True)
    answer, command = call(module, ["list-stores"])
    module.exit_json(
        changed=False, file=answer["file"], stores=answer["stores"], unlisted=answer["unlisted"], cmd=command
    )


if __name__ == "__main__":
    main()
