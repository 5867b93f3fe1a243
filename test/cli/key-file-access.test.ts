// Changes of the key file: one at a time, whole, and where something fails, the old file stays.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { changeKeys, type KeyChange, readKeys } from '../../src/cli/key-file-access.ts'
import { newKeyId, newSecret } from '../../src/clients/keys/key-changes.ts'
import { formatKeyFile } from '../../src/clients/keys/key-file.ts'
import type { KeyFile, KeyRecord } from '../../src/clients/keys/key-record.ts'
import { holdLock } from '../../src/platform/process-lock.ts'
import { programFile } from '../support/built-checkout.ts'
import { ownAccounts, scratchDirectory } from '../support/config-file.ts'

const skip = process.platform === 'linux' ? false : 'only Linux shows who holds a lock'
const module = (path: string) => JSON.stringify(join(import.meta.dirname, '../../src', path))

function keyNamed(name: string): KeyRecord {
  const terms = { name, models: undefined, budgets: [] }
  const { secret } = newSecret('gw_', 43, 0)
  return { id: newKeyId(), name, role: 'client', secrets: [secret], terms, isDisabled: false, note: '' }
}

const add =
  (name: string) =>
  (keys: readonly KeyRecord[]): KeyChange<string> => ({
    kind: 'changed',
    keys: [...keys, keyNamed(name)],
    result: name,
  })

/** @param slept is filled with the times of waiting, in milliseconds. */
function parts(slept: number[] = []) {
  const sleep = (ms: number) => {
    slept.push(ms)
    return Promise.resolve()
  }
  return { accounts: ownAccounts, sleep }
}

function fileAt(path: string): KeyFile {
  const read = readKeys(path, ownAccounts)
  assert.ok(read.kind === 'read', JSON.stringify(read))
  return read.file
}

/** Another process that adds keys, one after the other, and prints the name of each that is written. */
function startWriter(t: TestContext, path: string, name: string, count: number) {
  const code = `
    import { changeKeys } from ${module('cli/key-file-access.ts')}
    import { newKeyId, newSecret } from ${module('clients/keys/key-changes.ts')}
    const accounts = { uid: process.getuid(), isPrivateGroup: () => true }
    const sleep = () => new Promise((resolve) => setTimeout(resolve, 1))
    const [path, label, count] = process.argv.slice(1)
    for (let index = 0; index < Number(count); index++) {
      const name = label + '-' + index
      const { secret } = newSecret('gw_', 43, 0)
      const record = { id: newKeyId(), name, role: 'client', secrets: [secret], terms: { name, budgets: [] }, isDisabled: false, note: '' }
      const change = (keys) => ({ kind: 'changed', keys: [...keys, record], result: name })
      let changed
      do changed = await changeKeys(path, { accounts, sleep }, change)
      while (changed.kind === 'refused' && /is changing the keys/.test(changed.messages[0]))
      if (changed.kind === 'refused') throw new Error(changed.messages[0])
      process.stdout.write(name + '\\n')
    }`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, path, name, String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let written = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written += text))
  return {
    child,
    ended: once(child, 'close') as Promise<[number | null, string | null]>,
    names: () => written.split('\n').slice(0, -1),
  }
}

suite('the key file', () => {
  test('is made for this user alone, and grows by one generation with each change', async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    assert.deepEqual(fileAt(path), { generation: 0, keys: [] })
    assert.deepEqual(await changeKeys(path, parts(), add('ann')), {
      kind: 'written',
      generation: 1,
      result: 'ann',
    })
    const mode = statSync(path).mode & 0o777
    // Root's file is for a service of another user.
    assert.equal(mode, process.getuid!() === 0 ? 0o644 : 0o600)
    await changeKeys(path, parts(), add('bob'))
    const { generation, keys } = fileAt(path)
    assert.equal(generation, 2)
    assert.deepEqual(
      keys.map(({ name }) => name),
      ['ann', 'bob'],
    )
    assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'])
  })

  test('keeps its mode, and a link to it stays a link', async (t) => {
    const folder = scratchDirectory(t)
    mkdirSync(join(folder, 'elsewhere'))
    const [file, link] = [join(folder, 'elsewhere', 'k.json'), join(folder, 'keys.json')]
    writeFileSync(file, formatKeyFile({ generation: 7, keys: [] }))
    chmodSync(file, 0o640)
    symlinkSync(file, link)

    await changeKeys(link, parts(), add('ann'))

    assert.ok(lstatSync(link).isSymbolicLink())
    assert.equal(fileAt(file).generation, 8)
    assert.equal(statSync(file).mode & 0o777, 0o640)
  })

  test('is not written for a change that is refused, or leaves it as it is', async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    await changeKeys(path, parts(), add('ann'))
    const before = readFileSync(path, 'utf8')
    const refused = await changeKeys(path, parts(), () => ({ kind: 'refused', message: 'no' }))
    assert.deepEqual(refused, { kind: 'refused', messages: ['no'] })
    const unchanged = await changeKeys(path, parts(), () => ({ kind: 'unchanged', result: 1 }))
    assert.deepEqual(unchanged, { kind: 'written', generation: 1, result: 1 })
    assert.equal(readFileSync(path, 'utf8'), before)
    assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'])
  })

  test('never gets what the gateway would refuse', async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    await changeKeys(path, parts(), add('ann'))
    const twice = await changeKeys(path, parts(), add('ann'))
    assert.ok(twice.kind === 'refused')
    assert.match(twice.messages.join(), /keys\[1\]\.name repeats the name "ann"/)
    assert.equal(fileAt(path).generation, 1)
  })

  test('is not written into a directory that others can write', async (t) => {
    const folder = scratchDirectory(t)
    chmodSync(folder, 0o777)
    const refused = await changeKeys(join(folder, 'keys.json'), parts(), add('ann'))
    assert.ok(refused.kind === 'refused')
    assert.match(refused.messages.join(), /could be replaced: .* is writable by everybody/)
    assert.deepEqual(readdirSync(folder), [])
  })

  test('is changed by one command at a time: another waits 5 s and names the first', { skip }, async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    const held = holdLock(`${path}.lock`)
    assert.ok(held.kind === 'held')
    const slept: number[] = []
    const refused = await changeKeys(path, parts(slept), add('ann'))
    assert.ok(refused.kind === 'refused')
    assert.match(
      refused.messages.join(),
      new RegExp(`another command \\(pid ${process.pid}\\) is changing the keys`),
    )
    assert.equal(
      slept.reduce((sum, ms) => sum + ms, 0),
      5000,
    )

    const sleep = () => {
      held.lock.release()
      return Promise.resolve()
    }
    assert.equal((await changeKeys(path, { accounts: ownAccounts, sleep }, add('ann'))).kind, 'written')
  })

  test(
    'is changed although a command has died with the lock, and its half-written file is there',
    { skip },
    async (t) => {
      const path = join(scratchDirectory(t), 'keys.json')
      const { pid } = spawnSync('true')
      writeFileSync(`${path}.lock`, `${pid} 1 held node\n`)
      writeFileSync(`${path}.new`, '{"version":1,"gener', { mode: 0o400 })
      const slept: number[] = []
      assert.equal((await changeKeys(path, parts(slept), add('ann'))).kind, 'written')
      assert.deepEqual(slept, [])
      assert.deepEqual(readdirSync(join(path, '..')), ['keys.json'])
    },
  )

  test('loses no change of many processes that write at once', { skip }, async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    const writers = ['a', 'b', 'c', 'd'].map((name) => startWriter(t, path, name, 25))
    await Promise.all(writers.map(({ ended }) => ended))
    const { generation, keys } = fileAt(path)
    assert.equal(generation, 100)
    const expected = writers.flatMap(({ names }) => names())
    assert.equal(expected.length, 100)
    assert.deepEqual(keys.map(({ name }) => name).toSorted(), expected.toSorted())
  })

  test('is whole, and has every change that was reported, when writers are killed', { skip }, async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    const reported: string[] = []
    for (let round = 0; round < 12; round++) {
      const writer = startWriter(t, path, `w${round}`, 1000)
      while (writer.names().length < 1 + round * 2) await once(writer.child.stdout, 'data')
      writer.child.kill('SIGKILL')
      await writer.ended
      reported.push(...writer.names())
      const names = new Set(fileAt(path).keys.map(({ name }) => name))
      assert.deepEqual(
        reported.filter((name) => !names.has(name)),
        [],
      )
      assert.equal(fileAt(path).generation, names.size)
    }
  })

  for (const name of ['keys.json.new', 'keys.json.lock']) {
    test(`stays as it is when ${name} is a directory`, { skip }, async (t) => {
      const folder = scratchDirectory(t)
      const path = join(folder, 'keys.json')
      await changeKeys(path, parts(), add('ann'))
      mkdirSync(join(folder, name, 'inside'), { recursive: true })
      const refused = await changeKeys(path, parts(), add('bob'))
      assert.ok(refused.kind === 'refused')
      assert.match(refused.messages.join(), new RegExp(`${name} is a directory; remove it`))
      assert.equal(fileAt(path).generation, 1)
      assert.deepEqual(readdirSync(folder).toSorted(), ['keys.json', name])
    })
  }

  const notRoot = process.getuid!() !== 0 && 'only root can make files of another user'

  test(
    'stays as it is when the next one is another user’s, who alone may remove it',
    { skip: skip || notRoot },
    (t) => {
      const folder = scratchDirectory(t)
      const [path, config] = [join(folder, 'keys.json'), join(folder, 'llm-gateway.yaml')]
      const own = 65_534
      writeFileSync(path, formatKeyFile({ generation: 1, keys: [] }), { mode: 0o600 })
      writeFileSync(config, 'providers: {}\n', { mode: 0o644 })
      chownSync(path, own, own)
      writeFileSync(`${path}.new`, '')
      chmodSync(folder, 0o1777)
      const before = readFileSync(path, 'utf8')
      const ended = spawnSync(process.execPath, [programFile, 'key', 'create', 'bob', '--config', config], {
        env: { HOME: folder, PATH: process.env['PATH'] },
        encoding: 'utf8',
        uid: own,
        gid: own,
      })
      assert.match(
        ended.stderr,
        /keys\.json\.new belongs to root; remove it as that user\. The keys are as before/,
      )
      assert.deepEqual([ended.status, ended.stdout, readFileSync(path, 'utf8')], [1, '', before])
    },
  )

  test('stays as it is when there is no room for the next one', { skip }, async (t) => {
    const folder = scratchDirectory(t)
    const path = join(folder, 'keys.json')
    await changeKeys(path, parts(), add('ann'))
    const before = readFileSync(path, 'utf8')
    writeFileSync(join(folder, 'llm-gateway.yaml'), 'providers: {}\n', { mode: 0o600 })
    const args = ['key', 'create', 'bob', '--config', join(folder, 'llm-gateway.yaml')]
    // No file of this process may be larger than the lock.
    const ended = spawnSync('prlimit', ['--fsize=100', process.execPath, programFile, ...args], {
      env: { HOME: folder, PATH: process.env['PATH'] },
      encoding: 'utf8',
    })
    assert.equal(ended.status, 1, ended.stderr)
    assert.match(ended.stderr, /keys\.json could not be written \(EFBIG\); the keys are as before/)
    assert.equal(ended.stdout, '')
    assert.equal(readFileSync(path, 'utf8'), before)
    assert.deepEqual(readdirSync(folder).toSorted(), ['keys.json', 'llm-gateway.yaml'])
  })
})

suite('the generation of the key file', () => {
  test('follows the one in force where an older file was put in its place', async (t) => {
    const path = join(scratchDirectory(t), 'keys.json')
    await changeKeys(path, parts(), add('ann'))
    const changed = await changeKeys(path, { ...parts(), after: 41 }, add('bob'))
    assert.deepEqual(changed, { kind: 'written', generation: 42, result: 'bob' })
    const unchanged = () => ({ kind: 'unchanged', result: 0 }) as const
    assert.deepEqual(await changeKeys(path, { ...parts(), after: 50 }, unchanged), {
      kind: 'written',
      generation: 51,
      result: 0,
    })
    assert.deepEqual(await changeKeys(path, { ...parts(), after: 51 }, unchanged), {
      kind: 'written',
      generation: 51,
      result: 0,
    })
    assert.equal(fileAt(path).generation, 51)
    assert.equal(fileAt(path).keys.length, 2)
  })
})
