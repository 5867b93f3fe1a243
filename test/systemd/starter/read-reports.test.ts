import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { readReports } from '../../../src/systemd/starter/read-reports.ts'
import { isNotLoaded, refusalOf } from '../../../src/systemd/starter/refusal.ts'

/** As systemd 252 prints it. */
function block(values: Readonly<Record<string, string>>): string {
  const stopped = {
    Id: 'a.service',
    Names: 'a.service',
    LoadState: 'loaded',
    ActiveState: 'inactive',
    SubState: 'dead',
    Result: 'success',
    ExecMainCode: '0',
    ExecMainStatus: '0',
    NRestarts: '0',
    InvocationID: '',
    ActiveEnterTimestampMonotonic: '0',
    MemoryCurrent: '[not set]',
  }
  return Object.entries({ ...stopped, ...values })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

const a = { service: 'one', unit: 'a.service' }
const stopped = {
  service: 'one',
  unit: 'a.service',
  load: 'loaded',
  active: 'inactive',
  sub: 'dead',
  result: 'success',
  restarts: 0,
  invocation: '',
}
const bootedAtMs = 1_750_000_000_000
const manager = { bootedAtMs, uid: 1000 }

suite('systemctl show → reports', () => {
  test('a unit that never ran', () => {
    assert.deepEqual(readReports(block({}), [a], manager), [stopped])
  })

  test('a unit that runs', () => {
    const text = block({
      ActiveState: 'active',
      SubState: 'running',
      NRestarts: '2',
      InvocationID: '0123456789abcdef0123456789abcdef',
      ActiveEnterTimestampMonotonic: '81234567',
      MemoryCurrent: String(5 * 1024 * 1024 + 4096),
    })
    assert.deepEqual(readReports(text, [a], manager), [
      {
        ...stopped,
        active: 'active',
        sub: 'running',
        restarts: 2,
        invocation: '0123456789abcdef0123456789abcdef',
        activeSinceMs: bootedAtMs + 81_235,
        uid: 1000,
        memoryBytes: 5 * 1024 * 1024,
      },
    ])
  })

  test('a unit that has ended, with its exit status and without a time', () => {
    const failed = {
      ActiveState: 'failed',
      SubState: 'failed',
      Result: 'exit-code',
      ActiveEnterTimestampMonotonic: '9',
    }
    const [report] = readReports(block({ ...failed, ExecMainCode: '1', ExecMainStatus: '3' }), [a], manager)
    assert.deepEqual(report, {
      ...stopped,
      active: 'failed',
      sub: 'failed',
      result: 'exit-code',
      exitStatus: 3,
    })
  })

  test('no memory where none is counted', () => {
    for (const MemoryCurrent of ['[not set]', '18446744073709551615', '']) {
      assert.deepEqual(readReports(block({ MemoryCurrent }), [a], manager), [stopped])
    }
  })

  test("the user of a unit that runs: its own, the manager's without one, and not known before it is resolved", () => {
    const uidOf = (values: Readonly<Record<string, string>>) =>
      readReports(block({ ActiveState: 'active', ...values }), [a], manager)[0]?.uid
    assert.equal(uidOf({ User: 'ollama', UID: '988' }), 988)
    assert.equal(uidOf({ User: '', UID: '[not set]' }), 1000)
    assert.equal(uidOf({ User: 'ollama', UID: '[not set]' }), undefined)
    assert.equal(uidOf({ ActiveState: 'inactive', UID: '988' }), undefined)
  })

  test('several units in any order, and an alias', () => {
    const text = `${block({ Id: 'real.service', Names: 'real.service alias.service' })}\n${block({})}`
    const services = [a, { service: 'two', unit: 'alias.service' }]
    const found = readReports(text, services, manager)
    assert.deepEqual(
      found.map(({ service, unit }) => [service, unit]),
      [
        ['one', 'a.service'],
        ['two', 'alias.service'],
      ],
    )
  })

  test('a unit that two services lead to belongs to the first', () => {
    const text = block({ Names: 'a.service b.service', ActiveState: 'active', InvocationID: 'f00' })
    const [first, second] = readReports(
      `${text}\n${text}`,
      [a, { service: 'two', unit: 'b.service' }],
      manager,
    )
    assert.deepEqual([first?.load, first?.active], ['loaded', 'active'])
    assert.deepEqual(second, { ...stopped, service: 'two', unit: 'b.service', load: 'same-unit' })
  })

  test('a transient unit that is not there is no fault', () => {
    const run = { command: ['/bin/x'], environment: new Map<string, string>() }
    const text = block({ LoadState: 'not-found' })
    assert.equal(readReports(text, [{ ...a, run }], manager)[0]?.load, 'transient')
    assert.equal(readReports(text, [a], manager)[0]?.load, 'not-found')
  })

  test('nothing of a unit that is missing in the text', () => {
    for (const text of ['', '\n\n\n', 'nonsense', '=\n=', block({ Id: 'b.service', Names: 'b.service' })]) {
      assert.deepEqual(readReports(text, [a], manager), [], text)
    }
  })

  test('nothing of a unit without its states', () => {
    for (const name of ['LoadState', 'ActiveState']) {
      const text = block({}).replace(new RegExp(`^${name}=.*\n`, 'm'), '')
      assert.deepEqual(readReports(text, [a], manager), [], name)
    }
  })
})

suite('messages of systemctl and systemd-run → reasons', () => {
  // As systemd 252 prints them.
  const messages = [
    ['Failed to connect to bus: No such file or directory', 'manager-unreachable'],
    [
      'Failed to connect to user scope bus via local transport: Operation not permitted',
      'manager-unreachable',
    ],
    ['Failed to start a.service: Access denied', 'not-permitted'],
    ['Failed to start a.service: Interactive authentication required.', 'not-permitted'],
    ['Failed to start a.service: Unit a.service is masked.', 'masked'],
    ['Failed to start a.service: Unit a.service not found.', 'not-found'],
    ['Failed to start a.service: Unit a.service has a bad unit file setting.', 'bad-setting'],
    ['Failed to find executable /x: No such file or directory', 'no-program'],
    ['Failed to start transient service unit: Unit a.service was already loaded', 'refused'],
    ['', 'refused'],
  ] as const
  for (const [stderr, reason] of messages) {
    test(`${JSON.stringify(stderr)}: ${reason}`, () => {
      assert.equal(refusalOf({ status: 1, stdout: '', stderr }), reason)
    })
  }

  test('a program that cannot be run, or hangs', () => {
    assert.equal(refusalOf({ status: undefined, stdout: '', stderr: '' }), 'manager-unreachable')
  })

  test('what is not loaded is stopped', () => {
    const ended = { status: 5, stdout: '' }
    assert.ok(isNotLoaded({ ...ended, stderr: 'Failed to stop a.service: Unit a.service not loaded.' }))
    assert.ok(!isNotLoaded({ ...ended, stderr: 'Failed to stop a.service: Access denied' }))
  })
})
