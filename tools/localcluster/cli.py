"""The commands of ``python -m localcluster``.

Results go to standard output, progress and errors to standard error.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from localcluster import binaries, images, offline_kind, stores
from localcluster.errors import ClusterError
from localcluster.native import COMPONENTS, NativeCluster
from localcluster.paths import layout
from localcluster.progress import say, step
from localcluster.providers import CHOICES, cluster, plan


def _answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _up(options: argparse.Namespace) -> int:
    cluster(options.name, options.provider).up()
    _answer(str(layout(options.name).kubeconfig))
    return 0


def _down(options: argparse.Namespace) -> int:
    cluster(options.name).down()
    return 0


def _status(options: argparse.Namespace) -> int:
    status = cluster(options.name).status()
    if options.json:
        _answer(json.dumps(asdict(status), indent=1))
    else:
        for field, value in asdict(status).items():
            if value != "":
                _answer(f"{field + ':':<16}{value}")
    return 0 if status.healthy else 1


def _kubeconfig(options: argparse.Namespace) -> int:
    path = layout(options.name).kubeconfig
    if not path.exists():
        raise ClusterError(f"cluster {options.name} does not exist; run `up` first")
    _answer(str(path))
    return 0


def _build(options: argparse.Namespace) -> int:
    known = (*binaries.ALL_MODULES, *binaries.ON_REQUEST)
    modules = [m for m in known if m.name in options.modules] if options.modules else binaries.ALL_MODULES
    for module in modules:
        _answer(str(binaries.ensure(module)))
    return 0


def _bin(options: argparse.Namespace) -> int:
    _answer(str(cluster(options.name).binaries()))
    return 0


def _images(options: argparse.Namespace) -> int:
    where = cluster(options.name)
    if not options.no_load and not (status := where.status()).healthy:
        raise ClusterError(
            f"cluster {options.name} is not up ({status.why_not}); with --no-load the images are only built"
        )
    for built in images.build_all(options.targets or list(images.NAMES)):
        _answer(f"{built.tag} {built.archive}")
        if not options.no_load:
            _load_archive(options.name, built.archive, built.tag)
    return 0


def _load_archive(name: str, archive: Path, tag: str) -> None:
    with step(f"loading {tag} into cluster {name}"):
        if not cluster(name).load(archive, tag):
            say("    the node already has it")


def _load(options: argparse.Namespace) -> int:
    if not options.archive.is_file():
        raise ClusterError(f"no such file: {options.archive}")
    for tag in images.tags_in(options.archive):
        _load_archive(options.name, options.archive, tag)
    return 0


def _plan(options: argparse.Namespace) -> int:
    for line in plan(options.name):
        _answer(line)
    return 0


def _wheels(options: argparse.Namespace) -> int:
    _answer(str(images.wheels_of(options.target)))
    return 0


def _store(options: argparse.Namespace) -> int:
    stores.serve(options.server, options.dir, options.port)
    return 0


def _with_kind(options: argparse.Namespace) -> int:
    offline_kind.execute(options.command)
    return 0


def _native(name: str) -> NativeCluster:
    found = cluster(name)
    if not isinstance(found, NativeCluster):
        raise ClusterError("only the native provider has components that can be stopped")
    return found


def _stop(options: argparse.Namespace) -> int:
    _native(options.name).stop(options.component)
    return 0


def _restart(options: argparse.Namespace) -> int:
    _native(options.name).restart(options.component)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="localcluster", description="A real cluster on one machine.")
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(
        name: str, action: Callable[[argparse.Namespace], int], text: str, named: bool = True
    ) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=text, description=text)
        sub.set_defaults(action=action)
        if named:
            sub.add_argument("--name", default="dev", help="which cluster (default: dev)")
        return sub

    up = verb("up", _up, "start the cluster and wait until Pods can run; prints the kubeconfig's path")
    up.add_argument("--provider", choices=CHOICES, default="auto")
    verb("plan", _plan, "print what would be installed and built, and do nothing")
    verb("down", _down, "remove the cluster completely")
    status = verb("status", _status, "print the status of the cluster; exit 1 if it is not healthy")
    status.add_argument("--json", action="store_true")
    verb("kubeconfig", _kubeconfig, "print the path of the administrator's kubeconfig")
    verb("bin", _bin, "print the folder of kubectl, building it if it is missing")
    build = verb("build", _build, "build the programs with Go", named=False)
    names = [module.name for module in binaries.ALL_MODULES]
    asked = [module.name for module in binaries.ON_REQUEST]
    text = f"of: {', '.join(names)} (default: all of these), {', '.join(asked)} (only when named)"
    build.add_argument("modules", nargs="*", metavar="MODULE", help=text)
    image = verb("images", _images, "build our images and load them into the cluster")
    image.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help=f"of: {', '.join(images.NAMES)}, {images.TEST_STORE} (only when named)",
    )
    image.add_argument("--no-load", action="store_true", help="only build; needs no cluster")
    load = verb("load", _load, "load a docker-archive into the cluster")
    load.add_argument("archive", type=Path)
    text = "download the wheels of an image, for a build without a network; prints the folder"
    verb("wheels", _wheels, text, named=False).add_argument("target", choices=images.TARGETS)
    store = verb("store", _store, "run an S3 server on 127.0.0.1", named=False)
    store.add_argument("server", choices=sorted(stores.SERVERS))
    store.add_argument("--dir", type=Path, required=True)
    store.add_argument("--port", type=int, required=True)
    text = "run a command with kind by Podman, on a node image that is built here (no registry is needed)"
    inside = verb("with-kind", _with_kind, text, named=False)
    inside.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    for name, action, text in (
        ("stop", _stop, "stop one component, as a fault for a test"),
        ("restart", _restart, "start one component again"),
    ):
        verb(name, action, text).add_argument("component", choices=COMPONENTS)
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run a command; returns the exit code."""
    options = _parser().parse_args(arguments)
    action: Callable[[argparse.Namespace], int] = options.action
    try:
        return action(options)
    except ClusterError as error:
        sys.stderr.write(f"localcluster: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("localcluster: interrupted\n")
        return 130
