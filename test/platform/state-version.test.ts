// Files of other releases in the state directory: earlier ones come forward with a copy, later ones stay beside what is new.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

import { StateFile } from '../../src/platform/state-file.ts'
import { readValue } from '../../src/platform/state-version.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { json } from '../support/upstream-script.ts'

const format = {
  current: 3,
  steps: {
    1: ({ old, ...rest }: Readonly<Record<string, unknown>>) => ({ ...rest, renamed: old }),
    2: (value: Readonly<Record<string, unknown>>) => ({ ...value, added: true }),
  },
}

function fileWith(t: TestContext, value: unknown) {
  const directory = scratchDirectory(t)
  const file = new StateFile(directory, 'some.json')
  if (value !== undefined) writeFileSync(file.path, typeof value === 'string' ? value : JSON.stringify(value))
  return { directory, file }
}

suite('a versioned state file', () => {
  test('of an earlier release takes every step, and its copy is as it was', async (t) => {
    const before = { version: 1, old: 'x' }
    const { directory, file } = fileWith(t, before)
    const read = readValue(file, format)
    assert.deepEqual(read, { kind: 'read', value: { version: 3, renamed: 'x', added: true } })
    assert.deepEqual(JSON.parse(readFileSync(`${file.path}.v1`, 'utf8')), before)
    await file.replace('{"version":3}')
    assert.deepEqual(readdirSync(directory).toSorted(), ['some.json', 'some.json.v1'])
  })

  test('of this release is read, without a copy', (t) => {
    const { directory, file } = fileWith(t, { version: 3, a: 1 })
    assert.deepEqual(readValue(file, format), { kind: 'read', value: { version: 3, a: 1 } })
    assert.deepEqual(readdirSync(directory), ['some.json'])
  })

  test('of a later release is refused with what to do, and kept', async (t) => {
    const { file } = fileWith(t, { version: 4, secret: 'future' })
    const read = readValue(file, format)
    assert.deepEqual(read, {
      kind: 'unreadable',
      reason: `is of a later release of llm-gateway (version 4; this one reads 3). It is kept as ${file.path}.v4. To use it, run that release again, with the copy in its place.`,
    })
    await file.replace('{"version":3}')
    assert.match(readFileSync(`${file.path}.v4`, 'utf8'), /future/)
  })

  test('that cannot be copied is not written over', async (t) => {
    for (const version of [1, 4]) {
      const { file } = fileWith(t, { version, old: 1 })
      mkdirSync(`${file.path}.v${version}`)
      const read = readValue(file, format)
      assert.equal(read.kind, version === 1 ? 'read' : 'unreadable')
      await assert.rejects(file.replace('{}'), /could not be copied \(/)
      assert.match(readFileSync(file.path, 'utf8'), /"old":1/)
    }
  })

  test('that is damaged is reported', (t) => {
    for (const [text, reason] of [
      ['{"version":', /is not a JSON object: cut off\?/],
      ['[1]', /is not a JSON object/],
      ['{}', /has no version/],
      ['{"version":"3"}', /has no version/],
      ['{"version":0}', /has version 0, which is not known/],
      [`{"version":3,"a":"${'x'.repeat(100)}"}`, /is longer than 50 characters/],
    ] as const) {
      const read = readValue(fileWith(t, text).file, { ...format, maxChars: 50 })
      assert.ok(read.kind === 'unreadable', text)
      assert.match(read.reason, reason)
    }
  })
})

test('a gateway after a later release serves, reports each file, and keeps it', async (t) => {
  const directory = scratchDirectory(t)
  const later = { version: 99, models: [], later: 'kept' }
  const names = ['limits.json', 'formats.json', 'model-lists.json', 'alerts.json', 'objects.jsonl']
  for (const name of names) writeFileSync(join(directory, name), `${JSON.stringify(later)}\n`)
  const setup = {
    routes: { rest: { provider: 'scripted' } },
    notify: { sinks: { hook: { kind: 'webhook', url: { env: 'HOOK' } } } },
  } as const
  const env = { STATE_DIRECTORY: directory, HOOK: 'http://127.0.0.1:9/' }
  const { gateway, upstream } = await startGatewayProcess(t, setup, env)
  upstream.respondAlways(json(200, { id: 'x', object: 'chat.completion', choices: [] }))
  for (const name of ['limits.json', 'formats.json', 'alerts.json', 'objects.jsonl'])
    await gateway.says(
      new RegExp(`${name.replace('.', '\\.')} is of a later release of llm-gateway \\(version 99`),
    )
  assert.equal((await chat(gateway, 'plain')).status, 200)
  await gateway.stop()
  for (const name of ['limits.json', 'formats.json', 'alerts.json', 'objects.jsonl'])
    assert.match(readFileSync(join(directory, `${name}.v99`), 'utf8'), /"later":"kept"/, name)
  assert.match(readFileSync(join(directory, 'limits.json'), 'utf8'), /"version":1/)
  assert.ok(existsSync(join(directory, 'model-lists.json')))
})
