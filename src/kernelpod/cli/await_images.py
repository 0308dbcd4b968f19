"""`kernelpod await-images`: lets the chart's pre-pull job wait for its images."""

from __future__ import annotations

import click

from kernelpod.deploy import prepull


@click.command(hidden=True)
@click.argument("daemonset")
@click.option("--namespace", required=True)
@click.option("--seconds", type=click.FloatRange(0, min_open=True), default=600, show_default=True)
def await_images(daemonset: str, namespace: str, seconds: float) -> None:
    """Wait until all pods of DAEMONSET have pulled their images. Must run inside a pod.

    \b
    Example:
      kernelpod await-images kernelpod-hook-image-puller --namespace gateway
    """
    prepull.await_images(daemonset, namespace, seconds, prepull.service_account_get, click.echo)
