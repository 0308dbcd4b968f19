"""`kernelpod hub one-time`: issues one-time login codes for an exam."""

from __future__ import annotations

import csv
import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from kernelpod.courses.model import Lists
from kernelpod.courses.tables import BadList
from kernelpod.courses.userlists import normal, read_names
from kernelpod.errors import SettingsError
from kernelpod.hub.logins import codes


class Moment(click.ParamType):  # type: ignore[type-arg]  # older clicks have none
    """An ISO 8601 time, such as 2026-12-01T09:00+01:00. Without an offset, --zone gives its time zone."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time as a datetime, which is naive if `value` has no offset."""
        try:
            # Python 3.10 does not parse a trailing Z.
            return datetime.fromisoformat(value.removesuffix("Z") + ("+00:00" if value.endswith("Z") else ""))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2026-12-01T09:00+01:00", param, ctx)


@click.group("one-time")
def one_time() -> None:
    """Issue one-time login codes for the students of an exam.

    \b
    Example:
      kernelpod hub one-time issue --users exam.csv --list codes.json --out slips.csv \\
        --from 2026-12-01T09:00 --until 2026-12-01T11:00 --zone Europe/Berlin
    """


@one_time.command()
@click.option(
    "--users", required=True, type=click.Path(path_type=Path, dir_okay=False), help="CSV file of the students."
)
@click.option("--column", default=Lists().column, show_default=True, help="Header of the user name column.")
@click.option(
    "--list",
    "list_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of hashed codes, which the hub reads.",
)
@click.option("--from", "opens", required=True, type=Moment(), help="Start of validity, e.g. 2026-12-01T09:00.")
@click.option("--until", "closes", required=True, type=Moment(), help="End of validity.")
@click.option("--zone", help="Time zone of times without an offset, e.g. Europe/Berlin.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="Issue a new code to this student only; repeat for more."
)
@click.option("--replace", is_flag=True, help="Revoke all codes of the list and issue new ones.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="New file for the codes. Default: standard output.",
)
@click.option("--dry-run", is_flag=True, help="List who would get a code; change nothing.")
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
    """Issue a code to each student and print the codes as CSV. The list stores only hashes.

    \b
    Example: a new code for a student whose browser crashed
      kernelpod hub one-time issue --users exam.csv --list codes.json --only alice \\
        --from 2026-12-01T09:00 --until 2026-12-01T11:30 --zone Europe/Berlin
    """
    opens, closes = _in_zone(opens, "--from", zone), _in_zone(closes, "--until", zone)
    if closes <= opens:
        raise SettingsError("--until must be later than --from")
    names = _chosen(users, Lists(column=column), only)
    with codes.changing(list_file):
        # Reading first makes sure that a file that is not a list is only overwritten with --replace.
        kept = codes.read_list(list_file) if list_file.exists() and not replace else {}
        if kept and not only:
            raise SettingsError(
                f"{list_file} already holds codes for {len(kept)} users; use --only NAME to issue one again, "
                "or --replace to revoke all of them"
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
    """Write the list and the plain-text codes. With a file for the codes, either both are written or neither."""
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
            f"{option} has no offset; write it as 2026-12-01T09:00+01:00, or add --zone Europe/Berlin"
        )
    try:
        placed = moment.replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"--zone: {zone!r} is not a time zone; use a name such as Europe/Berlin") from error
    # The list stores the offset, so that it means the same time on every machine.
    return datetime.fromisoformat(placed.isoformat())


def _chosen(users: Path, lists: Lists, only: tuple[str, ...]) -> list[str]:
    """Return the user names to issue codes to. Raises SettingsError."""
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
            f"{users}: the hub does not accept user names with a slash, nor '.' and '..': {', '.join(unusable)}"
        )
    wanted = {normal(name.strip(), lists) for name in only}
    if strangers := sorted(wanted - found.names.keys()):
        raise SettingsError(f"--only: not in {users}: {', '.join(strangers)}")
    names = sorted(wanted or found.names)
    if not names:
        raise SettingsError(f"{users}: the list is empty")
    return names


def _slips(made: dict[str, str], opens: datetime, closes: datetime) -> str:
    """Return the plain-text codes as CSV, to be printed as slips."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Username", "Code", "From", "Until"])
    for name, code in made.items():
        writer.writerow([name, code, *(moment.isoformat(timespec="minutes") for moment in (opens, closes))])
    return text.getvalue()
