"""Builds a shared library that knows nothing of Python: one wheel of a platform serves every runtime."""

from __future__ import annotations

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

SOURCES = "src/sls_hec_native"


class BuildLibrary(build_ext):
    """An extension that is loaded by its name, not imported."""

    def get_ext_filename(self, fullname: str) -> str:
        return "/".join(fullname.split(".")) + ".so"

    def get_export_symbols(self, ext: Extension) -> list[str]:
        return ext.export_symbols


class PlatformWheel(bdist_wheel):
    """Of this platform, and of no interpreter."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


setup(
    cmdclass={"build_ext": BuildLibrary, "bdist_wheel": PlatformWheel},
    ext_modules=[
        Extension(
            "sls_hec_native.libsls_hec_encode",
            [f"{SOURCES}/sls_hec_encode.c"],
            depends=[f"{SOURCES}/{name}.h" for name in ("sls_hec_encode", "json", "table", "text", "wire")],
            extra_compile_args=["-std=c99", "-O3", "-fvisibility=hidden", "-fstack-protector-strong"],
            extra_link_args=["-Wl,-z,relro,-z,now"],
        )
    ],
)
