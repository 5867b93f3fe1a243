// Security faults that were found by trying: each test is one of them.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../support/app.ts'
import { chat } from '../support/calls.ts'
import { scratchDirectory } from '../support/config-file.ts'
import { echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { bytes, head, stream } from '../support/upstream-script.ts'

suite('security, as reported', () => {
  test('what was admitted before a kill still counts after the next start', async (t) => {
    const setup = {
      ...echo,
      models: { small: { provider: 'echo' } },
      rate_limit_settings: { per_client: {}, limits: { small: { rpm: 5 } } },
    }
    const env = { STATE_DIRECTORY: scratchDirectory(t) }
    const first = await startGatewayProcess(t, setup, env)
    for (let call = 0; call < 5; call++) assert.equal((await chat(first.gateway, 'small')).status, 200)
    // As long as it takes to serve some more requests, far less than a second.
    for (let request = 0; request < 30; request++) await fetch(`${first.gateway.url}/healthz`)
    await first.gateway.stop('SIGKILL')

    const second = await startGatewayProcess(t, setup, env)

    assert.equal((await chat(second.gateway, 'small')).status, 429)
  })

  test('a key that a provider repeats in an error is masked in what the client’s parser sees', async (t) => {
    const { gateway, upstream } = await startGateway(t, undefined, { env: { SCRIPTED_KEY: key } })
    for (const [form, text] of repetitions) {
      const body = `{"error":{"message":"bad key ${text}, sorry","type":"x","param":null,"code":"${text}"}}`
      const contentType = 'application/json'
      upstream.respond([
        head(400, { 'content-type': contentType, 'content-length': String(body.length) }),
        bytes(body, 'every byte'),
      ])
      const { body: whole } = await chat(gateway, 'plain')
      assert.deepEqual(
        JSON.parse(whole).error,
        { message: 'bad key [secret], sorry', type: 'x', param: null, code: '[secret]' },
        form,
      )

      const events = `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: ${body}\n\n`
      upstream.respond(stream(events, { contentType: 'text/event-stream', splitAt: 'every byte' }))
      const { body: streamed } = await chat(gateway, 'plain', { stream: true })
      assert.ok(streamed.includes('"message":"bad key [secret], sorry"'), `${form}, in a stream: ${streamed}`)
      assert.ok(!streamed.includes(text), form)
    }
  })
})

const key = 'sk-proj/ab+1_9?~xyz'

const escaped = (text: string) =>
  Array.from(text, (each) => `\\u00${each.charCodeAt(0).toString(16)}`).join('')
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** How a key is written in JSON or in what stands in it. */
const repetitions: readonly (readonly [form: string, text: string])[] = [
  ['escaped', escaped(key)],
  ['escaped in JSON within JSON', escaped(key).replaceAll('\\', '\\\\')],
  ['one character escaped', key.replace('k', '\\u006B')],
  ['percent-encoded', encodeURIComponent(key)],
  ['percent-encoded in lower case', encodeURIComponent(key).toLowerCase()],
  ['Basic', base64(`:${key}`)],
  ['Bearer', base64(`Bearer ${key}`)],
  ['Basic, escaped', escaped(base64(`user:${key}`))],
  ['hexadecimal', Buffer.from(key).toString('hex')],
]
