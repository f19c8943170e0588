"""The options of filters that read the consumers of one host."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  _input:
    type: list
    required: true
    description: The consumers, as in C(sls_hec_forwarder_consumers).
  host:
    type: str
    required: true
    description: The host's name in the inventory.
  settings:
    type: list
    required: true
    description: Layers of settings below those of the consumers, each a dictionary; the most general first.
  secrets:
    type: list
    required: true
    description: Layers of secrets, likewise.
  state:
    type: path
    required: true
    description: The folder in which each instance has one of its own.
"""
