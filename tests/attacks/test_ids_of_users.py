"""A user id for each user: what one user's files deny, another user's kernel cannot do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root starts kernels of other user ids")

ALICE, BOB = (20001, 20000), (20002, 20000)
LIST = "".join(f"{name}:x:{uid}:{gid}\n" for name, (uid, gid) in {"alice": ALICE, "bob": BOB}.items())


@pytest.fixture(scope="module")
def apart(make_site: Any, hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A gateway whose users have ids of their own, and a folder that all of them share."""
    folder: Path = tmp_path_factory.mktemp("ids")
    file, shared = folder / "passwd", folder / "shared"
    file.write_text(LIST)
    shared.mkdir()
    shared.chmod(0o1777)
    mounts = [{"name": "shared", "root": str(shared), "mount_path": "/shared", "read_only": False}]
    site = make_site(
        hubs=[{"api_url": hub.api_url, "user_ids": str(file)}],
        identity={"cache_seconds": 0.2, "negative_cache_seconds": 0.2, "recheck_seconds": 0.2},
        mounts=mounts,
    )
    for name, ids in (("alice", ALICE), ("bob", BOB)):
        os.chown(site.home(name), *ids)
    site.ids, site.shared = file, shared
    yield site
    site.stop_kernels()


def test_a_user_cannot_read_anothers_files_in_a_shared_folder(apart: Any) -> None:
    writes = "import os; os.umask(0o077); open('/shared/secret', 'w').write('marks')"
    assert apart.alice.run(apart.alice.start(), f"{writes}; print(os.getuid(), os.getgid())") == "20001 20000\n"
    assert (apart.shared / "secret").stat().st_uid == ALICE[0]
    reads = "try: print(open('/shared/secret').read())\nexcept PermissionError: print('denied')"
    assert apart.bob.run(apart.bob.start(), reads) == "denied\n"
    apart.stop_kernels()


def test_a_user_cannot_go_on_under_an_id_that_is_no_longer_theirs(apart: Any) -> None:
    kernel_id = apart.alice.start()
    with apart.alice.channels(kernel_id) as channels:
        channels.run("1")
        apart.ids.with_suffix(".new").write_text(LIST.replace("alice", "mallory"))
        apart.ids.with_suffix(".new").replace(apart.ids)
        assert channels.closed() == 1008
    answer = apart.alice.post()
    assert (answer.status_code, answer.json()["code"]) == (403, "no_user_id")
    assert "20001" not in answer.text
    apart.ids.with_suffix(".new").write_text(LIST)
    apart.ids.with_suffix(".new").replace(apart.ids)
