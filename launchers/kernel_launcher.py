"""Runs in a kernel's pod under a stock Enterprise Gateway: starts the kernel, reports where it is, sends signals.

It imports only the standard library. `launch_kubernetes.py` puts this file's text into the pod's command with one
argument, a JSON object: kernel_id, response_address, public_key; and argv and working_dir, or refusal, a message.

The gateway's protocol, version 1: base64 of {"version": 1, "key", "conn_info"}, sent once to response_address.
`conn_info` is the connection as JSON, encrypted with AES-128-ECB (PKCS#7); `key` is the AES key, encrypted with
RSA PKCS#1 v1.5. Signals arrive at `comm_port` as {"signum": N}. As with the stock launcher, only NetworkPolicies
protect both connections.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any

# Fixed, so that a NetworkPolicy can list them; a pod has one kernel.
PORTS = {"shell_port": 20001, "iopub_port": 20002, "stdin_port": 20003, "control_port": 20004, "hb_port": 20005}
COMM_PORT = 20006
SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2})
START_SECONDS = 60.0
CONNECT_SECONDS = 20.0
REFUSED_SECONDS = 60.0
LAST_WORDS = 2000
BLOCK = 16


def main(order: dict[str, Any]) -> int:
    """Return the kernel's exit status."""
    if "refusal" in order:
        return refuse(order, str(order["refusal"]))
    with tempfile.TemporaryDirectory() as folder:
        return run(order, Path(folder))


def run(order: dict[str, Any], folder: Path) -> int:
    """Start the kernel, tell the gateway once it listens, and wait until it ends. Return its exit status."""
    connection = {**PORTS, "ip": "0.0.0.0", "transport": "tcp", "signature_scheme": "hmac-sha256"}
    connection["key"] = os.urandom(32).hex()
    file = folder / "connection.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(connection), encoding="utf-8")
    command = [word.replace("{connection_file}", str(file)) for word in order["argv"]]
    here = order["working_dir"]
    place = here if Path(here).is_dir() else str(Path.home())
    with socket.create_server(("0.0.0.0", COMM_PORT)) as listener:
        try:
            kernel = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            return refuse(order, f"The kernel's command cannot be started: {error}.")
        signal.signal(signal.SIGTERM, lambda *_: kernel.terminate())
        try:
            return serve(order, connection, kernel, listener)
        finally:
            kernel.kill()


def serve(
    order: dict[str, Any], connection: dict[str, Any], kernel: subprocess.Popen[bytes], listener: socket.socket
) -> int:
    """Send the gateway the connection, and forward signals until the kernel ends. Return its exit status."""
    words = LastWords(kernel)
    if not listening(kernel):
        kernel.kill()
        return refuse(order, f"The kernel ended before it could be reached: {words.text() or 'no output'}")
    tell(order, {**connection, "kernel_id": order["kernel_id"], "comm_port": COMM_PORT})
    threading.Thread(target=pass_signals, args=(listener, kernel), daemon=True).start()
    status = kernel.wait()
    return status if status >= 0 else 128 - status


def listening(kernel: subprocess.Popen[bytes]) -> bool:
    """Return whether the kernel accepts connections before it ends, within a minute."""
    deadline = time.monotonic() + START_SECONDS
    while kernel.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORTS["shell_port"]), 1):
            return True
        time.sleep(0.02)
    return False


class LastWords:
    """Copies the kernel's stderr to the pod's log and keeps its end."""

    def __init__(self, kernel: subprocess.Popen[bytes]) -> None:
        self._tail = b""
        self._thread = threading.Thread(target=self._copy, args=(kernel.stderr,), daemon=True)
        self._thread.start()

    def _copy(self, source: IO[bytes]) -> None:
        with source:
            while chunk := os.read(source.fileno(), 65536):
                self._tail = (self._tail + chunk)[-LAST_WORDS:]
                os.write(2, chunk)

    def text(self) -> str:
        """Return the last line. Call it after the kernel has ended."""
        self._thread.join(1)
        lines = self._tail.decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[-300:] if lines else ""


def pass_signals(listener: socket.socket, kernel: subprocess.Popen[bytes]) -> None:
    """Send the kernel's processes the signals that the gateway asks for. Invalid requests are ignored."""
    while True:
        caller, _ = listener.accept()
        with caller, contextlib.suppress(OSError, ValueError, AttributeError):
            caller.settimeout(2)
            number = json.loads(caller.recv(1024)).get("signum")
            if number in SIGNALS:
                os.killpg(kernel.pid, number)


def refuse(order: dict[str, Any], sentence: str) -> int:
    """Let the start fail with a message that the user sees. Return the exit status.

    Enterprise Gateway 3.3.0 shows only one text of the launcher: an unknown signature scheme, which it quotes in
    full. It waits for the connection only while the pod runs, and then removes the pod.
    """
    sys.stderr.write(f"{sentence}\n")
    tell(order, {"kernel_id": order["kernel_id"], "signature_scheme": sentence})
    time.sleep(REFUSED_SECONDS)
    return 1


def tell(order: dict[str, Any], connection: dict[str, Any]) -> None:
    """Send the gateway a connection. Raises SystemExit if the gateway is not reached within 20 seconds."""
    host, _, port = order["response_address"].rpartition(":")
    deadline = time.monotonic() + CONNECT_SECONDS
    while True:
        try:
            with socket.create_connection((host, int(port)), 5) as gateway:
                gateway.sendall(sealed(connection, order["public_key"]))
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise SystemExit(f"the gateway cannot be reached at {host}:{port}: {error}") from error
            time.sleep(0.5)


def sealed(connection: dict[str, Any], public_key: str) -> bytes:
    """Return a connection in the gateway's format, encrypted with its public key."""
    key = os.urandom(BLOCK)
    parts = {"key": rsa_encrypt(public_key, key), "conn_info": aes_encrypt(key, json.dumps(connection).encode())}
    texts = {name: base64.b64encode(part).decode() for name, part in parts.items()}
    return base64.b64encode(json.dumps({"version": 1, **texts}).encode())


def rsa_encrypt(public_key: str, message: bytes) -> bytes:
    """Encrypt by RSAES-PKCS1-v1_5 (RFC 8017, 7.2.1) with a base64 SubjectPublicKeyInfo (RFC 5280, 4.1.2.7)."""
    info, _ = der(base64.b64decode(public_key))
    _algorithm, rest = der(info)
    bits, _ = der(rest)
    numbers, _ = der(bits[1:])
    modulus_bytes, rest = der(numbers)
    modulus = int.from_bytes(modulus_bytes, "big")
    exponent = int.from_bytes(der(rest)[0], "big")
    size = (modulus.bit_length() + 7) // 8
    padding = bytes(1 + byte % 255 for byte in os.urandom(size - 3 - len(message)))
    block = b"\0\2" + padding + b"\0" + message
    return pow(int.from_bytes(block, "big"), exponent, modulus).to_bytes(size, "big")


def der(data: bytes) -> tuple[bytes, bytes]:
    """Return the content of the first DER element, and the bytes after it."""
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return data[start : start + length], data[start + length :]


def double(value: int) -> int:
    """Multiply by x in the field of AES."""
    return (value << 1) ^ (0x11B if value & 0x80 else 0)


def substitutions() -> list[int]:
    """Return the S-box of AES (FIPS 197, 5.1.1): the inverse in the field, then an affine map."""
    powers = [1]
    while len(powers) < 255:
        powers.append(powers[-1] ^ double(powers[-1]))
    logarithm = {value: index for index, value in enumerate(powers)}
    box = []
    for value in range(256):
        inverse = powers[-logarithm[value] % 255] if value else 0
        turned = inverse * 0x101  # the byte twice, so a shift to the right is a rotation
        box.append(0x63 ^ inverse ^ (turned >> 7 ^ turned >> 6 ^ turned >> 5 ^ turned >> 4) & 0xFF)
    return box


def aes_encrypt(key: bytes, message: bytes) -> bytes:
    """Encrypt with AES-128 in ECB mode and PKCS#7 padding, for the gateway. Use each key for one message only."""
    box = substitutions()
    keys = round_keys(key, box)
    padding = BLOCK - len(message) % BLOCK
    message += bytes([padding]) * padding
    blocks = (message[start : start + BLOCK] for start in range(0, len(message), BLOCK))
    return b"".join(bytes(cipher(list(block), keys, box)) for block in blocks)


def round_keys(key: bytes, box: list[int]) -> list[list[int]]:
    """Return the eleven round keys (FIPS 197, 5.2)."""
    words = [list(key[start : start + 4]) for start in range(0, BLOCK, 4)]
    constant = 1
    while len(words) < 44:
        word = words[-1]
        if len(words) % 4 == 0:
            word = [box[byte] for byte in (*word[1:], word[0])]
            word[0] ^= constant
            constant = double(constant)
        words.append([old ^ new for old, new in zip(words[-4], word)])  # noqa: B905 - Python 3.9 has no strict
    return [sum(words[start : start + 4], []) for start in range(0, 44, 4)]  # noqa: RUF017 - four short lists


def cipher(state: list[int], keys: list[list[int]], box: list[int]) -> list[int]:
    """Encrypt one block (FIPS 197, 5.1), given as bytes column by column."""
    state = added(state, keys[0])
    for turn in range(1, 11):
        shifted = [box[state[(place + 4 * (place % 4)) % BLOCK]] for place in range(BLOCK)]
        state = added(shifted if turn == 10 else mixed(shifted), keys[turn])
    return state


def mixed(state: list[int]) -> list[int]:
    """Apply MixColumns."""
    result = []
    for start in range(0, BLOCK, 4):
        column = state[start : start + 4]
        whole = column[0] ^ column[1] ^ column[2] ^ column[3]
        result += [byte ^ whole ^ double(byte ^ column[(row + 1) % 4]) for row, byte in enumerate(column)]
    return result


def added(state: list[int], key: list[int]) -> list[int]:
    """Apply AddRoundKey."""
    return [byte ^ other for byte, other in zip(state, key)]  # noqa: B905


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
