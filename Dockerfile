# The images of the operator and of the processor, for the platform of the build (amd64, arm64):
#
#     docker build --target operator --tag imagejob-operator .
#     docker build --target processor --tag imagejob-processor .
#
# BuildKit (Docker 23 or newer) or buildah. Every wheel is checked against a hash in locks/. Behind a proxy with
# certificates of its own: --secret id=ca,src=/etc/ssl/certs/ca-certificates.crt. Without a network: BASE_IMAGE names
# a Debian with Python that the builder has, and the named context `wheels` a folder of wheels (docs/administrators/install.md).
#
# The digest is that of the index of all platforms.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

# Empty, unless a build has the named context.
FROM scratch AS wheels


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
COPY tools/imagebuild/install-wheels.sh /usr/local/bin/install-wheels


# Both images begin with this layer: Python without a shell and without a package manager.
FROM base AS root
COPY tools/imagebuild/__init__.py tools/imagebuild/root.py /tools/imagebuild/
RUN PYTHONPATH=/tools python3 -m imagebuild.root /image


# The kubernetes client is lazy: of its 120 MB of generated classes, the operator loads three.
FROM installer AS operator-wheels
COPY locks/operator.txt /tmp/lock.txt
RUN --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    install-wheels \
    && cd /opt/venv/lib/python3*/site-packages/kubernetes \
    && rm -r client/api/*_api.py aio/client/api/*_api.py aio/client/models/v[1-9]*.py \
    && find client/models -name '*.py' ! -name __init__.py ! -name v1_managed_fields_entry.py \
        ! -name v1_object_meta.py ! -name v1_owner_reference.py -delete \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib


FROM base AS operator-code
COPY operator/imagejob_operator /opt/app/imagejob_operator
COPY processor/imagejob_contract /opt/app/imagejob_contract
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app


FROM scratch AS operator
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagejob-operator" \
      org.opencontainers.image.description="The operator of ImageJobs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The threshold is fixed: else the allocator raises it above the 256 KiB that asyncio buffers for a TLS connection,
# and what comes and goes with connections leaves holes in the heap that are never given back. And none of the about
# forty threads keeps pieces that it has freed to itself, which adds up (docs/contributors/decisions/0020-memory.md).
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_MMAP_THRESHOLD_=131072 \
    GLIBC_TUNABLES=glibc.malloc.tcache_count=0
COPY --from=root /image /
COPY --from=operator-wheels /opt/venv /opt/venv
COPY --from=operator-code /opt/app /opt/app
# A number, so that runAsNonRoot can be checked; any other number works too.
USER 65532:65532
RUN ["python", "-c", "import imagejob_operator.main, imagejob_operator.adapters.http.trace_collector"]
ENTRYPOINT ["python", "-m", "imagejob_operator"]


FROM installer AS processor-wheels
COPY locks/processor.txt /tmp/lock.txt
RUN --mount=type=bind,from=wheels,target=/wheels \
    --mount=type=cache,target=/root/.cache/pip \
    --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    install-wheels \
    && python3 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib


# Libraries that wheels load if they are there, from the base or else from Debian: fast JPEG, and letters of Arabic
# and Hebrew in watermarks.
FROM base AS libraries
RUN test -n "$(find /usr/lib -name 'libturbojpeg.so.0')" && test -n "$(find /usr/lib -name 'libfribidi.so.0')" \
    || { apt-get update -q && apt-get install -q -y --no-install-recommends libturbojpeg0 libfribidi0; }
RUN for file in $(find /usr/lib -name 'libturbojpeg.so.0*' -o -name 'libfribidi.so.0*'); do \
    install -D "$file" "/image$file"; done


FROM base AS processor-code
COPY processor/imagejob_contract /opt/app/imagejob_contract
COPY processor/imagejob_processor /opt/app/imagejob_processor
RUN python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app


FROM scratch AS processor
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="imagejob-processor" \
      org.opencontainers.image.description="The program that runs in the Pods of ImageJobs" \
      org.opencontainers.image.licenses="Apache-2.0 AND GPL-3.0-or-later" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
COPY --from=root /image /
COPY --from=libraries /image /
COPY --from=processor-wheels /opt/venv /opt/venv
COPY --from=processor-code /opt/app /opt/app
USER 65532:65532
RUN ["python", "-c", "import ctypes, imagejob_processor.main; from PIL import features; ctypes.CDLL('libturbojpeg.so.0'); assert features.check('raqm')"]
ENTRYPOINT ["python", "-m", "imagejob_processor"]
