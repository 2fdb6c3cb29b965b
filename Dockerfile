# Three images from one file: operator, processor and minio.
#
# The build has no network, but for one Debian package that the default base lacks.
# Wheels come from build/wheelhouse-TARGET, the MinIO program from build/bin; both
# are put there by the host, which checks hashes:
#
#     PYTHONPATH=tools python3 -m localcluster context out/context
#     docker build --target operator --tag imagejob-operator out/context
#
# `python3 -m localcluster images` does the same with buildah where there is no
# Docker, on a base of its own: any Debian 12 root with Python 3.11 will do.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1


# pip stays in /opt/build: the environment that is shipped cannot install. It
# finds our own code in /opt/app, which has a layer of its own and is small.
FROM base AS installer
RUN python3 -m venv /opt/build \
    && python3 -m venv --without-pip /opt/venv \
    && site="$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
    && echo /opt/app > "$site/app.pth"


# Byte code is made here, once and for good: the root is read-only at run time.
FROM installer AS operator-wheels
COPY locks/operator.txt /tmp/lock.txt
RUN --mount=type=bind,source=build/wheelhouse-operator,target=/wheels \
    /opt/build/bin/pip --python /opt/venv/bin/python install --no-compile --no-index \
    --find-links /wheels --require-hashes --requirement /tmp/lock.txt \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib


FROM base AS operator-code
COPY operator/imagejob_operator /opt/app/imagejob_operator
COPY processor/imagejob_contract /opt/app/imagejob_contract
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app


FROM base AS operator
# The threshold is fixed: else the allocator raises it above the 256 KiB that asyncio buffers for a TLS connection,
# and what comes and goes with connections leaves holes in the heap that are never given back. And none of the about
# forty threads keeps pieces that it has freed to itself, which adds up (docs/contributors/decisions/0020-memory.md).
ENV MALLOC_MMAP_THRESHOLD_=131072 \
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0
LABEL org.opencontainers.image.title="imagejob-operator" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=operator-wheels /opt/venv /opt/venv
COPY --from=operator-code /opt/app /opt/app
# A number, so that runAsNonRoot can be checked; any other number works too.
USER 65532:65532
ENTRYPOINT ["python", "-m", "imagejob_operator"]


FROM installer AS processor-wheels
COPY locks/processor.txt /tmp/lock.txt
RUN --mount=type=bind,source=build/wheelhouse-processor,target=/wheels \
    /opt/build/bin/pip --python /opt/venv/bin/python install --no-compile --no-index \
    --find-links /wheels --require-hashes --requirement /tmp/lock.txt \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib


# An optional library, from the base or else from Debian: the one thing that is fetched in a build.
FROM base AS processor-base
RUN test -n "$(find /usr/lib /usr/local/lib -name 'libturbojpeg.so.0')" \
    || { apt-get update -q && apt-get install -q -y --no-install-recommends libturbojpeg0 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*; }


FROM base AS processor-code
COPY processor/imagejob_contract /opt/app/imagejob_contract
COPY processor/imagejob_processor /opt/app/imagejob_processor
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app


FROM processor-base AS processor
LABEL org.opencontainers.image.title="imagejob-processor" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later"
COPY --from=processor-wheels /opt/venv /opt/venv
COPY --from=processor-code /opt/app /opt/app
USER 65532:65532
ENTRYPOINT ["python", "-m", "imagejob_processor"]


# For demos and tests only: a small S3 store.
FROM base AS minio
LABEL org.opencontainers.image.title="minio" \
      org.opencontainers.image.licenses="AGPL-3.0-only"
COPY build/bin/minio /usr/local/bin/minio
USER 65532:65532
ENTRYPOINT ["minio"]
CMD ["server", "/data"]
