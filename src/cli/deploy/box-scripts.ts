// What runs on the box: POSIX sh, with `tar`, `find`, `df` and `flock`, which every machine with systemd has. The scripts get
// everything as arguments and print one fact per line; what follows a switch is the work of the program that was copied.
//
// BASE/releases/ID/   a program and its Node, complete from the moment that it has this name
// BASE/current        link to the release that runs; BASE/previous to the one before, which may lie elsewhere
// BASE/before.yaml    the configuration from before the last switch
// BASE/staged.TOKEN/  what is being copied; BASE/next.TOKEN.yaml the configuration that is to come

/** Sessions of ssh need not have it, and `systemctl --user` needs it. */
const userManager = String.raw`
if [ -z "$XDG_RUNTIME_DIR" ] && [ -d "/run/user/$(id -u)" ]; then XDG_RUNTIME_DIR=/run/user/$(id -u); export XDG_RUNTIME_DIR; fi
`

const begin = String.raw`
LC_ALL=C; export LC_ALL
${userManager}
fail() { printf '%s\n' "$1" >&2; exit 1; }
`

/** Prints the first of a path and the directories above it that others than root can change; nothing where there is none. */
const changeable = String.raw`
changeable() {
  part=$1
  while :; do
    case $(stat -c '%u %A' "$part") in
      0\ ?????w*|0\ ????????w*) printf '%s' "$part"; return ;;
      0\ *) ;;
      *) printf '%s' "$part"; return ;;
    esac
    if [ "$part" = / ]; then return; fi
    part=$(dirname "$part")
  done
}
`

const trusted = String.raw`${changeable}
# With root's rights only what root alone can change: a unit written by hand may have run a program of somebody's home.
is_trusted() {
  [ "$scope" = system ] || return 0
  program=$(readlink -f "$1") && [ -f "$program/bin/llm-gateway" ] || return 1
  foreign=$(changeable "$program")
  # From here on nobody else can exchange what is looked at.
  [ -n "$foreign" ] || foreign=$(find "$program" ! -type l \( ! -user 0 -o -perm /022 \) -print -quit) || return 1
  [ -n "$foreign" ] || foreign=$(find "$program" -type l -exec sh -c '
    for link do
      case $(readlink -f "$link") in "$0"/*) ;; *) printf "%s\n" "$link" ;; esac
    done' "$program" {} + | head -n 1)
  [ -n "$foreign" ] || return 0
  printf '%s is not run: others than root can change %s.\n' "$1" "$foreign"
  return 1
}
`

/** Facts of the account. No arguments. */
export const whoScript = `${begin}${String.raw`
printf '\nllm-gateway-box 1\n'
printf 'system %s\n' "$(uname -s)"
printf 'machine %s\n' "$(uname -m)"
printf 'uid %s\n' "$(id -u)"
printf 'user %s\n' "$(id -un)"
printf 'HOME %s\n' "$HOME"
printf 'XDG_CONFIG_HOME %s\n' "$XDG_CONFIG_HOME"
printf 'XDG_STATE_HOME %s\n' "$XDG_STATE_HOME"
printf 'XDG_DATA_HOME %s\n' "$XDG_DATA_HOME"
[ -d /run/systemd/system ] && printf 'systemd yes\n'
[ -e "/var/lib/systemd/linger/$(id -un)" ] && printf 'linger yes\n'
systemctl --user show-environment >/dev/null 2>&1 && printf 'manager yes\n'
grep -q '^0\{31\}1 ' /proc/self/net/if_inet6 2>/dev/null && printf 'ipv6 yes\n'
printf 'end\n'
`}`

/** Whether commands may run as root. */
export const rootScript = `${begin}printf 'uid %s\\n' "$(id -u)"\n`

/** What is installed. Arguments: scope, BASE, the directory of credentials, then files to read. */
export const lookScript = `${begin}${changeable}${String.raw`
scope=$1 base=$2 credentials=$3; shift 3
printf '\nllm-gateway-box 1\n'
for link in current previous; do
  [ -L "$base/$link" ] && printf '%s %s\n' "$link" "$(readlink "$base/$link")"
done
[ -f "$base/previous/bin/llm-gateway" ] && [ -x "$base/previous/bin/llm-gateway" ] && printf 'startable previous\n'
existing=$base
while [ ! -d "$existing" ]; do existing=$(dirname "$existing"); done
if [ "$scope" = system ]; then
  foreign=$(changeable "$(readlink -f "$existing")")
  [ -z "$foreign" ] || printf 'changeable %s\n' "$foreign"
fi
df -Pk "$existing" | { read -r _; read -r _ _ _ free _; printf 'free %s\n' "$free"; }
for file in "$credentials"/*; do [ -f "$file" ] && printf 'key %s\n' "$(basename "$file")"; done
for file; do
  if [ -f "$file" ]; then
    printf 'file %s %s\n' "$(($(wc -c <"$file")))" "$file"
    cat "$file"
    printf '\n'
  fi
done
printf 'end\n'
`}`

/** Unpacks the program from standard input. Arguments: BASE, TOKEN. */
export const stageScript = `${begin}${String.raw`
umask 022
base=$1 draft=$1/staged.$2
mkdir -p "$base/releases" || fail "$base cannot be created"
# Of deploys whose connection ended in a way that nothing there noticed.
find "$base" -maxdepth 1 \( -name 'staged.*' -o -name 'next.*' \) -mmin +60 -exec rm -rf {} +
trap 'rm -rf "$draft"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir "$draft" || exit 1
tar -xzof - -C "$draft" || fail 'the program could not be unpacked'
# The last file of the archive.
[ -f "$draft/.made-of" ] || fail 'the program did not arrive whole'
trap - EXIT
`}`

/**
 * Adds Node, from standard input or from the release that runs, and gives the release its name. Arguments: BASE, TOKEN, ID, the name
 * of the Node package, its hash, Node's version, `send` or `link`.
 */
export const finishScript = `${begin}${String.raw`
umask 022
base=$1 draft=$1/staged.$2 release=$1/releases/$3 hash=$5 version=$6
package=$draft/node_modules/$4
trap 'rm -rf "$draft"' EXIT
trap 'exit 1' HUP INT TERM PIPE
mkdir -p "$package/bin" || exit 1
if [ "$7" = link ]; then
  ln "$base/current/node_modules/$4/bin/node" "$package/bin/node" || fail 'Node could not be linked'
else
  tar -xzof - -C "$package" package/bin/node || fail 'Node could not be unpacked'
  mv "$package/package/bin/node" "$package/bin/node" && rm -rf "$package/package" && chmod 755 "$package/bin/node" || exit 1
fi
found=$("$package/bin/node" --version) || fail 'Node does not run on this system'
[ "$found" = "v$version" ] || fail "Node is $found, not v$version"
"$draft/bin/llm-gateway" --version >/dev/null || fail 'the program does not run on this system'
printf '%s' "$hash" >"$package/.hash" || fail 'the disk is full'
# The name is a promise that the files are whole, also after a power cut.
sync
if [ -d "$release" ]; then exit 0; fi
mv "$draft" "$release" || exit 1
trap - EXIT
`}`

/**
 * Puts the next configuration beside the present one and checks it with the program that is to run it. Arguments: the release, BASE,
 * where the configuration is, `send`, `keep` or `before`, the length of what is sent, scope, the next configuration.
 */
export const offerScript = `${begin}${String.raw`
release=$1 base=$2 config=$3 scope=$6 next=$7
${trusted}
is_trusted "$release" >&2 || exit 1
umask 077
rm -f "$next"
case $4 in
  send)
    cat >"$next" || fail 'the configuration could not be written'
    [ "$(($(wc -c <"$next")))" -eq "$5" ] || { rm -f "$next"; fail 'the configuration did not arrive whole'; }
    ;;
  before) if [ -f "$base/before.yaml" ]; then cp "$base/before.yaml" "$next" || exit 1; fi ;;
esac
checked=$config
[ ! -f "$next" ] || checked=$next
if [ -f "$checked" ] && ! "$release/bin/llm-gateway" validate-config "$checked" --without-secrets; then
  rm -f "$next"
  exit 1
fi
# Else the directory of keys, which is private, would make the one above it private, too.
if [ "$scope" = system ]; then umask 022; fi
mkdir -p "$(dirname "$config")"
`}`

/** Stores a key. Arguments: the release, scope, the provider or the name of the credential, the configuration. */
export const keyScript = `${begin}${trusted}${String.raw`
scope=$2
[ -x "$1/bin/llm-gateway" ] || fail 'the program is not there'
is_trusted "$1" >&2 || exit 1
printf 'ready\n'
exec "$1/bin/llm-gateway" credential set "--$2" --config "$4" -- "$3"
`}`

/**
 * Makes a release the one that runs, with the configuration that was offered. It goes to its end once it has begun: nothing that
 * becomes of the connection stops it. Exit status: 0, 1 where it does not run and there is none to go back to, 3 where it went back, 4
 * where nothing was changed, 5 where neither version runs. Arguments: scope, BASE, the release, the program that runs now or an empty word, where the
 * configuration is, the next one.
 */
export const switchScript = `${begin}${String.raw`
scope=$1 base=$2 new=$3 former=$4 config=$5 next=$6 swap=$2/swap.yaml
exec 9>"$base/lock" || exit 4
flock -n 9 || { printf 'Another deploy is under way on this machine.\n' >&2; exit 4; }
trap '' HUP INT TERM PIPE

# The file keeps its mode, owner and group: a service of another account may read it by its group.
place() {
  if [ -f "$config" ]; then set -- "$1" "$(stat -L -c %a "$config")" "$(stat -L -c %u:%g "$config")"
  elif [ "$scope" = system ]; then set -- "$1" 644 "$(id -u):$(id -g)"
  else set -- "$1" 600 "$(id -u):$(id -g)"; fi
  rm -f "$config.new"
  (umask 077 && cat "$1" >"$config.new") && chown "$3" "$config.new" && chmod "$2" "$config.new" &&
    mv -f "$config.new" "$config" || { rm -f "$config.new"; return 1; }
}
${trusted}
run() { is_trusted "$1" && "$1/bin/llm-gateway" systemd install "--$scope" 9>&- && "$1/bin/llm-gateway" systemd restart "--$scope" 9>&-; }

switch() {
  rm -f "$swap"
  if [ -f "$config" ]; then cp -p "$config" "$swap" || return 4; fi
  if [ -f "$next" ]; then
    if [ "$scope" = system ]; then umask 022; else umask 077; fi
    mkdir -p "$(dirname "$config")" && place "$next" || return 4
  fi
  umask 022
  status=0
  run "$new" || status=1
  if [ "$status" = 1 ] && [ -n "$former" ]; then
    printf 'The new version does not run. Going back to the one before.\n'
    if [ -f "$swap" ]; then place "$swap" || return 1; fi
    back=3
    run "$former" || { printf 'The version before does not run either.\n'; back=5; }
    rm -f "$next" "$swap"
    return "$back"
  fi
  ln -sfn "$new" "$base/current" || return 1
  # Where only keys are new, what was before stays what one can go back to.
  if [ -f "$next" ] || [ "$former" != "$new" ]; then
    rm -f "$next" "$base/before.yaml" "$base/previous"
    if [ -n "$former" ]; then ln -s "$former" "$base/previous"; fi
    if [ -n "$former" ] && [ -f "$swap" ]; then mv -f "$swap" "$base/before.yaml"; fi
  fi
  rm -f "$swap"
  kept=$(readlink "$base/previous")
  for release in "$base"/releases/*; do
    [ "$release" = "$new" ] || [ "$release" = "$kept" ] || rm -rf "$release"
  done
  return "$status"
}
# Not through the connection, whose end would stop what prints.
switch >"$base/log" 2>&1 </dev/null
status=$?
cat "$base/log"
exit "$status"
`}`

/** Runs doctor. Arguments: the release, scope, the configuration. */
export const doctorScript = `${begin}${trusted}${String.raw`
scope=$2
is_trusted "$1" >&2 || exit 1
exec "$1/bin/llm-gateway" doctor "--$2" --config "$3"
`}`
