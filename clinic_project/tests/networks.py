"""A machine that falls silent: a network namespace of Linux."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

import pytest

from medical_records.tests.standbys import Pair


@contextmanager
def made_network() -> Iterator["Network"]:
    """Make a machine of its own, as far as the network knows; skips where that can't be."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        pytest.skip("only root makes a network, by iproute2")
    network = Network(f"clinic{os.getpid()}")
    try:
        network.make()
        yield network
    except NotPermitted:
        pytest.skip("a container without CAP_NET_ADMIN makes no network")
    finally:
        network.remove()


class NotPermitted(Exception):
    """The kernel lets this process make no network."""


@dataclass(frozen=True)
class Network:
    name: str

    @property
    def subnet(self) -> IPv4Network:
        """Four addresses, other ones than those of another process of the tests."""
        return IPv4Network((int(IPv4Address("10.213.0.0")) + os.getpid() % 2**14 * 4, 30))

    @property
    def address(self) -> str:
        return str(self.subnet[2])

    @property
    def within(self) -> list[str]:
        """The command by which another is run there."""
        return ["ip", "netns", "exec", self.name]

    def make(self) -> None:
        """Make it, with an address on both sides. Raises NotPermitted."""
        try:
            self.ip("netns", "add", self.name)
            self.ip("link", "add", self.name, "type", "veth", "peer", "name", "inside", "netns", self.name)
        except subprocess.CalledProcessError as error:
            raise NotPermitted from error
        self.ip("address", "add", f"{self.subnet[1]}/30", "dev", self.name)
        self.ip("link", "set", self.name, "up")
        self.ip("-n", self.name, "address", "add", f"{self.address}/30", "dev", "inside")
        self.ip("-n", self.name, "link", "set", "inside", "up")

    def remove(self) -> None:
        """Remove what there is of it."""
        for kind in ("link", "netns"):
            subprocess.run(["ip", kind, "delete", self.name], check=False, stderr=subprocess.DEVNULL)

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    def fall_silent(self) -> None:
        """Nothing that is sent to the address is answered, or refused."""
        self.ip("-n", self.name, "address", "delete", f"{self.address}/30", "dev", "inside")


def start_within(network: "Network", pair: Pair, name: str, port: int) -> None:
    """Start a server of the pair there, which lets in who comes over that network."""
    with (pair.folder / name / "pg_hba.conf").open("a") as file:
        file.write("host all all samenet trust\n")
    pair.servers.start(name, port, network.address, network.within)
