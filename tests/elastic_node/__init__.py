"""A real Elasticsearch node for the tests: the server's own jars, started on loopback by a JDK, without a container.

``SOC_ELASTIC_CACHE`` names the folder that keeps the jars (default ``~/.cache/province-soc/elasticsearch``).
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

VERSION = "9.2.0"
LEAST_JAVA = 21
HERE = Path(__file__).parent
JVMS = Path("/usr/lib/jvm")
DESCRIPTOR = """name=transport-netty4
description=Netty transport
version={version}
elasticsearch.version={version}
java.version=17
classname=org.elasticsearch.transport.netty4.Netty4Plugin
"""


class NodeMissing(Exception):
    """What the node needs is not on this machine."""


def java_home() -> Path:
    """The newest JDK that can run the server. Raises NodeMissing."""
    given = os.environ.get("SOC_JAVA_HOME")
    folders = [Path(given)] if given else list(JVMS.glob("*")) if JVMS.is_dir() else []
    known = {home: _major(home) for home in folders if (home / "bin" / "javac").is_file()}
    able = [home for home, major in known.items() if major >= LEAST_JAVA]
    if not able:
        raise NodeMissing(f"a JDK of version {LEAST_JAVA} or newer (set SOC_JAVA_HOME)")
    return max(able, key=lambda home: known[home])


def _major(home: Path) -> int:
    release = home / "release"
    text = release.read_text() if release.is_file() else ""
    found = re.search(r'JAVA_VERSION="(\d+)', text)
    return int(found[1]) if found else 0


def server(java: Path) -> Path:
    """The folder of the server, made at first use. Raises NodeMissing."""
    cache = os.environ.get("SOC_ELASTIC_CACHE") or "~/.cache/province-soc/elasticsearch"
    folder = Path(cache).expanduser() / VERSION
    if (folder / "ready").is_file():
        return folder
    if shutil.which("mvn") is None:
        raise NodeMissing("Maven, which fetches the Elasticsearch server")
    made = folder.with_name(f".new-{VERSION}")
    shutil.rmtree(made, ignore_errors=True)
    netty = made / "home" / "modules" / "transport-netty4"
    for part in (netty, made / "home" / "config", made / "classes", made / "native"):
        part.mkdir(parents=True)
    _fetch(made / "core")
    for jar in [*made.glob("core/netty-*.jar"), *made.glob("core/transport-netty4-*.jar")]:
        jar.rename(netty / jar.name)
    (netty / "plugin-descriptor.properties").write_text(DESCRIPTOR.format(version=VERSION))
    (made / "home" / "config" / "elasticsearch.yml").touch()
    for library in list(Path("/usr/lib").glob("*/libzstd.so.1"))[:1]:
        shutil.copy(library, made / "native" / "libzstd.so")
    compiler = [str(java / "bin" / "javac"), "-cp", f"{made}/core/*", "-d", f"{made}/classes"]
    subprocess.run([*compiler, str(HERE / "EsNode.java")], check=True, capture_output=True)
    (made / "ready").touch()
    made.rename(folder)
    return folder


def _fetch(folder: Path) -> None:
    command = ["mvn", "-q", "-B", "-C", "-f", str(HERE / "pom.xml")]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    done = subprocess.run([*command, f"-Des.version={VERSION}"], capture_output=True, text=True)
    if done.returncode:
        raise NodeMissing(f"the Elasticsearch server (Maven says: {done.stdout.strip()[-300:]})")


@dataclass
class Node:
    """A running node of its own cluster."""

    process: subprocess.Popen[str]
    url: str
    reader: threading.Thread

    def stop(self) -> None:
        """End the node; it closes when its input does."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()


def start(data: Path, *settings: str, heap: str = "1g") -> Node:
    """Start a node on a free port and wait until it answers. Raises NodeMissing."""
    java = java_home()
    folder = server(java)
    command = [str(java / "bin" / "java"), f"-Xms{heap}", f"-Xmx{heap}"]
    command += ["--enable-native-access=ALL-UNNAMED", "--add-modules=jdk.incubator.vector"]
    command += [f"-Des.nativelibs.path={folder}/native", f"-Djava.library.path={folder}/native"]
    command += ["-cp", f"{folder}/classes:{folder}/core/*", "EsNode", str(folder / "home")]
    command += [str(data), "node.name=n1", "cluster.name=soc-test", "discovery.type=single-node"]
    http, transport = _free_ports()
    data.mkdir(parents=True, exist_ok=True)
    log = data / "node.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, f"http.port={http}", f"transport.port={transport}", *settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == "started":
            break
    else:
        raise NodeMissing(f"a running Elasticsearch node (it ended; see {log})")
    reader = threading.Thread(target=_read_on, args=(process.stdout,), daemon=True)
    reader.start()
    return Node(process, f"http://127.0.0.1:{http}", reader)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _read_on(output: IO[str]) -> None:
    """So that a talkative node never waits for us."""
    with output:
        for _ in output:
            pass
