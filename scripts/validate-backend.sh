#!/bin/sh
# Checks a configuration and its providers: runs validate-config, then doctor.
set -u

usage() {
  cat <<END
usage: validate-backend.sh [FILE] [OPTION...]

Checks the configuration FILE (default: the file that the gateway would use), then each of
its providers: llm-gateway validate-config, then llm-gateway doctor. OPTIONs are those of
doctor: --no-calls, --provider NAME, --timeout SECONDS, --json, --strict, ...
(bin/llm-gateway doctor --help). With --json, standard output has only doctor's JSON.

Exit status: 0 success, 1 a check failed (the reasons are printed), 2 invalid usage.
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
# validate-config accepts --config, and none of the other options.
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

# doctor checks the keys, because it knows those that only the service has. Standard output is for doctor.
if [ -n "$config" ]; then
  "$gateway" validate-config --without-secrets --config "$config" >&2
else
  "$gateway" validate-config --without-secrets >&2
fi
valid=$?
"$gateway" doctor "$@"
working=$?
if [ "$working" -ne 0 ]; then exit "$working"; fi
exit "$valid"
