// Limits as coding agents meet them.
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { suite, test } from 'node:test'

import { doctorCommand } from '../../src/cli/doctor/doctor.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { servicePaths } from '../../src/systemd/scope.ts'
import { startLimited } from '../flows/limited.ts'
import { chat } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'

suite('token limits that are too low for an agent', () => {
  test('a 429 names the key to raise, and by how much it was missed', async (t) => {
    const limits = { small: { tpm: 40_000 }, 'llama3.1:8b': { tpm: 2 } }
    const models = { small: { provider: 'scripted' }, 'llama3.1:8b': { provider: 'scripted' } }
    const { gateway, upstream } = await startLimited(t, { limits }, { models })
    upstream.respond(whole({ prompt_tokens: 39_000, completion_tokens: 900, total_tokens: 39_900 }))
    await chat(gateway, 'small')
    const refused = await chat(gateway, 'small')
    assert.equal(refused.status, 429)
    const { message } = (JSON.parse(refused.body) as { error: { message: string } }).error
    const [, asked] = /Limit 40000, Used 39900, Requested (\d+)\./.exec(message)!
    const missing = Number(asked) - 100
    assert.ok(
      message.endsWith(`rate_limit_settings.limits.small.tpm is ${missing} too low for this call.`),
      message,
    )

    const tooLarge = await chat(gateway, 'llama3.1:8b')
    assert.match(
      (JSON.parse(tooLarge.body) as { error: { message: string } }).error.message,
      / rate_limit_settings\.limits\["llama3\.1:8b"\]\.tpm is \d+ too low for this call\.$/,
    )
  })

  test('a 429 for a limit of all models names the default', async (t) => {
    const { gateway } = await startLimited(t, { default: { rpm: 1 } })
    await chat(gateway, 'small')
    const { status, body } = await chat(gateway, 'small')
    assert.equal(status, 429)
    assert.match(body, / rate_limit_settings\.default\.rpm is 1 too low for this call\./)
  })

  test('doctor names the limit that will make a coding agent wait', async (t) => {
    const config = writeScratch(
      t,
      `server: { hosts: [127.0.0.1], port: 1 }
providers: { echo: { kind: echo } }
models: { coder: { provider: echo }, chat: { provider: echo } }
rate_limit_settings: { limits: { coder: { tpm: 40000 }, chat: { tpm: 100000 } } }
`,
    )
    const io = recordedIo()
    const options = { config, isJson: true, isStrict: false, mayCall: false, timeoutMs: 100, providers: [] }
    const paths = servicePaths('user', { HOME: scratchDirectory(t) })
    const run = () => ({ status: undefined, stdout: '', stderr: 'ENOENT' })
    await doctorCommand(io, options, { version: '1', paths, run, clock: systemClock })
    const { checks } = JSON.parse(io.written.stdout) as { checks: Record<string, string>[] }
    const found = checks.find(({ subject }) => subject === 'token limits')
    assert.equal(found?.['state'], 'ok')
    assert.match(found['detail']!, /^rate_limit_settings\.limits\.coder\.tpm is 40000: 2 calls a minute/)
    assert.match(
      found['fix']!,
      /raise rate_limit_settings\.limits\.coder\.tpm to 100000 or more, or set when_limited/,
    )

    writeFileSync(
      config,
      readFileSync(config, 'utf8').replace('limits: { coder', 'when_limited: wait, limits: { coder'),
    )
    const waiting = recordedIo()
    await doctorCommand(waiting, options, { version: '1', paths, run, clock: systemClock })
    assert.match(waiting.written.stdout, /coder\.tpm to 100000 or more"/)
  })
})
