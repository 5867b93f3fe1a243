import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { LogTransport } from '../../../src/observe/log/transport.ts'
import { scratchDirectory } from '../../support/config-file.ts'
import { soon } from '../../support/deadline.ts'

const source = (name: string) =>
  JSON.stringify(join(import.meta.dirname, `../../../src/observe/log/${name}.ts`))

function targetOf(t: TestContext, code: string): string {
  const target = join(scratchDirectory(t), 'transport.mjs')
  writeFileSync(target, `import { Writable } from 'node:stream'\n${code}`)
  return target
}

/** Writes to a file what comes, a little later, and tells when it has. */
const toFile = `
import { appendFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
export default async ({ file }) => new Writable({
  async write(chunk, _, done) { await sleep(20); appendFileSync(file, chunk); done() },
})`

const failures: readonly (readonly [name: string, code: string, reason: RegExp])[] = [
  ['can not be loaded', "import 'not-there'", /not-there/],
  ['exports no function', 'export const stream = 1', /./],
  ['rejects its options', "export default () => { throw new Error('which host?') }", /^which host\?$/],
  [
    'emits an error',
    'export default () => new Writable({ write: (_, __, done) => done(new Error("full")) })',
    /^full$/,
  ],
  [
    'throws later',
    'export default () => new Writable({ write() { setImmediate(() => { throw new Error("late") }) } })',
    /^late$/,
  ],
  ['ends by itself', 'export default () => new Writable({ write() { process.exit(0) } })', /./],
  ['does not keep up', 'export default () => new Writable({ write() {} })', /cannot keep up/],
]
for (const [name, code, reason] of failures) {
  test(`when a transport ${name}, the log goes to the fallback`, async (t) => {
    const target = targetOf(t, code)
    let text = ''
    const failed = Promise.withResolvers<Error>()
    let failedTimes = 0
    const transport = new LogTransport(
      { target, options: {} },
      { write: (lines) => (text += lines) },
      (cause) => {
        failedTimes += 1
        failed.resolve(cause)
      },
    )
    const line = `{"level":"INFO","pad":"${'x'.repeat(name === 'does not keep up' ? 65_536 : 10)}"}\n`
    const writing = setInterval(() => transport.write(line), 1)
    t.after(() => clearInterval(writing))
    assert.match((await soon(failed.promise, () => 'the failure')).message, reason)
    clearInterval(writing)

    transport.write('last\n')
    assert.ok(text.endsWith('last\n'))
    assert.equal(text.replaceAll(line, ''), 'last\n')
    assert.equal(failedTimes, 1)
  })
}

test('a transport that fails at its start loses no line', async (t) => {
  const target = targetOf(t, "throw new Error('no')")
  let text = ''
  const failed = Promise.withResolvers<Error>()
  const transport = new LogTransport(
    { target, options: {} },
    { write: (lines) => (text += lines) },
    failed.resolve,
  )
  transport.write('1\n')
  transport.write('2\n')
  await soon(failed.promise, () => 'the failure')
  assert.equal(text, '1\n2\n')
})

const ends = ['process.exit(0)', 'process.exitCode = 0', "setTimeout(() => { throw new Error('uncaught') })"]
for (const end of ends) {
  test(`no line for a transport is lost at ${end}`, (t) => {
    const target = targetOf(t, toFile)
    const file = join(scratchDirectory(t), 'log')
    const code = `
      import { existsSync } from 'node:fs'
      import { LogTransport } from ${source('transport')}
      const transport = new LogTransport({ target: ${JSON.stringify(target)}, options: { file: ${JSON.stringify(file)} } },
        { write: (text) => console.log('fallback', text) }, console.log)
      transport.write('first\\n')
      const timer = setInterval(() => {
        if (!existsSync(${JSON.stringify(file)})) return
        clearInterval(timer)
        for (let i = 0; i < 100_000; i++) transport.write(i + ' ' + 'x'.repeat(60) + '\\n')
        ${end}
      }, 5)`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })
    assert.equal(stdout, '')
    const lines = readFileSync(file, 'utf8').split('\n')
    assert.equal(lines.length, 100_002)
    assert.equal(lines.at(-2), `99999 ${'x'.repeat(60)}`)
  })
}

test('a transport hears of the settings of the log and none of the environment', async (t) => {
  const target = targetOf(
    t,
    `import { parentPort } from 'node:worker_threads'
    import { writeFileSync } from 'node:fs'
    export default async ({ file }) => {
      const config = new Promise((resolve) => parentPort.on('message', (m) => m.code === 'PINO_CONFIG' && resolve(m.config)))
      writeFileSync(file, JSON.stringify({ ...(await config), env: process.env }))
      process.exit(0)
    }`,
  )
  const file = join(scratchDirectory(t), 'heard')
  const failed = Promise.withResolvers<Error>()
  const { createLog } = await import('../../../src/observe/log/log.ts')
  createLog('info', new LogTransport({ target, options: { file } }, { write() {} }, failed.resolve))
  await soon(failed.promise, () => 'the end of the transport')
  const heard = JSON.parse(readFileSync(file, 'utf8')) as { messageKey: string; env: object }
  assert.equal(heard.messageKey, 'message')
  assert.deepEqual(heard.env, {})
})
