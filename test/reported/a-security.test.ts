// Security faults that were found by trying: each test is one of them.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'

import { doctorCommand } from '../../src/cli/doctor/doctor.ts'
import { loadConfig } from '../../src/config/load.ts'
import { systemClock } from '../../src/platform/clock.ts'
import { servicePaths } from '../../src/systemd/scope.ts'
import { renderUnits } from '../../src/systemd/units.ts'
import { programFile } from '../support/built-checkout.ts'
import { startGateway } from '../support/app.ts'
import { chat, post } from '../support/calls.ts'
import { recordedIo } from '../support/command-io.ts'
import { scratchDirectory, writeScratch } from '../support/config-file.ts'
import { until } from '../support/deadline.ts'
import { at, configText, echo, providerKey } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { connectRaw, exchange, rawRequest } from '../support/raw-client.ts'
import { startUpstream } from '../support/scripted-upstream.ts'
import { bytes, head, json, stream } from '../support/upstream-script.ts'

const notRoot = process.getuid!() !== 0 && 'only root can make a link of another user'

/** Of the only model, in the file of limits; 0 before there is one. */
function savedRequests(file: string): number {
  if (!existsSync(file)) return 0
  const { models } = JSON.parse(readFileSync(file, 'utf8')) as { models: { entries: [number, number][] }[] }
  return models.flatMap(({ entries }) => entries).reduce((sum, [, requests]) => sum + requests, 0)
}

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
    const file = join(env.STATE_DIRECTORY, 'limits.json')
    await until(() => savedRequests(file) === 5, 'the counts on the disk')
    await first.gateway.stop('SIGKILL')

    const second = await startGatewayProcess(t, setup, env)

    assert.equal((await chat(second.gateway, 'small')).status, 429)
  })

  test('control characters and bidi marks of names and errors are escaped in every output', async (t) => {
    const hostile = 'm\u007f\u0085\u009b2J\u202e\u2066\u200f'
    for (const format of ['json', 'pretty'] as const) {
      const { gateway } = await startGatewayProcess(t, { logging: { format } }, {})
      const { status } = await chat(gateway, hostile)
      assert.equal(status, 404)
      await gateway.says(/model_not_found.*\n/)
      assert.ok(gateway.stdout().includes(shownHostile), gateway.stdout())
      assert.doesNotMatch(gateway.stdout() + gateway.stderr(), unsafe, format)
    }

    const upstream = await startUpstream(t)
    upstream.respondAlways(json(500, { error: { message: `sorry, ${hostile}` } }))
    const config = writeScratch(t, configText({ providers: { odd: at(upstream) } }))
    const io = recordedIo()
    const run = () => ({ status: undefined, stdout: '', stderr: 'ENOENT' })
    const paths = servicePaths('user', { HOME: scratchDirectory(t) })
    const asked = { config, isJson: true, isStrict: false, mayCall: true, timeoutMs: 5_000, providers: [] }
    await doctorCommand(io, asked, { version: '1', paths, run, clock: systemClock })
    assert.ok(io.written.stdout.includes(shownHostile), io.written.stdout)
    assert.doesNotMatch(io.written.stdout, unsafe)
  })

  test('a configuration or a Unix socket where another user could put another one is refused', async (t) => {
    const open = join(scratchDirectory(t), 'open')
    mkdirSync(join(open, 'own'), { recursive: true, mode: 0o700 })
    chmodSync(open, 0o777)

    const file = join(open, 'own', 'llm-gateway.yaml')
    writeFileSync(file, configText({ ...echo }), { mode: 0o600 })
    const loaded = loadConfig(file, { env: {} })
    const [problem] = loaded.ok ? [] : loaded.problems
    assert.match(
      problem?.message ?? '',
      /^could be replaced: \S+\/open is writable by everybody \(mode 777\)$/,
    )
    assert.equal(problem?.hint, `chmod go-w ${open}`)

    const unixSocket = { server: { unix_socket: join(open, 'own', 'api.sock') } }
    const mend = `${open} is writable by everybody (mode 777): chmod go-w ${open}, or choose another directory.`
    await assert.rejects(startGateway(t, unixSocket), { message: `server.unix_socket: ${mend}` })
  })

  test('a Unix socket behind a link of another user is refused', { skip: notRoot }, async (t) => {
    const directory = scratchDirectory(t)
    const link = join(directory, 'link')
    mkdirSync(join(directory, 'own'), { mode: 0o700 })
    symlinkSync('own', link)
    lchownSync(link, 54_321, 54_321)
    const unixSocket = { server: { unix_socket: join(link, 'api.sock') } }
    await assert.rejects(startGateway(t, unixSocket), /link is a link of another user \(uid 54321\)/)
  })

  test('clients that connect and leave at once make no line in the log', async (t) => {
    const { gateway } = await startGateway(t)
    const connections = Array.from({ length: 100 }, async (_, index) => {
      const client = await connectRaw(t, gateway.url)
      client.leave(index % 2 === 0 ? 'reset' : 'close')
    })
    await Promise.all(connections)
    assert.equal((await fetch(`${gateway.url}/healthz`)).status, 200)
    assert.deepEqual(
      gateway.log().filter(({ level }) => level !== 'INFO'),
      [],
    )
  })

  test('Expect: 100-continue over HTTP/1.0 is ignored', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    upstream.respond(json(200, { choices: [] }))
    const request = rawRequest('POST /v1/chat/completions', { expect: '100-continue' }, '{"model":"plain"}')
    const response = await exchange(t, gateway.url, request.toString().replace('HTTP/1.1', 'HTTP/1.0'))
    assert.equal(response.status, 200)
  })

  test('a form whose model is in another encoding than UTF-8 is refused', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    for (const type of [
      'text/plain; charset=utf-16',
      'text/plain;charset="UTF-16LE"',
      'text/plain; charset*=utf-16',
    ]) {
      const form =
        `--b\r\ncontent-disposition: form-data; name="model"\r\ncontent-type: ${type}\r\n\r\nplain\r\n` +
        '--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\nx\r\n--b--\r\n'
      const headers = { 'content-type': 'multipart/form-data; boundary=b' }
      const request = rawRequest('POST /v1/audio/transcriptions', headers, form)
      const response = await exchange(t, gateway.url, request)
      assert.equal(response.status, 400, type)
      assert.match(response.body().toString(), /field \\"model\\" is not plain text in UTF-8/)
    }
    assert.equal(upstream.requests.length, 0)
  })

  test('the gateway does not start with an option of Node that writes its memory to a file', () => {
    const env = {
      PATH: process.env['PATH'],
      LLM_GATEWAY_PORT: '0',
      NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2',
    }
    const { status, stderr } = spawnSync(process.execPath, [programFile, 'serve'], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    })
    assert.equal(status, 1)
    assert.match(stderr, /cannot start: Node's option --heapsnapshot-signal writes the memory/)
  })

  test('the service units bound memory, at more than 10,000 streams take', () => {
    const facts = { node: 'n', main: 'm', config: 'c', state: 's', credentials: 'd', hosts: [], port: 4000 }
    const streams = 10_000
    for (const scope of ['user', 'system'] as const) {
      const [service] = renderUnits(scope, facts)
      const gigabytes = Number(/^MemoryMax=(\d+)G$/m.exec(service?.text ?? '')?.[1])
      // In KiB: 36 a stream besides 100 MiB at rest, and as much again for sockets in the kernel.
      assert.ok(gigabytes * 1024 * 1024 > 2 * (streams * 36 + 100 * 1024), `${scope}: ${gigabytes} GB`)
    }
  })

  test('a provider’s own error words are in the log, masked and shortened, unless they quote the request', async (t) => {
    const { gateway, upstream } = await startGateway(t)
    const prompt = 'the plans for the secret garden, in Köln'
    /** The `reason` in the log of a call that the provider refuses in this way. */
    const reasonOf = async (status: number, message: string) => {
      upstream.respond(json(status, { error: { message, code: 'odd' } }))
      const body = { model: 'plain', messages: [{ role: 'user', content: prompt }] }
      // As Python's json.dumps writes it.
      const response = await post(gateway, JSON.stringify(body).replace('ö', '\\u00f6'))
      await response.text()
      return (await gateway.logged({ request_id: response.headers.get('x-request-id')! }))['reason']
    }
    assert.equal(
      await reasonOf(429, 'You exceeded your quota.'),
      'Provider "scripted": You exceeded your quota.',
    )
    const unauthorized = await reasonOf(401, `Incorrect key: ${providerKey} (sk-ab**9a)`)
    assert.match(
      String(unauthorized),
      /^Provider "scripted" rejected .* Provider "scripted": Incorrect key: \[secret\] \(\[key\]\)$/,
    )
    assert.equal(await reasonOf(503, 'x'.repeat(300)), `Provider "scripted": ${'x'.repeat(199)}…`)
    assert.equal(await reasonOf(500, 'cannot read "the plans for the"'), undefined)
    assert.equal(
      await reasonOf(500, 'cannot read "en, in Köln"'),
      'Provider "scripted": cannot read "en, in Köln"',
    )
    assert.equal(await reasonOf(500, 'cannot read "secret garden, in Köln"'), undefined)
    assert.equal(await reasonOf(500, 'cannot read " garden, in Köln"'), undefined)
    assert.equal(await reasonOf(400, 'bad request'), undefined)
    assert.equal(await reasonOf(413, 'too large'), undefined)
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

/** What no output may hold but for line breaks. */
const unsafe = /(?!\n)[\p{Cc}\p{Bidi_Control}]/u
const shownHostile = String.raw`m\u007f\u0085\u009b2J\u202e\u2066\u200f`

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
