# Stock Enterprise Gateway, from its source archive: gateway, kernelspec, launcher and start script as published.
# It has the same Python and packages as Kernelpod's image, so that only the gateways are compared. So it needs
# setuptools for distutils, and a newer pyzmq than its metadata allows, which pip must not check (--no-deps).
ARG BASE_IMAGE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${BASE_IMAGE}
# The standard library is compiled, too, as in the images that it is compared with.
RUN python3 -m compileall -q "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" || true \
 && useradd --uid 1000 --gid 100 --create-home --shell /bin/bash jovyan
ENV PATH=/opt/venv/bin:$PATH LANG=C.UTF-8
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv \
 && pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r /tmp/requirements.txt \
 && rm /tmp/requirements.txt
COPY kernels /usr/local/share/jupyter/kernels
COPY --chmod=0755 start-enterprise-gateway.sh /usr/local/bin/
USER 1000:100
WORKDIR /usr/local/bin
CMD ["/usr/local/bin/start-enterprise-gateway.sh"]
