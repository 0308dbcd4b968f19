"""Options of commands that work on a folder of this machine, of another by ssh, or on a claim."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from kernelpod.base import podshell
from kernelpod.base.shells import LocalShell, Shell, SshShell, ssh_place
from kernelpod.deploy.progress import Progress

context_option = click.option("--context", default="", help="Context of kubectl. Default: the current one.")


@dataclass(frozen=True)
class Place:
    """A local folder, a folder reached by ssh, or a folder on a claim; at most one of the first three is given."""

    target: Path | None
    ssh: str
    pvc: str
    namespace: str
    path: str
    pod_image: str

    @property
    def count(self) -> int:
        """Return how many locations were given."""
        return sum(map(bool, (self.target, self.ssh, self.pvc)))

    @contextmanager
    def shell(
        self,
        context: str,
        steps: Progress,
        uid: int,
        purpose: str,
        capabilities: tuple[str, ...] = (),
        seconds: int = podshell.LIFE_SECONDS,
    ) -> Iterator[tuple[Shell, str]]:
        """Yield a shell and the folder there. A pod has the user id `uid` and ends after `seconds`.

        Raises KernelpodError.
        """
        if self.ssh:
            host, folder = ssh_place(self.ssh)
            yield SshShell(host), folder
            return
        if not self.pvc:
            yield LocalShell(), str((self.target or Path()).absolute())
            return
        folder = f"{podshell.MOUNTED}/{self.path.strip('/')}".rstrip("/")
        claim = podshell.MountedClaim(
            self.pvc, self.namespace, context, self.pod_image, uid, purpose, capabilities, seconds
        )
        with ExitStack() as stack:
            with steps(f"mounting {self.pvc} in a pod"):
                shell = stack.enter_context(podshell.pod_shell(claim))
            yield shell, folder


P = TypeVar("P", bound=Place)
Command = Callable[..., None]


def place_options(
    kind: type[P], required: bool, target: str, elsewhere: str, more: tuple[Callable[[Command], Command], ...] = ()
) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of a place. The command gets it as `place`, and `context`.

    `target` is the help of --target, `elsewhere` names the folder in other helps. `more` are options for further
    fields of `kind`.
    """
    folder = click.Path(path_type=Path, file_okay=False)
    heading = elsewhere[:1].upper() + elsewhere[1:]
    options: tuple[Callable[[Command], Command], ...] = (
        click.option("--target", type=folder, help=target),
        click.option(
            "--ssh",
            default="",
            metavar="USER@HOST:/FOLDER",
            help=f"{heading} on another machine.",
        ),
        click.option(
            "--pvc", default="", metavar="CLAIM", help=f"Claim with the {elsewhere}. A short-lived pod mounts it."
        ),
        click.option("--namespace", default="", help="With --pvc: namespace of the claim."),
        click.option("--path", default="", help="With --pvc: folder in the volume. Default: its root."),
        click.option(
            "--pod-image", default=podshell.IMAGE, show_default=True, help="With --pvc: image of the pod."
        ),
        *more,
        context_option,
    )

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_place(**given: Any) -> None:
            place = kind(**{name: given.pop(name) for name in kind.__dataclass_fields__})
            if place.count > 1 or (required and not place.count):
                raise click.UsageError("Give exactly one of --target, --ssh and --pvc.")
            if place.pvc and not place.namespace:
                raise click.UsageError("--pvc requires --namespace.")
            if (place.namespace or place.path) and not place.pvc:
                raise click.UsageError("--namespace and --path are for --pvc; --target and --ssh name the folder.")
            if ".." in place.path.split("/"):
                raise click.UsageError("--path must not contain '..'.")
            command(place=place, **given)

        collected: Command = with_place
        for option in reversed(options):
            collected = option(collected)
        return collected

    return decorate
