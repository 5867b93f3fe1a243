import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'

import { ReloadSignal } from '../../src/cli/reload-signal.ts'
import { programFile } from '../support/built-checkout.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { soon } from '../support/deadline.ts'

test('signals that come before anybody listens ask for one reload, and each later one for another', () => {
  const source = new EventEmitter()
  const signal = new ReloadSignal(source, { isTTY: false })
  source.emit('SIGHUP')
  source.emit('SIGHUP')
  let reloads = 0
  signal.listen(() => void reloads++)
  assert.equal(reloads, 1)
  source.emit('SIGHUP')
  assert.equal(reloads, 2)
})

test('without an early signal nothing is reloaded', () => {
  const signal = new ReloadSignal(new EventEmitter(), {})
  signal.listen(() => assert.fail('a reload'))
})

test('at a terminal the signal is left to end the process', () => {
  const source = new EventEmitter()
  assert.ok(new ReloadSignal(source, { isTTY: true }))
  assert.equal(source.listenerCount('SIGHUP'), 0)
})

test('a gateway that gets it while it starts goes on, and reloads when it is up', async (t) => {
  // The warning is written before anything listens.
  const yaml =
    'cors: { allow_all: true }\nproviders: { e: { kind: echo } }\nmodels: { m: { provider: e } }\nlogging: { format: json }\n'
  const config = writeScratch(t, yaml)
  const child = spawn(process.execPath, [programFile, 'serve', '--config', config], {
    env: { PATH: process.env['PATH'], HOME: scratchDirectory(t), LLM_GATEWAY_PORT: '0' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close')
  t.after(async () => {
    child.kill()
    await ended
  })
  let log = ''
  const reloaded = Promise.withResolvers<void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    log += text
    if (log.includes('"reloaded"')) reloaded.resolve()
  })
  child.stderr.once('data', () => child.kill('SIGHUP'))
  await soon(Promise.race([reloaded.promise, ended]), () => `a reload in ${log}`)
  assert.equal(child.signalCode, null)
  assert.ok(log.indexOf('"listening"') < log.indexOf('"reloaded"'), log)
})
