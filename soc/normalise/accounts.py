"""Account names as Windows and Linux write them."""

from __future__ import annotations


def split_account(text: str) -> tuple[str, str]:
    r"""Domain (or "") and name of ``DOMAIN\name``; any other text is a name alone.

    >>> split_account(r"NT AUTHORITY\SYSTEM"), split_account("root")
    (('NT AUTHORITY', 'SYSTEM'), ('', 'root'))
    """
    domain, slash, name = text.partition("\\")
    return (domain, name) if slash else ("", text)


def base_name(path: str) -> str:
    r"""The last part of a Windows or POSIX path.

    >>> base_name(r"C:\Windows\System32\cmd.exe"), base_name("/usr/bin/curl")
    ('cmd.exe', 'curl')
    """
    return path[max(path.rfind("\\"), path.rfind("/")) + 1 :]
