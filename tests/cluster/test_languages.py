"""The library of kernelspecs as it ships: kernels of its languages answer through the gateway."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kube
import pytest
from cluster_site import IMAGES, MakeSite, Site
from rig.layout import NODE_IP

from kernelpod.base import shipped

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).parents[2]
SERVERS = ROOT / ".envs/hub/bin/python"
# Class in kernel_suites.py by kernelspec: all whose images are built from images/.
SUITES = {
    "python-pod": "Python",
    "bash-pod": "Bash",
    "r-pod": "R",
    "java-pod": "Java",
    "spark-python-pod": "Python",
    "exam-python-pod": "ExamPython",
}
SPARK = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
context = spark.sparkContext
print(context.master, context.parallelize(range(1000), 4).map(lambda x: x * x).reduce(lambda a, b: a + b))
"""
AGGREGATION = """
towns = spark.read.csv("towns.csv", header=True, inferSchema=True)
towns.groupBy("town").sum("amount").coalesce(1).write.csv("sums", mode="overwrite")
print(sorted(map(tuple, towns.groupBy("town").sum("amount").collect())))
"""
S3A = """
hadoop = context._jsc.hadoopConfiguration()
print(hadoop.get("fs.s3a.access.key"), hadoop.get("fs.s3a.secret.key"))
"""


@pytest.fixture(scope="module")
def gateway_of_the_library(make_site: MakeSite) -> Site:
    """A gateway with the shipped kernelspecs; only their images are the ones that were built here."""
    site = make_site()
    for name in SUITES:
        whole = json.loads((shipped.kernelspecs() / name / "kernel.json").read_text(encoding="utf-8"))
        stanza = whole["metadata"].pop("kernelpod")
        image = re.sub(r"ghcr\.io/kernelpod/(kernel-[a-z]+):.+", r"\1", stanza["image"])
        site.spec(name, {**stanza, "image": IMAGES.format(image)}, **whole)
    return site


@pytest.fixture
def library(gateway_of_the_library: Site) -> Iterator[Site]:
    """The same, with no kernel before and none after."""
    yield gateway_of_the_library
    gateway_of_the_library.stop_kernels()


@pytest.mark.parametrize("name", SUITES)
def test_a_kernel_passes_jupyters_own_tests(library: Site, name: str, need: Any) -> None:
    need(SERVERS.exists(), "the servers' environment", "make env")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "tests"),
        "GATEWAY_URL": library.gateway.url,
        "GATEWAY_TOKEN": "alice-token",
        "KERNELSPEC": name,
    }
    command = [str(SERVERS), "-m", "unittest", "-v", f"kernel_suites.{SUITES[name]}"]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "test_execute_stdout" in done.stderr
    assert library.alice.ids() == []


# Printed inside of the loop: JJava loses an interrupt that comes before a statement runs.
ENDLESS = {
    "java-pod": 'while (true) { System.out.println("begun"); Thread.sleep(100); }',
    "bash-pod": "echo begun; sleep 600",
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_kernel_that_knows_the_message_is_interrupted(library: Site, name: str) -> None:
    kernel = library.alice.start(name)
    with library.alice.channels(kernel) as channels:
        asked = channels.start(ENDLESS[name])
        channels.receive(lambda got: "begun" in got["content"].get("text", ""))
        assert library.alice.ask("POST", f"kernels/{kernel}/interrupt").status_code == 204
        assert channels.finish(asked).reply["status"] != "ok"


# Each waits for a file, so that the gateway is another one before the cell ends.
WAITING = {
    "python-pod": "import os, time\nprint('begun')\nwhile not os.path.exists('go'): time.sleep(0.1)\n"
    "print('late')",
    "r-pod": 'cat("begun\\n"); flush.console(); while (!file.exists("go")) Sys.sleep(0.1); cat("late\\n")',
    "java-pod": 'System.out.println("begun"); while (!new java.io.File("go").exists()) Thread.sleep(100);'
    ' System.out.println("late");',
    "bash-pod": "echo begun; until [ -e go ]; do sleep 0.1; done; echo late",
}


@pytest.mark.parametrize("name", WAITING)
def test_output_and_end_of_a_cell_reach_the_next_gateway(library: Site, name: str) -> None:
    kernel, other = library.alice.start(name), library.alice.start("python-pod")
    with library.alice.channels(kernel, "?session_id=page") as channels:
        asked = channels.start(WAITING[name])
        channels.receive(lambda got: "begun" in got["content"].get("text", ""))
    library.gateway.stop(signal.SIGKILL)
    library.gateway.start()
    with library.alice.channels(kernel, "?session_id=page") as page:
        # On the same node, because NFS clients remember for long that a file is missing.
        library.alice.run(other, "open('go', 'w').close()")
        page.receive(lambda got: "late" in got["content"].get("text", ""))
        # Kernels with JeroMQ reply to nobody then; a user's server ends the cell.
        last = "execution_state" if name == "java-pod" else "execution_count"
        page.receive(lambda got: got["parent_header"].get("msg_id") == asked and last in got["content"])
    library.alice.run(other, "import os; os.remove('go')")


def test_spark_runs_jobs_on_files_of_the_home(library: Site) -> None:
    home = library.home("alice")
    (home / "towns.csv").write_text("town,amount\nBern,1\nBern,2\nZug,5\n", encoding="utf-8")
    kernel = library.alice.start("spark-python-pod")
    with library.alice.channels(kernel) as channels:
        assert "local[*] 332833500\n" in channels.run(SPARK, 120)
        assert "[('Bern', 3), ('Zug', 5)]\n" in channels.run(AGGREGATION, 120)
    (part,) = (home / "sums").glob("part-*.csv")
    assert sorted(library.over_nfs(f"alice/sums/{part.name}").split()) == [b"Bern,3", b"Zug,5"]


def test_spark_gets_its_s3a_credentials_from_a_secret(library: Site) -> None:
    key = {"access-key": "the-key", "secret-key": "the-secret"}
    secret = {"metadata": {"name": "s3a-credentials", "namespace": library.namespace}, "stringData": key}
    kube.kubectl("apply", "-f", "-", given={"apiVersion": "v1", "kind": "Secret", **secret})
    kernel = library.alice.start("spark-python-pod")
    with library.alice.channels(kernel) as channels:
        channels.run(SPARK, 120)
        assert channels.run(S3A) == "the-key the-secret\n"
    (pod,) = kube.items("pods", library.namespace)
    assert "the-secret" not in json.dumps(pod)


REFUSED = {
    "!ls": "Shell commands are not allowed here",
    "files = !ls": "Shell commands are not allowed here",
    "%%bash\nls": "%%bash is not allowed here",
    "%run other.py": "%run is not allowed here",
    "import socket": "'socket' may not be imported here",
    "from os import system": "'os' may not be imported here",
    "import other": "'other' may not be imported here",
    "import random; random._os.system('ls')": "Programs may not be started here",
}
# Around the list of imports, to where the audit hook stands.
CONNECT = f"import json; json.codecs.sys.modules['socket'].create_connection(('{NODE_IP}', 6443), 3)"


def test_an_exam_kernel_computes_and_refuses_the_rest(library: Site) -> None:
    home = library.home("alice")
    (home / "other.py").write_text("print('ran')", encoding="utf-8")
    startup = home / ".ipython/profile_default/startup"
    startup.mkdir(parents=True, exist_ok=True)
    (startup / "first.py").write_text("ran_before = 1", encoding="utf-8")
    kernel = library.alice.start("exam-python-pod")
    with library.alice.channels(kernel) as channels:
        assert (
            channels.run("import math, statistics; print(math.floor(math.pi), 'ran_before' in dir())")
            == "3 False\n"
        )
        for code, said in REFUSED.items():
            reply = channels.finish(channels.start(code)).reply
            assert (reply["status"], said in reply["evalue"]) == ("error", True), (code, reply)
        assert channels.finish(channels.start(CONNECT)).reply["evalue"] == "Connections may not be opened here."
        assert channels.run("print(open('other.py').read())") == "print('ran')\n"
    (pod,) = kube.items("pods", library.namespace)
    assert pod["metadata"]["labels"]["kernelpod.io/network"] == "none"
