// Real sshd and ssh, a second user who deploys, and the real user manager on the box.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { type Box, cutConnections, makePackage, startBox } from '../support/box.ts'
import { until } from '../support/deadline.ts'
import { missing } from '../support/needs.ts'
import { configFile, noUserManager, streamCommand } from '../support/user-manager.ts'

const skip = noUserManager() || missing('sshd', 'ssh', 'ssh-keygen', 'npm', 'curl', 'ps', 'script')

const base = '.local/share/llm-gateway-deployed'
const key = 'sk-key-of-the-deploy-test'
const config = `providers:
  echo: { kind: echo }
  near: { base_url: "http://127.0.0.1:9999/v1", api_key: { credential: near_key, env: NEAR_KEY } }
models:
  echo: { provider: echo }
`
/** Everything of the gateway's that is on the box. */
const everything = "find .config .local -printf '%M %s %T@ %p\\n' 2>/dev/null | sort"

/** A box that runs the version `one`. */
async function startDeployed(box: Box): Promise<string> {
  await box.yours('umask 077; cat >gateway.yaml', config)
  const command = await makePackage(box, 'one', 'true')
  await box.yours(`NEAR_KEY=${key} ${command} deploy box --config gateway.yaml --yes`)
  return command
}

const runningRelease = `basename "$(readlink ${base}/current)"`
const pid = 'systemctl --user show -P MainPID llm-gateway'

test(
  'a fresh box gets program, configuration and keys, and serves; repeating it changes nothing',
  { skip },
  async (t) => {
    const box = await startBox(t)
    const { manager, you, yours } = box
    // Nothing of this may change what a session is.
    await yours(
      "printf ' %s\\n' 'LocalForward 5999 localhost:4000' 'RemoteCommand false' 'SessionType none' 'StdinNull yes' 'ForkAfterAuthentication yes' >>.ssh/config",
    )
    // Keeps what each ssh is called with.
    await yours(
      `printf '%s\\n' '#!/bin/sh' 'printf "%s\\n" "$*" >>$HOME/calls' 'exec /usr/bin/ssh "$@"' >.ssh/ssh; chmod +x .ssh/ssh; umask 077; cat >gateway.yaml`,
      config,
    )
    const deploy = `PATH=~/.ssh:$PATH NEAR_KEY=${key} llm-gateway deploy box --config gateway.yaml`

    const keyless = await you('llm-gateway deploy box --config gateway.yaml --yes')
    assert.equal(keyless.status, 1)
    assert.match(
      keyless.stderr,
      /credential set near --config \S*gateway\.yaml\)[^]*could not start on the box without providers\.near\.api_key;[^]*Nothing that runs there has changed/,
    )
    assert.equal(await manager.ok(everything), '')

    const dry = await yours(`${deploy} --dry-run`)
    assert.match(dry, /^new +\S+\/llm-gateway\.service$/m)
    assert.match(dry, /^new +key near_key \(from env NEAR_KEY of this machine\)$/m)
    assert.equal(await manager.ok(everything), '')
    const unasked = await you(deploy)
    assert.deepEqual([unasked.status, /add --yes/.test(unasked.stderr)], [1, true])
    assert.equal(await manager.ok(everything), '')

    const first = await yours(`${deploy} --yes`)
    assert.match(first, /ssh -N -L 127.0.0.1:4000:localhost:4000 box$/m)
    assert.match(first, /0 failures/)
    assert.equal(await manager.ok(`cat ${configFile}`), config.trim())
    assert.match(await manager.ok(streamCommand()), /DONE/)
    assert.equal(await manager.ok('cat .config/llm-gateway/credentials/near_key'), key)
    const modes = `stat -c %a ${configFile} .config/llm-gateway .config/llm-gateway/credentials/*`
    assert.equal(await manager.ok(modes), '600\n700\n600')

    const calls = await yours('cat calls')
    assert.ok(!(first + dry + calls).includes(key), 'the key is in no argument and no output')
    for (const call of calls.trim().split('\n')) assert.match(call, /^-V$| -- box '/)
    assert.equal(
      await manager.ok(`grep -rl ${key} .config .local; true`),
      '.config/llm-gateway/credentials/near_key',
    )

    const running = await manager.ok(pid)
    const before = await manager.ok(`find .config ${base} -printf '%M %s %T@ %p\\n' | sort`)
    const second = await yours(`${deploy} --yes`)
    assert.match(second, /The box has all of this already/)
    assert.doesNotMatch(second, /^(new|changed|Copying)/m)
    assert.equal(await manager.ok(`find .config ${base} -printf '%M %s %T@ %p\\n' | sort`), before)
    assert.equal(await manager.ok(pid), running)
  },
)

test(
  'an update shows a diff, keeps the version before, and can be rolled back and forth',
  { skip },
  async (t) => {
    const box = await startBox(t)
    const { manager, you, yours } = box
    const one = await startDeployed(box)
    const first = await manager.ok(runningRelease)
    assert.match((await you(`${one} deploy box --rollback --yes`)).stderr, /no version before this one/)

    const two = await makePackage(box, 'two', "sed -i 's/0.1.0/0.1.1/' package.json")
    await yours("sed -i 's/^models:/models:\\n  two: { provider: echo }/' gateway.yaml")
    const updated = await yours(`${two} deploy box --config gateway.yaml --yes`)
    assert.match(updated, /^changed .*llm-gateway\.yaml\n[^]*^ {4}\+ {2}two: \{ provider: echo \}$/m)
    assert.match(updated, /^unchanged +key near_key/m)
    assert.doesNotMatch(updated, /Copying Node/)
    const second = await manager.ok(runningRelease)
    assert.notEqual(second, first)
    const models = 'curl -sS --max-time 10 http://127.0.0.1:4000/v1/models'
    assert.match(await manager.ok(models), /"two"/)

    const back = await yours(`${two} deploy box --rollback --yes`)
    assert.match(back, /^ {4}- {2}two: \{ provider: echo \}$/m)
    assert.equal(await manager.ok(runningRelease), first)
    assert.doesNotMatch(await manager.ok(models), /"two"/)
    assert.equal(await manager.ok(`cat ${configFile}`), config.trim())
    await yours(`${two} deploy box --rollback --yes`)
    assert.equal(await manager.ok(runningRelease), second)
    // Somebody has removed it.
    const previous = await manager.ok(`readlink ${base}/previous`)
    await manager.ok(`mv ${previous} ${previous}.away`)
    const gone = await you(`${two} deploy box --rollback --yes`)
    assert.equal(gone.status, 1)
    assert.match(gone.stderr, /version before is not there any more[^]*Nothing that runs there has changed/)
    assert.equal(await manager.ok(runningRelease), second)
    await manager.ok(`mv ${previous}.away ${previous}`)
    assert.match(await manager.ok(models), /"two"/)

    // Without a configuration on the command line, the box keeps its own.
    const three = await makePackage(box, 'three', "sed -i 's/0.1.0/0.1.2/' package.json")
    assert.match(await yours(`${three} deploy box --yes`), /^unchanged .*llm-gateway\.yaml$/m)
    assert.equal(await manager.ok(`ls ${base}/releases | wc -l`), '2')
  },
)

test('a version that does not run is replaced by the one before', { skip }, async (t) => {
  const box = await startBox(t)
  const { manager, you, yours } = box
  await startDeployed(box)
  const first = await manager.ok(runningRelease)
  const before = await manager.ok(`cat ${configFile} .config/systemd/user/llm-gateway.service`)
  const broken = await makePackage(
    box,
    'broken',
    `sed -i "1i if (process.argv[2] === 'serve') process.exit(1)" dist/main.cjs`,
  )
  await yours("sed -i 's/^models:/models:\\n  two: { provider: echo }/' gateway.yaml")
  const deployed = await you(`${broken} deploy box --config gateway.yaml --yes`)
  assert.equal(deployed.status, 1)
  assert.match(deployed.stderr, /went back to the one before/)
  assert.equal(await manager.ok(runningRelease), first)
  assert.equal(await manager.ok(`cat ${configFile} .config/systemd/user/llm-gateway.service`), before)
  assert.match(await manager.ok(streamCommand()), /DONE/)

  await yours("sed -i 's/provider: echo/provider: nothing/' gateway.yaml")
  const running = await manager.ok(pid)
  const invalid = await you('one/bin/llm-gateway deploy box --config gateway.yaml --yes')
  assert.equal(invalid.status, 1)
  assert.match(
    invalid.stdout + invalid.stderr,
    /does not accept the configuration; [^]*Nothing that runs there has changed/,
  )
  assert.equal(await manager.ok(`cat ${configFile} .config/systemd/user/llm-gateway.service`), before)
  assert.equal(await manager.ok(pid), running)
})

test('keys of variables and files become credentials of the box', { skip }, async (t) => {
  const { manager, you, yours } = await startBox(t)
  const text = config
    .replace('{ credential: near_key, env: NEAR_KEY }', '{ env: NEAR_KEY }')
    .replace(
      'models:',
      '  far: { base_url: "http://127.0.0.1:9998/v1", api_key: { file: ~/far.key } }\nmodels:',
    )
  await yours('umask 077; cat >gateway.yaml', text)
  await yours('umask 077; cat >far.key', `${key}-far`)
  const deploy = `NEAR_KEY=${key} llm-gateway deploy box --config gateway.yaml`
  const dry = await yours(`${deploy} --dry-run`)
  assert.match(
    dry,
    /providers\.near\.api_key is the credential near_key there \(\S*gateway\.yaml stays as it is\)/,
  )
  const first = await yours(`${deploy} --yes`)
  assert.match(first, /new +key far_key \(from file [^)]*far\.key of this machine\)/)
  assert.match(first, /0 failures/)
  assert.ok(!first.includes(key))
  assert.equal(await manager.ok('cat .config/llm-gateway/credentials/near_key'), key)
  assert.equal(await manager.ok('cat .config/llm-gateway/credentials/far_key'), `${key}-far`)
  assert.match(await manager.ok(`cat ${configFile}`), /api_key: \{ credential: "near_key", env: NEAR_KEY \}/)
  assert.equal(await yours('cat gateway.yaml'), text)
  assert.match(await manager.ok(streamCommand()), /DONE/)
  assert.match(
    (await you('llm-gateway deploy box --config gateway.yaml --yes')).stdout,
    /has all of this already/,
  )
})

test('another host key than the known one ends it before anything is sent', { skip }, async (t) => {
  const { manager, you, yours } = await startBox(t)
  await yours(
    `ssh-keygen -q -t ed25519 -N '' -f other; echo "[localhost]:2222 $(cut -d' ' -f1,2 other.pub)" >.ssh/known_hosts`,
  )
  const { status, stderr } = await you('llm-gateway deploy box --yes')
  assert.equal(status, 1)
  assert.match(stderr, /REMOTE HOST IDENTIFICATION HAS CHANGED[^]*ssh could not log in to box/)
  assert.equal(await manager.ok(everything), '')
})

test('a key that the box does not accept is named as the reason', { skip }, async (t) => {
  const { manager, you, yours } = await startBox(t)
  await yours("ssh-keygen -q -t ed25519 -N '' -f other; mv other .ssh/key")
  const { status, stderr } = await you('llm-gateway deploy box --yes')
  assert.equal(status, 1)
  assert.match(
    stderr,
    /Permission denied \([^)]*\)\.?\nssh could not log in to box\. The box does not accept your key/,
  )
  assert.equal(await manager.ok(everything), '')
})

test('at a terminal, ssh asks for its passphrase, and deploy whether to go on', { skip }, async (t) => {
  const { manager, you, yours } = await startBox(t)
  await yours("ssh-keygen -q -p -P '' -N 'open sesame' -f .ssh/key")
  const shown = (text: string) =>
    `timeout 60 sh -c "until grep -q '${text}' out; do sleep 0.05; done" 2>/dev/null`
  const typed = `(${shown('Enter passphrase')}; echo 'open sesame'; ${shown('y/N')}; echo n; ${shown('Nothing was changed')})`
  const { stdout } = await you(`${typed} | script -qfec 'llm-gateway deploy box' out`)
  assert.match(stdout, /new.*llm-gateway\.service[^]*Nothing was changed\./)
  assert.equal(await manager.ok(everything), '')

  // Where there is no terminal, ssh has nobody to ask.
  const { status, stderr } = await you('setsid -w llm-gateway deploy box --yes')
  assert.deepEqual([status, /ssh could not log in to box/.test(stderr)], [1, true])
})

test('a full disk leaves the box as it was', { skip }, async (t) => {
  const box = await startBox(t)
  const { manager, you, yours } = box
  const mounted = (options: string) =>
    manager.ok(
      `mkdir -p .local/share && mount -t tmpfs -o ${options},uid=1501,gid=1501,mode=755 tmpfs .local/share`,
      { isRoot: true },
    )
  await manager.ok('mkdir -p .local/share')
  await mounted('size=60m')
  const small = await you('llm-gateway deploy box --yes')
  assert.match(small.stderr, /too full[^]*are free[^]*Nothing that runs there has changed/)
  assert.equal(await manager.ok('find .local/share .config 2>/dev/null; true'), '.local/share')

  // Room by its size, and none for so many files.
  await mounted('size=1g,nr_inodes=12')
  const files = await you('llm-gateway deploy box --yes')
  assert.equal(files.status, 1)
  assert.match(files.stderr, /No space left on device[^]*Nothing that runs there has changed/)
  assert.equal(await manager.ok("find .local/share -name 'staged*'; ls -d .config 2>/dev/null || true"), '')

  await mounted('size=450m')
  await startDeployed(box)
  const first = await manager.ok(runningRelease)
  const two = await makePackage(box, 'two', "sed -i 's/0.1.0/0.1.1/' package.json")
  await manager.ok('head -c 500m /dev/zero >.local/share/filler; true')
  const full = await you(`${two} deploy box --yes`)
  assert.equal(full.status, 1)
  assert.match(full.stderr, /Nothing that runs there has changed/)
  assert.equal(await manager.ok(runningRelease), first)
  assert.match(await manager.ok(streamCommand()), /DONE/)
  await manager.ok('rm .local/share/filler')
  await yours(`${two} deploy box --yes`)
  assert.notEqual(await manager.ok(runningRelease), first)
})

test('a connection that is cut leaves nothing half-installed', { skip }, async (t) => {
  const box = await startBox(t)
  const { manager, you, yours } = box
  await yours('umask 077; cat >gateway.yaml', config)

  // While the program is copied; in the middle of Node; just before its end.
  for (const bytes of [1_000_000, 30_000_000, 59_000_000]) {
    await yours(
      `printf '%s\\n' 'Match host localhost' " ProxyCommand ${process.execPath} ~/llm-gateway/test/support/cut-relay.ts 2222 ${bytes}" >>.ssh/config`,
    )
    const { status, stderr } = await you(`NEAR_KEY=${key} llm-gateway deploy box --config gateway.yaml --yes`)
    await yours("sed -i '/^Match/,$d' .ssh/config")
    assert.equal(status, 1)
    assert.match(stderr, /The connection to box has ended\.\nNothing that runs there has changed/)
    await until(async () => (await manager.ok(`ls ${base}`)) === 'releases', 'the staged files to go')
    assert.equal(await manager.ok(`ls ${base}/releases; ls -d .config 2>/dev/null; true`), '')
  }

  await yours(`NEAR_KEY=${key} llm-gateway deploy box --config gateway.yaml --yes`)
  assert.match(await manager.ok(streamCommand()), /DONE/)

  // During the switch, which goes to its end without the connection.
  const first = await manager.ok(runningRelease)
  const two = await makePackage(box, 'two', "sed -i 's/0.1.0/0.1.1/' package.json")
  const switching = you(`${two} deploy box --yes >out 2>&1`)
  await until(async () => /Switching/.test((await you('cat out')).stdout), 'the switch')
  await until(
    async () => (await manager.sh(`[ -s ${base}/log ] && grep -q unchanged ${base}/log`)).status === 0,
    'its beginning',
  )
  await cutConnections(manager)
  await switching
  await until(async () => (await manager.ok(runningRelease)) !== first, 'the end of the switch')
  assert.match(await manager.ok(streamCommand()), /DONE/)
  assert.match(await yours(`${two} deploy box --yes`), /The box has all of this already/)
})
