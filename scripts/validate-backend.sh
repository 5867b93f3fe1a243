#!/bin/sh
# Checks a configuration, then everything behind it: validate-config and doctor, one after the other.
set -u

usage() {
  cat <<END
usage: validate-backend.sh [FILE] [OPTION...]

Checks the configuration FILE (default: the one that the gateway would take), then asks
each provider behind it: llm-gateway validate-config, llm-gateway doctor. OPTIONs are those
of doctor: --no-calls, --provider NAME, --timeout SECONDS, --json, --strict, ...
(bin/llm-gateway doctor --help). With --json, standard output has nothing but doctor's JSON.

Exit status: 0 all is well, 1 something is wrong (and said so), 2 the command line is.
END
}

self=$0
while [ -L "$self" ]; do
  link=$(readlink -- "$self")
  case $link in
    /*) self=$link ;;
    *) self=$(dirname -- "$self")/$link ;;
  esac
done
gateway=$(CDPATH='' cd -P -- "$(dirname -- "$self")/.." && pwd -P)/bin/llm-gateway

config=
case ${1-} in
  -h | --help)
    usage
    exit 0
    ;;
  '' | -*) ;;
  *)
    config=$1
    shift
    set -- --config "$config" "$@"
    ;;
esac
# validate-config has a --config of its own, and none of the other options.
previous=
for argument in "$@"; do
  case $previous in
    -c | --config) config=$argument ;;
  esac
  case $argument in
    --config=*) config=${argument#--config=} ;;
    -c?*) config=${argument#-c} ;;
    -h | --help)
      usage
      exit 0
      ;;
  esac
  previous=$argument
done

# Keys are left to doctor, which knows of those that only the service gets. Standard output is doctor's.
if [ -n "$config" ]; then
  "$gateway" validate-config --without-secrets --config "$config" >&2
else
  "$gateway" validate-config --without-secrets >&2
fi
valid=$?
"$gateway" doctor "$@"
well=$?
if [ "$well" -ne 0 ]; then exit "$well"; fi
exit "$valid"
