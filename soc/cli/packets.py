"""``soc packets``: the packet sensor's records of captures, as JSON lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", help=".pcap .pcapng, these as .gz .zst .zip, or a folder of them"
        ),
    ],
) -> None:
    """Print what is said in packet captures: one JSON object a line, with ECS names.

    Each line names its kind in ``record``: flow, dns, http, tls, ssh, quic, smtp, ftp, dhcp, kerberos, smb, ...
    and at the end of each capture the counts. Nothing is stored. A capture that cannot be read, or is cut off, is named
    on stderr, what could be read is printed, and the exit code is 2.

    Example: soc packets trace.pcapng | grep '"record":"dns"'
    """
    from soc.detect.event_files import PCAP, FileProblem, found_files, members, packet_records

    is_whole = True

    def say(problem: FileProblem) -> None:
        nonlocal is_whole
        is_whole = False
        typer.echo(f"soc packets: {problem}", err=True)

    out = sys.stdout.buffer
    try:
        for path in found_files(files):
            if not path.exists():
                say(FileProblem(str(path), "no such file or folder"))
                continue
            for member in members(path):
                if isinstance(member, FileProblem):
                    say(member)
                    continue
                shown, kind, content = member
                if kind not in PCAP:
                    if path not in files and shown == str(path):
                        continue  # a folder may hold other files
                    say(FileProblem(shown, "no packet capture: .pcap or .pcapng is expected"))
                    continue
                for item in packet_records(shown, content):
                    if isinstance(item, FileProblem):
                        say(item)
                    else:
                        out.write(item.raw + b"\n")
        out.flush()
    except BrokenPipeError:  # who reads our output has seen enough
        sys.stderr.close()
        raise typer.Exit(0) from None
    if not is_whole:
        raise typer.Exit(2)
