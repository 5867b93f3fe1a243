import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs, {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { dirname, join } from 'node:path'
import { suite, test } from 'node:test'

import { openConfig } from '../../src/config/load.ts'
import { generateIdentity, recipientOf } from '../../src/vault/age.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { validateConfigCommand } from '../../src/cli/validate-config.ts'
import type { RunProgram } from '../../src/systemd/programs.ts'
import { holdLock } from '../../src/platform/process-lock.ts'
import { programFile } from '../support/built-checkout.ts'
import { recordedIo } from '../support/command-io.ts'
import { until } from '../support/deadline.ts'
import { findKey } from '../support/key-forms.ts'
import { contentsOf, secretScene } from './secret-scene.ts'

const key = 'sk-Vb7Qe2RtYk90Lm/+=%'

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

test('the first secret makes both identities, and the recovery identity is nowhere on the disk', async (t) => {
  const scene = secretScene(t, ['openai'])
  const first = await scene.set('openai', `${key}\n`)
  assert.deepEqual([first.status, first.stderr], [0, ''])
  assert.deepEqual(await scene.load(), { openai: key })
  assert.deepEqual([scene.directory, scene.file('openai'), scene.identityFile].map(modeOf), [
    '700',
    '600',
    '600',
  ])
  const files = contentsOf(scene.home)
  assert.ok(first.printed !== undefined)
  assert.deepEqual(findKey(files, first.printed.slice('AGE-SECRET-KEY-1'.length)), [])
  assert.deepEqual(findKey(files + first.stdout, key), [])
  assert.equal((await scene.verify(first.printed)).status, 0)
  const second = await scene.set('other', 'sk-2')
  assert.deepEqual([second.status, second.printed], [0, undefined])
})

test('setting takes the recipients only: it works without the identity, and on a broken file', async (t) => {
  const scene = secretScene(t, ['openai'])
  await scene.set('openai', 'sk-1')
  const identity = readFileSync(scene.identityFile)
  writeFileSync(scene.file('openai'), 'spoiled')
  rmSync(scene.identityFile)
  assert.equal((await scene.set('openai', 'sk-2')).status, 0)
  assert.equal(existsSync(scene.identityFile), false)
  writeFileSync(scene.identityFile, identity, { mode: 0o600 })
  assert.deepEqual(await scene.load(), { openai: 'sk-2' })
})

for (const [what, value] of [
  ['empty', '\n'],
  ['of two lines', 'a\nb'],
  ['not ASCII', 'sk-é'],
] as const) {
  test(`a value that is ${what} is refused, and nothing is made`, async (t) => {
    const scene = secretScene(t, ['openai'])
    const { status, stderr } = await scene.set('openai', value)
    assert.equal(status, 1)
    assert.match(stderr, /nothing was changed/)
    assert.equal(existsSync(scene.directory) || existsSync(scene.identityFile), false)
  })
}

test('a name cannot lead elsewhere', async (t) => {
  const scene = secretScene(t, [])
  for (const name of ['../x', 'a/b', '.hidden', '', 'x.age', 'a b']) {
    assert.equal((await scene.set(name, 'sk')).status, 1, name)
    assert.equal((await scene.remove(name)).status, 1, name)
  }
  assert.equal((await scene.set('-x', 'sk')).status, 1)
})

test('a generated value is shown nowhere, and differs each time', async (t) => {
  const scene = secretScene(t, ['a', 'b'])
  for (const name of ['a', 'b']) await scene.set(name, '', true)
  const loaded = await scene.load()
  assert.match(loaded['a']!, /^[\w-]{43}$/)
  assert.notEqual(loaded['a'], loaded['b'])
})

test('list shows each secret, its age, whether it opens, and what is missing', async (t) => {
  const scene = secretScene(t, ['openai', 'missing', 'broken'])
  await scene.set('openai', 'sk-1')
  await scene.set('spare', 'sk-2')
  await scene.set('broken', 'sk-3')
  const hourAgo = Date.now() / 1000 - 7200
  utimesSync(scene.file('openai'), hourAgo, hourAgo)
  writeFileSync(scene.file('broken'), 'spoiled')
  const { status, stdout } = await scene.list()
  assert.equal(status, 0)
  assert.deepEqual(stdout.split('\n').slice(0, 3), [
    'broken  0 minutes old, unreadable: it is damaged, for broken',
    'openai  2 hours old, ok, for openai',
    'spare  0 minutes old, ok, not used by any provider',
  ])
  assert.match(stdout, /^missing {2}not stored, for missing \(.*secret set missing\)$/m)
  rmSync(scene.identityFile)
  const without = await scene.list()
  assert.match(without.stdout, /^openai {2}2 hours old, not examined, for openai$/m)
  assert.match(without.stderr, /There is no identity/)
})

test('a link that leads nowhere is a secret that does not open, and can be removed', async (t) => {
  const scene = secretScene(t, ['a'])
  await scene.set('a', 'sk-a')
  symlinkSync('/nonexistent/b.age', scene.file('b'))
  symlinkSync('c.age', scene.file('c'))
  const listed = await scene.list()
  assert.equal(listed.status, 0)
  assert.match(listed.stdout, /^a {2}.*, ok, for a\nb {2}.*, unreadable: .*\nc {2}.*, unreadable: /)
  assert.equal((await scene.verify()).status, 1)
  assert.match((await scene.rotate()).stderr, /^b {2}unreadable: /m)
  for (const name of ['b', 'c']) assert.equal((await scene.remove(name)).status, 0)
  assert.equal((await scene.rotate()).status, 0)
})

test('a removed secret is absent, and the command names the providers that refer to it', async (t) => {
  const scene = secretScene(t, ['openai'])
  await scene.set('openai', 'sk-1')
  assert.match((await scene.remove('openai')).stdout, /still refers to it, for openai/)
  assert.equal((await scene.remove('openai')).status, 1)
  await assert.rejects(scene.load(), /secret not found: looked for secret openai/)
})

suite('with another identity', () => {
  test('nothing loads, and the problem names the identities wanted and given', async (t) => {
    const scene = secretScene(t, ['openai'])
    await scene.set('openai', 'sk-1')
    const stranger = await generateIdentity()
    const wanted: string[] = scene.recipients().match(/^age1\w+$/gm)!
    writeFileSync(scene.identityFile, stranger, { mode: 0o600 })
    for (const id of [...wanted, (await recipientOf(stranger))!]) {
      await assert.rejects(scene.load(), ({ message }: Error) => message.includes(id), id)
    }
    const verified = await scene.verify()
    assert.equal(verified.status, 1)
    for (const id of [...wanted, (await recipientOf(stranger))!]) assert.ok(verified.stderr.includes(id))
    const rotated = await scene.rotate()
    assert.deepEqual([rotated.status, readFileSync(scene.identityFile, 'utf8')], [1, stranger])
  })

  test('an optional key is not silently absent', async (t) => {
    const scene = secretScene(t, ['openai'])
    await scene.set('openai', 'sk-1')
    const config = scene.paths.configFile
    const text = readFileSync(config, 'utf8').replace('secret: openai }', 'secret: openai, optional: true }')
    writeFileSync(config, text)
    writeFileSync(scene.identityFile, await generateIdentity(), { mode: 0o600 })
    await assert.rejects(scene.load(), /cannot be opened: wanted/)
    rmSync(scene.identityFile)
    assert.deepEqual(await scene.load(), { openai: undefined })
  })

  test('a file that others can read is refused', async (t) => {
    const scene = secretScene(t, ['openai'])
    await scene.set('openai', 'sk-1')
    chmodSync(scene.identityFile, 0o644)
    await assert.rejects(scene.load(), /identity from file .* is readable by others/)
  })
})

test('a rotation leaves the same values and times, opens with the new identity alone, and drops the old one', async (t) => {
  const scene = secretScene(t, ['a', 'b'])
  const { printed: recovery } = await scene.set('a', 'sk-a')
  await scene.set('b', 'sk-b')
  const dayAgo = Math.floor(Date.now() / 1000) - 86_400
  utimesSync(scene.file('a'), dayAgo, dayAgo)
  const before = readFileSync(scene.identityFile, 'utf8')
  const rotated = await scene.rotate()
  assert.deepEqual([rotated.status, rotated.stderr], [0, ''])
  assert.deepEqual(await scene.load(), { a: 'sk-a', b: 'sk-b' })
  assert.equal(statSync(scene.file('a')).mtimeMs, dayAgo * 1000)
  assert.equal((await scene.verify(recovery)).status, 0)
  const after = readFileSync(scene.identityFile, 'utf8')
  assert.equal(after.match(/^AGE-SECRET-KEY-1/gm)?.length, 1)
  writeFileSync(scene.identityFile, before)
  assert.equal((await scene.verify()).status, 1)
  await assert.rejects(scene.load(), /cannot be opened/)
})

test('an identity that is used for other things, too, stays in its file', async (t) => {
  const scene = secretScene(t, ['a'])
  await scene.set('a', 'sk-a')
  const other = await generateIdentity()
  writeFileSync(scene.identityFile, `${readFileSync(scene.identityFile, 'utf8')}\n${other}\n`)
  assert.equal((await scene.rotate()).status, 0)
  const after = readFileSync(scene.identityFile, 'utf8')
  assert.ok(after.includes(other))
  assert.equal(after.match(/^AGE-SECRET-KEY-1/gm)?.length, 2)
})

test('a rotation is refused while a secret does not open, because it would be lost', async (t) => {
  const scene = secretScene(t, ['a', 'b'])
  await scene.set('a', 'sk-a')
  await scene.set('b', 'sk-b')
  writeFileSync(scene.file('b'), 'spoiled')
  const before = contentsOf(scene.home)
  const { status, stderr } = await scene.rotate()
  assert.equal(status, 1)
  assert.match(stderr, /^b {2}unreadable: it is damaged$/m)
  assert.equal(contentsOf(scene.home), before)
  assert.equal((await scene.recovery()).status, 1)
})

test('on a clean machine the files and the paper are enough', async (t) => {
  const scene = secretScene(t, ['a', 'b'])
  const { printed: paper } = await scene.set('a', 'sk-a')
  await scene.set('b', 'sk-b')
  rmSync(dirname(scene.identityFile), { recursive: true })
  await assert.rejects(scene.load(), /there is no identity to open it with/)
  assert.match((await scene.rotate()).stderr, /rotate-identity --from-recovery/)
  const wrong = await scene.rotate(`${paper!.slice(0, -1)}${paper!.endsWith('Q') ? 'P' : 'Q'}`)
  assert.match(wrong.stderr, /a character of it is wrong/)
  // As it may be typed: in groups, in lower case.
  const typed = paper!.toLowerCase().replaceAll(/(.{10})/g, '$1 ')
  const restored = await scene.rotate(typed)
  assert.deepEqual([restored.status, restored.stderr], [0, ''])
  assert.deepEqual(await scene.load(), { a: 'sk-a', b: 'sk-b' })
  assert.equal((await scene.verify(paper)).status, 0)
})

test('another recovery identity replaces the one before', async (t) => {
  const scene = secretScene(t, ['a'])
  const { printed: first } = await scene.set('a', 'sk-a')
  const { status, printed: second } = await scene.recovery()
  assert.equal(status, 0)
  assert.equal((await scene.verify(second)).status, 0)
  assert.equal((await scene.verify(first)).status, 1)
  assert.deepEqual(await scene.load(), { a: 'sk-a' })
})

test('recipients that are lost are made anew by the identity', async (t) => {
  const scene = secretScene(t, ['a'])
  await scene.set('a', 'sk-a')
  rmSync(join(scene.directory, 'recipients.txt'))
  const refused = await scene.set('a', 'sk-b')
  assert.equal(refused.status, 1)
  assert.match(refused.stderr, /recipients\.txt is missing; .*secret recovery writes it anew/)
  const { status, printed } = await scene.recovery()
  assert.equal(status, 0)
  assert.equal((await scene.verify(printed)).status, 0)
  assert.equal((await scene.set('a', 'sk-b')).status, 0)
  assert.deepEqual(await scene.load(), { a: 'sk-b' })
})

test('a header may be a stored secret, and a place before it wins', async (t) => {
  const scene = secretScene(t, [])
  await scene.set('a', 'sk-a')
  const entry = (key: string) => `x: { base_url: "https://x.example/v1", headers: { x-team: ${key} } }`
  const text = readFileSync(scene.paths.configFile, 'utf8')
  const headerOf = async (key: string, env = {}) => {
    writeFileSync(scene.paths.configFile, text.replace('e: {', `${entry(key)}\n  e: {`))
    const loaded = await openConfig(scene.paths.configFile, { env: { HOME: scene.home, ...env } })
    const made = loaded.ok && loaded.config.providers.get('x')
    const value = made && made.kind !== 'echo' && made.headers[0]![1]
    return value && typeof value !== 'string' && [value.reveal(), value.source]
  }
  assert.deepEqual(await headerOf('{ secret: a }'), ['sk-a', 'secret a'])
  assert.deepEqual(await headerOf('{ secret: a, env: KEY }', { KEY: 'sk-env' }), ['sk-env', 'env KEY'])
  assert.deepEqual(await headerOf('{ secret: a, env: KEY }'), ['sk-a', 'secret a'])
  assert.deepEqual(await headerOf('{ secret: none, env: KEY }', { KEY: 'sk-env' }), ['sk-env', 'env KEY'])
})

test('a restoration from paper needs no recipients, and keeps the paper', async (t) => {
  const scene = secretScene(t, ['a'])
  const { printed: paper } = await scene.set('a', 'sk-a')
  rmSync(join(scene.directory, 'recipients.txt'))
  const refused = await scene.rotate()
  assert.match(refused.stderr, /recipients\.txt is missing; .* secret recovery writes it/)
  rmSync(scene.identityFile)
  assert.equal((await scene.rotate(paper)).status, 0)
  await scene.set('b', 'sk-b')
  assert.equal((await scene.verify(paper)).status, 0)
  assert.deepEqual(await scene.load(), { a: 'sk-a' })
})

test('the places of the configuration are used', async (t) => {
  const section = 'secrets: { dir: ~/vault, identity: { file: ~/keys/me.txt } }'
  const scene = secretScene(t, ['a'], { section })
  assert.equal((await scene.set('a', 'sk-a')).status, 0)
  assert.ok(existsSync(join(scene.home, 'vault/a.age')))
  assert.equal(modeOf(join(scene.home, 'keys/me.txt')), '600')
  assert.deepEqual(await scene.load(), { a: 'sk-a' })
})

/** A manager whose systemd-creds encrypts by a mark, or not at all; units are reported as it is told. */
function manager({ version = 258, isActive = false } = {}): { run: RunProgram; calls: string[] } {
  const calls: string[] = []
  const run: RunProgram = (program, args, input = '') => {
    calls.push([program, ...args].join(' '))
    const ok = (stdout = '') => ({ status: 0, stdout, stderr: '' })
    if (program === 'systemd-creds') {
      if (args.includes('encrypt')) return ok(`sealed:${Buffer.from(input).toString('base64')}`)
      const sealed = readFileSync(args.at(-2)!, 'utf8').slice('sealed:'.length)
      return ok(Buffer.from(sealed, 'base64').toString())
    }
    if (args.includes('--version')) return ok(`systemd ${version}\n`)
    if (args.includes('show'))
      return ok(`ActiveState=${isActive ? 'active' : 'inactive'}\nMainPID=0\nStatusText=serving\n`)
    return ok()
  }
  return { run, calls }
}

suite('with the service installed', () => {
  for (const version of [252, 258]) {
    test(`the identity is a credential of it (systemd ${version})`, async (t) => {
      const { run, calls } = manager({ version })
      const scene = secretScene(t, ['a'], { run })
      scene.install()
      const { status, stdout } = await scene.set('a', 'sk-a')
      assert.equal(status, 0)
      assert.match(stdout, /systemd restart/)
      assert.equal(existsSync(scene.identityFile), false)
      const stored = readdirSync(scene.paths.credentialsDirectory)
      assert.deepEqual(stored, [version < 258 ? 'gateway_identity' : 'gateway_identity.cred'])
      const dropIn = join(scene.paths.unitDirectory, 'llm-gateway.service.d/50-credentials.conf')
      assert.match(readFileSync(dropIn, 'utf8'), /LoadCredential(Encrypted)?=gateway_identity:/)
      assert.ok(calls.includes('systemctl --user daemon-reload'))
      assert.match((await scene.list()).stdout, /^a {2}0 minutes old, ok/m)
      assert.equal((await scene.rotate()).status, 0)
      assert.equal((await scene.verify()).status, 0)
      assert.match((await scene.set('a', 'sk-b')).stdout, /systemctl --user reload llm-gateway/)

      const passed = join(scene.home, 'passed')
      mkdirSync(passed)
      const text =
        version < 258
          ? readFileSync(join(scene.paths.credentialsDirectory, stored[0]!), 'utf8')
          : run('systemd-creds', ['decrypt', join(scene.paths.credentialsDirectory, stored[0]!), '-']).stdout
      writeFileSync(join(passed, 'gateway_identity'), text)
      assert.deepEqual(await scene.load({ CREDENTIALS_DIRECTORY: passed }), { a: 'sk-b' })
    })
  }

  test('a rotation restarts a running service before secrets need the new identity', async (t) => {
    const atRestart: number[] = []
    let [isActive, canRestart] = [false, false]
    const run: RunProgram = (program, args, input) => {
      if (args.includes('restart')) {
        assert.equal(readFileSync(scene.file('a'), 'utf8'), sealed)
        atRestart.push(identity().match(/^AGE-SECRET-KEY-1/gm)!.length)
        if (!canRestart) return { status: 1, stdout: '', stderr: 'no' }
      }
      return manager({ version: 252, isActive }).run(program, args, input)
    }
    const scene = secretScene(t, ['a'], { run })
    const identity = () => readFileSync(join(scene.paths.credentialsDirectory, 'gateway_identity'), 'utf8')
    scene.install()
    await scene.set('a', 'sk-a')
    const sealed = readFileSync(scene.file('a'), 'utf8')
    isActive = true
    const failed = await scene.rotate()
    assert.deepEqual([failed.status, readFileSync(scene.file('a'), 'utf8')], [1, sealed])
    assert.match(failed.stderr, /does not use the new identity yet/)
    assert.equal((await scene.verify()).status, 0)
    canRestart = true
    assert.equal((await scene.rotate()).status, 0)
    assert.deepEqual(atRestart, [2, 2])
    assert.equal(identity().match(/^AGE-SECRET-KEY-1/gm)!.length, 1)
    assert.equal((await scene.verify()).status, 0)
  })

  test('a machine that cannot decrypt the identity any more is restored from paper', async (t) => {
    let isBroken = false
    const run: RunProgram = (program, args, input) =>
      isBroken && args.includes('decrypt')
        ? { status: 1, stdout: '', stderr: 'TPM key integrity check failed' }
        : manager().run(program, args, input)
    const scene = secretScene(t, ['a'], { run })
    scene.install()
    const { printed: paper } = await scene.set('a', 'sk-a')
    isBroken = true
    assert.match((await scene.list()).stderr, /cannot decrypt .*TPM key integrity check failed/)
    assert.equal((await scene.rotate()).status, 1)
    const restored = await scene.rotate(paper)
    assert.deepEqual([restored.status, restored.stderr], [0, ''])
    assert.match(restored.stdout, /To pass the new identity to the service, run: /)
    isBroken = false
    assert.equal((await scene.verify()).status, 0)
  })

  test('validate-config and explain accept what only the service can open', async (t) => {
    const scene = secretScene(t, ['a'], { run: manager().run })
    scene.install()
    await scene.set('a', 'sk-a')
    const io = recordedIo({ HOME: scene.home })
    const config = scene.paths.configFile
    assert.equal(await validateConfigCommand(io, config, { json: false }), 0, io.written.stderr)
    assert.equal(await explainCommand(io, 'm', { config, json: false }), 0)
    assert.match(io.written.stdout, /key +secret a \(stored, only the service can open it\)/)
    rmSync(scene.file('a'))
    assert.equal(await validateConfigCommand(io, config, { json: false }), 1)
  })

  test('what root writes for a service with a user of its own can be read by it, and is encrypted', async (t) => {
    const scene = secretScene(t, ['a'], { scope: 'system', run: manager().run })
    scene.install()
    await scene.set('a', 'sk-a')
    await scene.rotate()
    const written = [scene.directory, scene.file('a'), join(scene.directory, 'recipients.txt')]
    assert.deepEqual(written.map(modeOf), ['755', '644', '644'])
  })
})

suite('nothing is changed', () => {
  test('while another command changes the secrets', async (t) => {
    const scene = secretScene(t, ['a'])
    await scene.set('a', 'sk-1')
    const held = holdLock(join(scene.directory, '.lock'))
    assert.ok(held.kind === 'held')
    for (const ran of [await scene.set('a', 'sk-2'), await scene.rotate(), await scene.recovery()]) {
      assert.equal(ran.status, 1)
      assert.match(
        ran.stderr,
        new RegExp(`Another command \\(pid ${process.pid}\\) changes .*nothing was changed`),
      )
    }
    held.lock.release()
    assert.deepEqual(await scene.load(), { a: 'sk-1' })
    assert.equal((await scene.set('a', 'sk-2')).status, 0)
  })

  test('for recipients that others could have written', async (t) => {
    const scene = secretScene(t, ['a'])
    await scene.set('a', 'sk-1')
    chmodSync(join(scene.directory, 'recipients.txt'), 0o666)
    const { status, stderr } = await scene.set('a', 'sk-2')
    assert.equal(status, 1)
    assert.match(stderr, /recipients\.txt is writable by everybody/)
    assert.deepEqual(await scene.load(), { a: 'sk-1' })
  })

  test('when the disk is full', async (t) => {
    const scene = secretScene(t, ['a'])
    await scene.set('a', 'sk-1')
    const { writeFileSync: write } = fs
    const full = Object.assign(new Error('full'), { code: 'ENOSPC', syscall: 'write' })
    // Drafts are written through descriptors.
    const mocked = t.mock.method(fs, 'writeFileSync', (file: string | number, ...rest: [string]) => {
      if (typeof file === 'number') throw full
      write(file, ...rest)
    })
    syncBuiltinESMExports()
    const ran = [await scene.set('a', 'sk-2'), await scene.rotate()]
    mocked.mock.restore()
    syncBuiltinESMExports()
    for (const { status, stderr } of ran) {
      assert.equal(status, 1)
      assert.match(stderr, /^Cannot write .*: the disk is full\.$/m)
    }
    assert.deepEqual(await scene.load(), { a: 'sk-1' })
    assert.deepEqual(readdirSync(scene.directory).sort(), ['a.age', 'recipients.txt'])
  })
})

test('a command that is killed outright leaves secrets that open, and no lock', async (t) => {
  const scene = secretScene(t, ['a', 'b', 'c'])
  for (const name of ['a', 'b', 'c']) await scene.set(name, `sk-${name}`)
  const args = [programFile, 'secret', 'rotate-identity', '--user', '-c', scene.paths.configFile]
  const child = spawn(process.execPath, args, { env: { HOME: scene.home }, stdio: 'ignore' })
  const ended = once(child, 'exit')
  const identities = () => readFileSync(scene.identityFile, 'utf8').match(/^AGE-SECRET-KEY-1/gm)!.length
  await until(() => identities() === 2 || child.exitCode !== null, 'the new identity')
  child.kill('SIGKILL')
  await ended
  const values = { a: 'sk-a', b: 'sk-b', c: 'sk-c' }
  assert.deepEqual(await scene.load(), values)
  const { status, stderr } = await scene.rotate()
  assert.deepEqual([status, stderr, identities()], [0, '', 1])
  assert.deepEqual(await scene.load(), values)
})

test('a directory in the place of a file, or of the next one, is reported, and what was there stays', async (t) => {
  const scene = secretScene(t, ['openai'])
  await scene.set('openai', 'sk-1')
  const next = join(scene.directory, '.openai.age.new')
  mkdirSync(next)
  const refused = await scene.set('openai', 'sk-2')
  assert.equal(refused.status, 1)
  assert.equal(refused.stderr, `Cannot write ${next}: a directory is in its place; remove it.\n`)
  assert.deepEqual(await scene.load(), { openai: 'sk-1' })
  mkdirSync(scene.file('other'))
  for (const { status, stderr } of [await scene.set('other', 'sk-2'), await scene.remove('other')]) {
    assert.equal(status, 1)
    assert.equal(stderr, `Cannot write ${scene.file('other')}: a directory is in its place; remove it.\n`)
  }
})

const ofStore = [
  [
    'the URL of the store',
    '{ secret: it }',
    /reads the URL of rate_limit_settings\.store when it starts: restart it\.$/,
  ],
  [
    'a credential of the service that has the URL of the store',
    '{ credential: it }',
    /names the credential it of the service, which is another one: .* credential set it stores that\. To use this one, write url: \{ secret: it \}, and restart the gateway\.$/,
  ],
  [
    'the key that signs the keys of clients',
    '{ secret: other }, keys_signed_by: [x], sign_keys_with: { secret: it }',
    /^Commands sign the keys of clients with it from now on\.$/,
  ],
] as const

for (const [what, url, said] of ofStore) {
  test(`setting ${what} says what that takes, and nothing of a provider or a reload`, async (t) => {
    for (const watched of [false, true]) {
      const section = `rate_limit_settings: { store: { kind: valkey, url: ${url} } }\nserver: { watch_config: ${watched} }`
      const { status, stdout, stderr } = await secretScene(t, [], { section }).set(
        'it',
        'redis://127.0.0.1:6379',
      )
      assert.deepEqual([status, stderr], [0, ''])
      assert.match(stdout.trim().split('\n').at(-1)!, said)
      assert.doesNotMatch(stdout, /api_key|reload|watch_config|127\.0\.0\.1/)
    }
  })
}

test('setting a key of a provider that is also the URL of the store names both ways', async (t) => {
  const section = 'rate_limit_settings: { store: { kind: valkey, url: { secret: openai } } }'
  const { stdout } = await secretScene(t, ['openai'], { section }).set('openai', 'x')
  assert.match(stdout, /from its next reload on \(SIGHUP\)\.\n.*when it starts: restart it\.\n$/)
})
