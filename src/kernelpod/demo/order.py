"""The checks of the Alice scenario in order, with the checks that each of them needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from kernelpod.demo import admins, scenario
from kernelpod.demo.scene import Scene


@dataclass(frozen=True)
class Check:
    """One check of the scenario."""

    run: Callable[[Scene], None]
    needs: tuple[Callable[[Scene], None], ...] = ()
    """Checks whose results this one uses. It is skipped if one of them failed."""
    of_sandbox: bool = False
    """Whether it can only pass with a sandbox."""

    @property
    def name(self) -> str:
        """The name of the check: the docstring of its function."""
        return (self.run.__doc__ or self.run.__name__).strip().rstrip(".")


SCENARIO = (
    Check(scenario.server_up),
    Check(scenario.kernelspecs_listed, (scenario.server_up,)),
    Check(scenario.kernel_starts_in_folder, (scenario.server_up,)),
    Check(scenario.file_of_kernel_seen_by_server, (scenario.kernel_starts_in_folder,)),
    Check(scenario.file_of_server_seen_by_kernel, (scenario.file_of_kernel_seen_by_server,)),
    Check(scenario.environment_is_clean, (scenario.kernel_starts_in_folder,)),
    Check(scenario.interrupt, (scenario.kernel_starts_in_folder,)),
    Check(scenario.restart_keeps_files, (scenario.file_of_kernel_seen_by_server,)),
    Check(scenario.debugger, (scenario.kernel_starts_in_folder,)),
    Check(scenario.bash_echoes, (scenario.server_up,)),
    Check(scenario.bob_sees_own_home, (scenario.kernel_starts_in_folder,), of_sandbox=True),
    Check(scenario.bob_cannot_touch_alices_kernel, (scenario.kernel_starts_in_folder,)),
    Check(scenario.bob_cannot_reach_alices_sockets, (scenario.kernel_starts_in_folder,), of_sandbox=True),
    Check(scenario.bob_cannot_forge, (scenario.server_up,)),
    Check(scenario.token_does_not_open_server, (scenario.server_up,)),
    Check(scenario.no_token_no_answer),
    Check(scenario.names_agree, (scenario.kernel_starts_in_folder,)),
    Check(scenario.survives_gateway_crash, (scenario.kernel_starts_in_folder,)),
    Check(scenario.command_lines_hold_no_secret),
    Check(scenario.server_stop_takes_kernels, (scenario.file_of_server_seen_by_kernel,)),
    Check(admins.admin_revokes_mallory),
    Check(admins.admin_revokes_on_the_hubs_page, (admins.admin_revokes_mallory,)),
    Check(
        admins.audit_log_tells,
        (
            scenario.survives_gateway_crash,
            scenario.server_stop_takes_kernels,
            admins.admin_revokes_on_the_hubs_page,
        ),
    ),
    Check(scenario.logs_hold_no_secret, (scenario.kernel_starts_in_folder,)),
)
AFTERWARDS = (Check(scenario.no_process_left), Check(scenario.no_file_left))
