"""Rollcall: a lightweight, self-hosted user-administration service."""

from importlib.metadata import version

__version__ = version("rollcall")
