#!/bin/sh
# Installs /tmp/lock.txt into /opt/venv in a build: from the folder /wheels if there are any, else from the package index.
set -eu
if [ -n "$(ls -A /wheels)" ]; then
    set -- --no-index --find-links /wheels
elif [ -s /run/secrets/ca.crt ]; then
    set -- --cert /run/secrets/ca.crt
fi
exec /opt/build/bin/pip --python /opt/venv/bin/python install --disable-pip-version-check --no-compile \
    --only-binary :all: --require-hashes --requirement /tmp/lock.txt "$@"
