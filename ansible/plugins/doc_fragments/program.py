# Copyright: the authors of storagectl
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment(object):
    """What all modules that call the program have."""

    DOCUMENTATION = r"""
options:
  root:
    description:
      - The tree of a system that does not run, such as an image that is being built.
    type: path
  config:
    description:
      - Another C(storage.conf) than the one that engines read.
    type: path
  executable:
    description:
      - The program, as a name that is looked for in E(PATH) and the directories of the administrator's programs, or
        as a path.
    type: path
    default: storagectl
requirements:
  - storagectl
"""
