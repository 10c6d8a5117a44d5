# SPDX-License-Identifier: Apache-2.0
"""The build: compiles the protos into one descriptor set and copies the error table beside it.

The package reads both when it is imported. That way no generated code ties it to one version of protobuf. In the
repository the protos are in ../../proto and all output goes to ../../build/python; a source distribution carries its
own copy in proto/.
"""

import pathlib
import shutil

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
IN_REPOSITORY = (REPOSITORY / "proto" / "errors.def").exists()
PROTO = REPOSITORY / "proto" if IN_REPOSITORY else HERE / "proto"


class Build(build_py):
    """Adds the descriptor set and the error table to what is built."""

    def run(self):
        from importlib.resources import files

        from grpc_tools import protoc

        super().run()
        out = pathlib.Path(self.build_lib, "sabir")
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROTO / "errors.def", out)
        sources = sorted(str(path.relative_to(PROTO)) for path in PROTO.glob("sabir/v1/*.proto"))
        failed = protoc.main(
            ["protoc", f"-I{PROTO}", f"-I{HERE}", f"-I{files('grpc_tools') / '_proto'}", "--include_imports"]
            + [f"--descriptor_set_out={out / 'descriptor.pb'}", "status.proto", *sources]
        )
        if failed:
            raise SystemExit("protoc failed")


class SourceDistribution(sdist):
    """Adds the protos and the error table, which are outside this folder in the repository."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        for name in ["errors.def", *(str(path.relative_to(PROTO)) for path in PROTO.glob("sabir/v1/*.proto"))]:
            target = pathlib.Path(base_dir, "proto", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PROTO / name, target)
        shutil.copy(HERE / "status.proto", base_dir)


options = {}
if IN_REPOSITORY:
    output = REPOSITORY / "build" / "python"
    output.mkdir(parents=True, exist_ok=True)
    options = {"build": {"build_base": str(output)}, "egg_info": {"egg_base": str(output)}}

setup(cmdclass={"build_py": Build, "sdist": SourceDistribution}, options=options)
