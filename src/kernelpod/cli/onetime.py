"""`kernelpod hub one-time`: codes that let each student of an exam in, once."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from kernelpod.courses.model import Lists
from kernelpod.courses.userlists import BadList, normal, read_names
from kernelpod.errors import SettingsError
from kernelpod.hub.logins import codes


class Moment(click.ParamType):  # type: ignore[type-arg]  # older clicks have none
    """A moment as ISO 8601, such as 2026-12-01T09:00+01:00; without an offset --zone says which it is."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, with or without a zone."""
        try:
            # Python 3.10 does not know the Z.
            return datetime.fromisoformat(value.removesuffix("Z") + ("+00:00" if value.endswith("Z") else ""))
        except ValueError:
            self.fail(f"{value!r} is no time such as 2026-12-01T09:00+01:00", param, ctx)


@click.group("one-time")
def one_time() -> None:
    """Codes that let each student of an exam in, once.

    \b
    Example:
      kernelpod hub one-time issue --users exam.csv --list codes.json --out slips.csv \\
        --from 2026-12-01T09:00 --until 2026-12-01T11:00 --zone Europe/Berlin
    """


@one_time.command()
@click.option(
    "--users", required=True, type=click.Path(path_type=Path, dir_okay=False), help="CSV of the students."
)
@click.option("--column", default=Lists().column, show_default=True, help="Header of the column of user names.")
@click.option(
    "--list",
    "list_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The list of hashed codes, which the hub reads.",
)
@click.option(
    "--from", "opens", required=True, type=Moment(), help="Codes count from then, e.g. 2026-12-01T09:00."
)
@click.option("--until", "closes", required=True, type=Moment(), help="Codes count until then.")
@click.option("--zone", help="Zone of times without an offset, such as Europe/Berlin.")
@click.option("--only", multiple=True, metavar="NAME", help="A new code for this student; the others keep theirs.")
@click.option("--replace", is_flag=True, help="Take back all codes of the list, and issue new ones.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="New file for the codes; else printed."
)
@click.option("--dry-run", is_flag=True, help="Say who would get a code; change nothing.")
def issue(
    users: Path,
    column: str,
    list_file: Path,
    opens: datetime,
    closes: datetime,
    zone: str | None,
    only: tuple[str, ...],
    replace: bool,
    out: Path | None,
    dry_run: bool,
) -> None:
    """Print a code for each student as CSV, once; the list keeps hashes only.

    \b
    Example, for one whose browser has died:
      kernelpod hub one-time issue --users exam.csv --list codes.json --only alice \\
        --from 2026-12-01T09:00 --until 2026-12-01T11:30 --zone Europe/Berlin
    """
    opens, closes = _in_zone(opens, "--from", zone), _in_zone(closes, "--until", zone)
    if closes <= opens:
        raise SettingsError("--until must be later than --from")
    names = _chosen(users, Lists(column=column), only)
    with codes.changing(list_file):
        # Read before anything is changed: a file that is no list is not written over, but with --replace.
        kept = codes.read_list(list_file) if list_file.exists() and not replace else {}
        if kept and not only:
            raise SettingsError(
                f"{list_file} holds codes for {len(kept)} users already; --only NAME issues one again, "
                "--replace takes all of them back"
            )
        span = f"{opens.isoformat(timespec='minutes')} to {closes.isoformat(timespec='minutes')}"
        if dry_run:
            for name in names:
                click.echo(name)
            click.echo(f"would issue {len(names)} codes, {span}; {len(kept)} are in {list_file}", err=True)
            return
        made, entries = codes.issued(names, opens, closes)
        _put(list_file, {**kept, **entries}, _slips(made, opens, closes), out)
    click.echo(f"issued {len(made)} codes, {span}; {list_file} holds {len({*kept, *made})} users", err=True)


def _put(list_file: Path, entries: dict[str, codes.StoredCode], slips: str, out: Path | None) -> None:
    """Write the list, and the codes in clear; both or, when there is a file for the codes, nothing."""
    if out:
        codes.write_slips(out, slips)
    try:
        codes.write_list(list_file, entries)
    except codes.ListError:
        if out:
            out.unlink()
        raise
    if not out:
        click.echo(slips, nl=False)


def _in_zone(moment: datetime, option: str, zone: str | None) -> datetime:
    if moment.tzinfo is not None:
        return moment
    if not zone:
        raise SettingsError(
            f"{option} has no offset; write it as in 2026-12-01T09:00+01:00, or say --zone Europe/Berlin"
        )
    try:
        placed = moment.replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"--zone: {zone!r} is no zone; names are like Europe/Berlin") from error
    # With its offset: the list says the same wherever it is read.
    return datetime.fromisoformat(placed.isoformat())


def _chosen(users: Path, lists: Lists, only: tuple[str, ...]) -> list[str]:
    """Return whom codes are for. Raises SettingsError."""
    try:
        found = read_names(users.read_bytes(), lists)
    except OSError as error:
        raise SettingsError(f"{users}: {error.strerror}") from error
    except BadList as error:
        raise SettingsError(f"{users}:{error.line}: {error}") from error
    for line, remark in found.remarks:
        click.echo(f"{users}:{line}: {remark}", err=True)
    unusable = sorted(name for name in found.names if "/" in name or set(name) == {"."})
    if unusable:
        raise SettingsError(
            f"{users}: the hub takes no user names with a slash, nor . and ..: {', '.join(unusable)}"
        )
    wanted = {normal(name.strip(), lists) for name in only}
    if strangers := sorted(wanted - found.names):
        raise SettingsError(f"--only: not in {users}: {', '.join(strangers)}")
    names = sorted(wanted or found.names)
    if not names:
        raise SettingsError(f"{users}: there is nobody in it")
    return names


def _slips(made: dict[str, str], opens: datetime, closes: datetime) -> str:
    """Return the codes in clear as CSV, to print and cut."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Username", "Code", "From", "Until"])
    for name, code in made.items():
        writer.writerow([name, code, *(moment.isoformat(timespec="minutes") for moment in (opens, closes))])
    return text.getvalue()
