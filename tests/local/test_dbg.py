import pytest
@pytest.mark.timeout(110)
def test_x(site):
    try:
        for n in range(25):
            k = site.alice.start()
            with site.alice.channels(k) as ch:
                for _ in range(2):
                    assert site.alice.ask("POST", f"kernels/{k}/restart").status_code == 200
                    assert ch.run("print(1)", 20) == "1\n"
            site.alice.ask("DELETE", f"kernels/{k}")
    finally:
        print("LOG", n, site.gateway._process.poll(), [l for l in site.gateway.log.splitlines() if "Assert" in l])
