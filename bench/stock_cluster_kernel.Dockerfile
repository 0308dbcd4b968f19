# The same kernel as in Kernelpod's image, with the launcher that stock Enterprise Gateway needs in every image.
ARG BASE_IMAGE=python:3.13-slim-trixie@sha256:9d2e5553305c7c7b0097999bb17187c69b921ccd6bc9d40e4bb5ebe652c00285
FROM ${BASE_IMAGE}
RUN python3 -m compileall -q "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" || true \
 && useradd --uid 1000 --gid 100 --create-home --shell /bin/bash jovyan
ENV PATH=/opt/venv/bin:$PATH LANG=C.UTF-8 KERNEL_LANGUAGE=python
COPY requirements.txt /tmp/requirements.txt
RUN python3 -m venv /opt/venv \
 && pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/requirements.txt \
 && rm /tmp/requirements.txt
COPY kernel-launchers /usr/local/bin/kernel-launchers
COPY --chmod=0755 bootstrap-kernel.sh /usr/local/bin/
USER 1000:100
WORKDIR /home/jovyan
CMD ["/usr/local/bin/bootstrap-kernel.sh"]
