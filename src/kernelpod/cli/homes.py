"""`kernelpod homes`: looks at users' homes where they are stored, makes the missing ones, and measures them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from kernelpod.base.logs import escaped
from kernelpod.cli.options import load_settings
from kernelpod.cli.specs.options import json_option, say_json, say_table
from kernelpod.cli.whosehomes import Asked, asked_options
from kernelpod.deploy.homefolders.folders import GOOD, TO_MAKE, FoundHome, look
from kernelpod.deploy.homefolders.folders import usage as usage_of
from kernelpod.deploy.homefolders.moves import moves_between, script
from kernelpod.deploy.homefolders.wanted import HubUsers, Wanted
from kernelpod.errors import SettingsError

COLOURS = {"missing": "yellow", "unowned": "yellow", "open": "yellow", "made": "green", "owned": "green"}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@click.group()
def homes() -> None:
    """Look at users' homes where they are stored, make the missing ones, and measure them.

    \b
    Examples:
      kernelpod homes check --settings settings.yaml
      kernelpod homes make --ssh root@nfs.example.org:/export/homes --list class.txt --dry-run
      kernelpod homes make --ssh root@nfs.example.org:/export/homes --of-hub --token-file admin-token
      kernelpod homes usage alice bob
    """


@homes.command()
@asked_options
@json_option
def check(asked: Asked, as_json: bool) -> None:
    """Say of each home whether it is there, with its owner and mode. Exit 1 unless all of them are.

    \b
    Example:
      kernelpod homes check --pvc homes --namespace hub
    """
    with asked.opened() as (shell, root):
        found = look(shell, root, asked.wanted.homes)
    _say(asked.wanted, found, root, as_json=as_json)


@homes.command()
@asked_options
@click.option("--dry-run", is_flag=True, help="Say what would be made, and make nothing.")
@json_option
def make(asked: Asked, dry_run: bool, as_json: bool) -> None:
    """Make the homes that are missing, with owner and mode. Exit 1 if some cannot be made.

    Nothing that belongs to somebody else is changed, and no link is followed. With root_squash on the export, run
    it on the NFS server, by --ssh.

    \b
    Example:
      kernelpod homes make --ssh root@nfs.example.org:/export/homes --dry-run
    """
    with asked.opened() as (shell, root):
        found = look(shell, root, asked.wanted.homes, make=not dry_run, plan=dry_run)
    _say(asked.wanted, found, root, as_json=as_json, planned=dry_run)


@homes.command()
@asked_options
@json_option
def usage(asked: Asked, as_json: bool) -> None:
    """Show the size, files, newest change and quota of each home, the largest first, and homes of nobody.

    Homes of nobody are shown if all users of the hub are asked for. Other hubs may have theirs in the same folder.

    \b
    Example:
      kernelpod homes usage --ssh root@nfs.example.org:/export/homes --json
    """
    with asked.opened() as (shell, root):
        depth = asked.users.depth if asked.everybody else None
        found, others = usage_of(shell, root, asked.wanted.homes, depth)
    nobodys = [path for path in others if not asked.users.is_of_services(path)]
    found.sort(key=lambda one: -one.size)
    if as_json:
        rows = [
            {
                "user": one.home.user,
                "path": f"{root}/{one.home.path}",
                "bytes": one.size,
                "files": one.files,
                "newest": one.newest.isoformat() if one.newest else None,
                "quota_bytes": one.quota,
            }
            for one in found
        ]
        say_json({"homes": rows, "nobodys": [f"{root}/{path}" for path in nobodys]})
        return
    say_table(
        [
            {
                "user": one.home.user,
                "size": _amount(one.size),
                "files": str(one.files),
                "newest": f"{one.newest:%Y-%m-%d %H:%M}" if one.newest else "",
                "quota": "" if one.quota is None else _amount(one.quota),
                "home": f"{root}/{one.home.path}",
            }
            for one in found
        ]
    )
    click.echo(f"{len(found)} homes, {_amount(sum(one.size for one in found))}")
    for path in nobodys:
        click.echo(f"{escaped(f'{root}/{path}')} is the home of nobody in the lists of this hub")


@homes.command()
@asked_options
@click.option(
    "--new-settings",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="Settings that give other homes.",
)
@click.option("--script", "as_script", is_flag=True, help="Print a shell script that renames the folders.")
@json_option
def moves(asked: Asked, new_settings: Path, as_script: bool, as_json: bool) -> None:
    """Show which homes have another place by new settings, and print the script that renames them.

    Nothing is looked at or renamed. The script overwrites no folder and leaves out homes that are not there.

    \b
    Examples:
      kernelpod homes moves --settings old.yaml --new-settings new.yaml --list class.txt
      kernelpod homes moves --settings old.yaml --new-settings new.yaml jo.doe --script > rename.sh
    """
    new = load_settings(new_settings)
    users = dict.fromkeys(home.user for home in asked.wanted.homes)
    there = HubUsers(new, new.hub(asked.users.hub_name)).homes(users)
    if refused := {**asked.wanted.refused, **there.refused}:
        name, said = next(iter(refused.items()))
        raise SettingsError(f"{escaped(name)}: {said}")
    found = moves_between(asked.wanted.homes, there.homes)
    renames = script(found)
    if as_json:
        say_json({"moves": [move._asdict() for move in found]})
    elif as_script:
        click.echo(renames, nl=False)
    else:
        say_table([{"user": one.user, "home now": one.old, "home by the new settings": one.new} for one in found])
        click.echo(f"{len(found)} of {len(asked.wanted.homes)} homes move")


def _say(wanted: Wanted, found: list[FoundHome], root: str, *, as_json: bool, planned: bool = False) -> None:
    """Print what was found, and exit with 1 if something is not as it should be."""
    good = GOOD | TO_MAKE if planned else GOOD
    ok = not wanted.refused and all(one.state in good for one in found)
    if as_json:
        rows = [
            {
                "user": one.home.user,
                "path": f"{root}/{one.home.path}",
                "state": one.state,
                "owner": one.owner,
                "mode": one.mode,
                "uid": one.home.uid,
                "gid": one.home.gid,
                "message": one.sentence(root),
            }
            for one in found
        ]
        say_json({"ok": ok, "dry_run": planned, "homes": rows, "refused": wanted.refused})
        raise SystemExit(0 if ok else 1)
    for one in found:
        if one.state != "ok":
            said = f": {sentence}" if (sentence := one.sentence(root)) and not _is_planned(one, planned) else ""
            word = "would make" if _is_planned(one, planned) else one.state
            click.echo(f"{click.style(word, fg=COLOURS.get(one.state, 'red'))}  {root}/{one.home.path}{said}")
    for name, said in wanted.refused.items():
        click.echo(f"{click.style('refused', fg='red')}  {escaped(name)}: {said}")
    counts = Counter(one.state for one in found)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    refused = f", {len(wanted.refused)} refused" if wanted.refused else ""
    click.echo(f"{len(found)} homes: {told or 'none'}{refused}")
    raise SystemExit(0 if ok else 1)


def _is_planned(one: FoundHome, planned: bool) -> bool:
    return planned and one.state in TO_MAKE


def _amount(size: int) -> str:
    amount = float(size)
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
