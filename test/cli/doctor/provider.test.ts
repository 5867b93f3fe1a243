import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { Finding } from '../../../src/cli/doctor/finding.ts'
import { examineProvider, type ProviderExamination } from '../../../src/cli/doctor/provider.ts'
import { HeldSecret } from '../../../src/config/secrets.ts'
import type { HttpProvider } from '../../../src/config/provider-types.ts'
import { findKey } from '../../support/key-forms.ts'
import { helloStream } from '../../support/message-events.ts'
import { resolveNames } from '../../support/connections-made.ts'
import { refusingUrl, startUpstream, type ScriptedUpstream } from '../../support/scripted-upstream.ts'
import {
  bytes,
  chunk,
  content,
  hang,
  head,
  json,
  reset,
  sse,
  stream,
  streamHead,
  type Script,
} from '../../support/upstream-script.ts'

const key = 'sk-proj-Zk3vN8qWx2LmT7'
const secret = new HeldSecret(key, 'env CLOUD_KEY')

function configOf(url: string, more: Partial<HttpProvider> = {}): HttpProvider {
  return {
    kind: 'openai',
    name: 'p',
    origin: new URL(url).origin,
    basePath: '/v1',
    isLocal: true,
    apiKey: undefined,
    auth: 'bearer',
    headers: [],
    includeUsage: 'auto',
    timeouts: { connectMs: 2_000, firstByteMs: 5_000, idleMs: 5_000, totalMs: 5_000 },
    maxParallelRequests: undefined,
    ...more,
  }
}

async function examine(
  config: HttpProvider,
  more: Partial<ProviderExamination> = {},
): Promise<readonly Finding[]> {
  const { findings } = await examineProvider({
    config,
    models: ['m'],
    missingKey: undefined,
    boundary: 'any',
    mayCall: true,
    timeoutMs: 5_000,
    userAgent: 'test',
    command: 'bin/llm-gateway',
    now: () => performance.now(),
    onWait: () => {},
    ...more,
  })
  // Whatever a provider sends, no finding contains the key.
  assert.deepEqual(findKey(JSON.stringify(findings), key), [])
  return findings
}

/** `state subject`. */
function states(findings: readonly Finding[]): string[] {
  return findings.map(({ subject, state }) => `${state} ${subject.replace('p: ', '')}`)
}

function find(findings: readonly Finding[], subject: string): Finding {
  const found = findings.find((finding) => finding.subject === `p: ${subject}`)
  assert.ok(found, subject)
  return found
}

const list = (...ids: string[]) =>
  json(200, { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) })
const piece = '{"choices":[{"index":0,"delta":{"content":"OK"},"finish_reason":null}]}'
const last = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
const usage = '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
const goodStream = sse([piece, last, usage, '[DONE]'])

async function withAnswers(t: TestContext, ...answers: Script[]): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  for (const answer of answers) upstream.respond(answer)
  return upstream
}

test('a provider that works is ok in every respect', async (t) => {
  const upstream = await withAnswers(t, list('m'), goodStream)
  const findings = await examine(configOf(upstream.url, { apiKey: secret }))
  assert.deepEqual(states(findings), [
    'ok reachable',
    'ok key',
    'ok models',
    'ok streaming',
    'ok usage',
    'ok first byte',
  ])
  assert.match(find(findings, 'key').detail, /env CLOUD_KEY/)
  assert.match(find(findings, 'streaming').detail, /^m: 4 events/)
  assert.equal(find(findings, 'usage').figures?.['promptTokens'], 9)
  assert.equal(find(findings, 'usage').figures?.['completionTokens'], 2)
  assert.equal(typeof find(findings, 'reachable').figures?.['connectMs'], 'number')
  assert.equal(typeof find(findings, 'first byte').figures?.['firstByteMs'], 'number')
})

test('the call is small, streamed, asks for usage and carries the key', async (t) => {
  const upstream = await withAnswers(t, list('m'), goodStream)
  await examine(configOf(upstream.url, { apiKey: secret }))
  const [, call] = upstream.requests
  assert.equal(call?.target, '/v1/chat/completions')
  assert.equal(call.header('authorization'), `Bearer ${key}`)
  assert.deepEqual(JSON.parse(call.body.toString()), {
    model: 'm',
    messages: [{ role: 'user', content: 'Say OK.' }],
    max_tokens: 16,
    stream: true,
    stream_options: { include_usage: true },
  })
  assert.equal(upstream.requests.length, 2)
})

test('a provider that refuses max_tokens or stream_options is called without', async (t) => {
  const refuse = (text: string) => json(400, { error: { message: text } })
  const upstream = await withAnswers(
    t,
    list('m'),
    refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
    refuse('unknown field stream_options'),
    sse([piece, last, '[DONE]']),
  )
  const findings = await examine(configOf(upstream.url))
  assert.deepEqual(states(findings).slice(3, 5), ['ok streaming', 'warn usage'])
  assert.match(find(findings, 'usage').detail, /stream_options/)
  const body = JSON.parse(upstream.requests[3]!.body.toString()) as object
  assert.deepEqual(Object.keys(body), ['model', 'messages', 'max_completion_tokens', 'stream'])
})

test('a provider that refuses every variant is called three times at most', async (t) => {
  const upstream = await startUpstream(t)
  upstream.respond(list('m'))
  upstream.respondAlways(json(400, { error: { message: 'max_completion_tokens stream_options' } }))
  const findings = await examine(configOf(upstream.url))
  assert.equal(upstream.requests.length, 4)
  assert.equal(findings.at(-1)?.state, 'fail')
  assert.match(findings.at(-1)!.detail, /400: /)
})

suite('a provider of kind anthropic', () => {
  const anthropic = { kind: 'anthropic', apiKey: secret, auth: { header: 'x-api-key' } } as const
  const claude = json(200, { data: [{ type: 'model', id: 'm', display_name: 'M' }], has_more: false })

  test('is called in its own format, and examined in every respect', async (t) => {
    const upstream = await withAnswers(t, claude, stream(helloStream))
    const findings = await examine(configOf(upstream.url, anthropic))
    assert.deepEqual(states(findings), [
      'ok reachable',
      'ok key',
      'ok models',
      'ok streaming',
      'ok usage',
      'ok first byte',
    ])
    assert.equal(find(findings, 'usage').figures?.['promptTokens'], 100)
    const [list, call] = upstream.requests
    assert.deepEqual([list?.target, call?.target], ['/v1/models?limit=1000', '/v1/messages'])
    assert.deepEqual([call?.header('x-api-key'), call?.header('anthropic-version')], [key, '2023-06-01'])
    assert.deepEqual(JSON.parse(call!.body.toString()), {
      model: 'm',
      messages: [{ role: 'user', content: 'Say OK.' }],
      max_tokens: 16,
      stream: true,
    })
  })

  test('has no money left, though it says so with status 400', async (t) => {
    const message = 'Your credit balance is too low to access the Anthropic API.'
    const error = { type: 'error', error: { type: 'invalid_request_error', message } }
    const upstream = await withAnswers(t, claude, json(400, error))
    const account = find(await examine(configOf(upstream.url, anthropic)), 'account')
    assert.deepEqual([account.state, account.detail], ['fail', `returned 400: ${message}`])
  })

  test('whose stream breaks off fails', async (t) => {
    const half = helloStream.slice(0, helloStream.indexOf('event: message_delta'))
    const upstream = await withAnswers(t, claude, stream(half))
    const streaming = find(await examine(configOf(upstream.url, anthropic)), 'streaming')
    assert.equal(streaming.state, 'fail')
    assert.match(streaming.detail, /cut off/)
  })
})

test('a provider that speaks neither chat nor Messages is not called', async (t) => {
  const upstream = await withAnswers(t, list('m'))
  const findings = await examine(configOf(upstream.url, { speaks: ['response'] }))
  assert.match(find(findings, 'streaming').detail, /neither chat nor Messages/)
  assert.equal(upstream.requests.length, 1)
})

test('the built-in echo is not called', async () => {
  const { findings } = await examineProvider({
    ...({} as ProviderExamination),
    config: { kind: 'echo', name: 'echo' },
  })
  assert.deepEqual(states(findings), ['ok echo: reachable'])
})

suite('connections', () => {
  test('a server that cannot be reached comes with how to start it', async (t) => {
    const url = await refusingUrl(t)
    const findings = await examine(configOf(url))
    assert.deepEqual(states(findings), ['fail reachable'])
    assert.match(findings[0]!.detail, /ECONNREFUSED/)
    const local = await examine(configOf(url, { origin: 'http://127.0.0.1:1' }))
    assert.match(local[0]!.fix!, /http:\/\/127\.0\.0\.1:1/)
  })

  test('one that sends nothing is given up on', async (t) => {
    const upstream = await withAnswers(t, [hang])
    const findings = await examine(configOf(upstream.url), { timeoutMs: 50 })
    assert.deepEqual(states(findings), ['fail reachable'])
    assert.match(findings[0]!.detail, /within 0\.05 s/)
  })

  test('another protocol than HTTP is recognized', async (t) => {
    const upstream = await withAnswers(t, [bytes('SSH-2.0-OpenSSH_9.6\r\n'), hang])
    const [finding] = await examine(configOf(upstream.url))
    assert.match(finding!.detail, /not HTTP/)
    assert.match(finding!.fix!, /https:\/\//)
  })

  test('a list that never ends, or hangs in its middle, is bounded', async (t) => {
    const upstream = await startUpstream(t)
    function* endless(): Generator<ReturnType<typeof bytes>> {
      yield head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
      for (;;) yield chunk(Buffer.alloc(1024 * 1024, 'x'))
    }
    upstream.respond(endless())
    upstream.respond(goodStream)
    const findings = await examine(configOf(upstream.url))
    assert.equal(find(findings, 'models').state, 'skipped')
    upstream.respond([head(200, { 'content-length': '100' }), bytes('{"data":['), hang])
    const halfway = await examine(configOf(upstream.url), { timeoutMs: 500 })
    assert.equal(find(halfway, 'models').state, 'fail')
    assert.match(find(halfway, 'models').detail, /within 0\.5 s/)
  })

  test('an error of TLS has a fix of its own', async (t) => {
    // A server that speaks plain HTTP where TLS is expected.
    const upstream = await withAnswers(t)
    const origin = upstream.url.replace('http:', 'https:')
    const findings = await examine(configOf(upstream.url, { origin }), { timeoutMs: 2_000 })
    assert.equal(findings[0]?.state, 'fail')
  })
})

suite('keys', () => {
  for (const status of [401, 403]) {
    test(`a key that is refused with ${status} is named by its source`, async (t) => {
      const said = { error: { message: `Incorrect API key provided: ${key.slice(0, 10)}***. Full: ${key}` } }
      const upstream = await withAnswers(t, json(status, said))
      const findings = await examine(configOf(upstream.url, { apiKey: secret }))
      const { state, detail } = find(findings, 'key')
      assert.equal(state, 'fail')
      assert.match(detail, new RegExp(`env CLOUD_KEY.*\\(${status}\\)`))
      assert.match(find(findings, 'key').fix!, /\$CLOUD_KEY/)
      assert.equal(upstream.requests.length, 1)
    })
  }

  test('a key that only the call refuses is reported too: some list their models to everybody', async (t) => {
    const upstream = await withAnswers(t, list('m'), json(401, { error: { message: `no ${key}` } }))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.deepEqual(states(findings).slice(1), ['fail key', 'ok models'])
  })

  test('a stored credential is to be rotated, and where none is configured one is to be added', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(json(401, {}))
    const stored = new HeldSecret(key, 'credential p_key')
    const withKey = await examine(configOf(upstream.url, { apiKey: stored }))
    assert.equal(find(withKey, 'key').fix!, 'bin/llm-gateway credential rotate p')
    const without = await examine(configOf(upstream.url))
    assert.match(
      find(without, 'key').fix!,
      /api_key: \{ credential: p_api_key \} to providers\.p\b.*credential set p$/,
    )
    const absent = await examine(configOf(upstream.url), { optionalKeyFix: 'set KEY' })
    assert.equal(find(absent, 'key').fix, 'set KEY')
  })

  test('an account without credit is no matter of the key', async (t) => {
    const said = { error: { message: `You exceeded your quota, ${key}`, code: 'insufficient_quota' } }
    for (const [status, body] of [
      [429, said],
      [402, { error: 'Payment required' }],
    ] as const) {
      const upstream = await withAnswers(t, list('m'), json(status, body))
      const findings = await examine(configOf(upstream.url, { apiKey: secret }))
      const { state, detail } = find(findings, 'account')
      assert.equal(state, 'fail')
      assert.ok(detail.includes(String(status)))
    }
  })

  test('without a key that only the service has nothing is called', async (t) => {
    const upstream = await withAnswers(t, json(401, {}))
    const missingKey = { reason: 'only the service has it', fix: 'run this' }
    const findings = await examine(configOf(upstream.url), { missingKey })
    assert.deepEqual(states(findings), ['ok reachable', 'skipped key'])
    assert.equal(find(findings, 'key').detail, missingKey.reason)
    assert.equal(find(findings, 'key').fix, missingKey.fix)
  })

  test('a key in an error on a stream is masked', async (t) => {
    const upstream = await withAnswers(
      t,
      list('m'),
      sse([JSON.stringify({ error: { message: `bad ${key}` } })]),
    )
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.equal(find(findings, 'streaming').state, 'fail')
    assert.match(find(findings, 'streaming').detail, /: bad \[secret\]$/)
  })
})

suite('models', () => {
  test('a local server whose list shows its software is recommended to have its kind', async (t) => {
    const upstream = await startUpstream(t)
    const list = json(200, { object: 'list', data: [{ id: 'm', object: 'model', owned_by: 'llamacpp' }] })
    const called = json(500, {})
    upstream.respondAlways(({ method }) => (method === 'GET' ? list : called))
    const kindOf = async (more: Partial<HttpProvider>) =>
      (await examine(configOf(upstream.url, more))).find(({ subject }) => subject === 'p: kind')?.detail
    assert.match((await kindOf({}))!, /^the server is llama\.cpp: "kind: llama_cpp" in the configuration/)
    assert.equal(await kindOf({ kind: 'llama_cpp' }), undefined)
    assert.equal(await kindOf({ isLocal: false }), undefined)
  })

  test('one that Ollama lacks is to be pulled', async (t) => {
    const data = [{ id: 'llama3.1:8b', owned_by: 'library' }]
    const upstream = await withAnswers(t, json(200, { object: 'list', data }))
    const findings = await examine(configOf(upstream.url), { models: ['qwen2.5-coder:7b'] })
    assert.deepEqual(states(findings).slice(1), [
      'ok key',
      'fail model qwen2.5-coder:7b',
      'ok kind',
      'skipped streaming',
    ])
    assert.match(find(findings, 'model qwen2.5-coder:7b').detail, /llama3\.1:8b/)
    assert.equal(find(findings, 'model qwen2.5-coder:7b').fix!, 'ollama pull qwen2.5-coder:7b')
  })

  test('elsewhere the nearest name is suggested', async (t) => {
    const upstream = await withAnswers(
      t,
      list('gpt-5-mini', 'gpt-5'),
      json(404, { error: { message: 'no such model' } }),
    )
    const findings = await examine(configOf(upstream.url), { models: ['gpt-5-mni'] })
    assert.match(find(findings, 'model gpt-5-mni').fix!, /model: "gpt-5-mini"/)
    assert.equal(find(findings, 'streaming').state, 'fail')
    assert.match(find(findings, 'streaming').detail, /^gpt-5-mni: .*404: no such model$/)
  })

  test('one that a call reaches exists, listed or not', async (t) => {
    const upstream = await withAnswers(t, list('gpt-5'), goodStream)
    const findings = await examine(configOf(upstream.url), { models: ['my-deployment'] })
    assert.equal(find(findings, 'models').state, 'ok')
  })

  test('a chat model is called', async (t) => {
    const upstream = await withAnswers(t, list('bge-m3', 'nomic-embed-text', 'm'), goodStream)
    await examine(configOf(upstream.url), { models: ['bge-m3', 'nomic-embed-text', 'm'] })
    assert.equal((JSON.parse(upstream.requests[1]!.body.toString()) as { model: string }).model, 'm')
  })

  test('a provider without a list is called all the same', async (t) => {
    const upstream = await withAnswers(t, json(404, {}), goodStream)
    const found = states(await examine(configOf(upstream.url)))
    assert.deepEqual(found.slice(2, 4), ['skipped models', 'ok streaming'])
  })

  test('an HTML page instead of the list fails', async (t) => {
    const upstream = await withAnswers(t, content(200, 'text/html', `<html>${key}</html>`))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.equal(find(findings, 'models').state, 'fail')
    assert.match(find(findings, 'models').detail, /HTML/)
    assert.match(find(findings, 'models').fix!, /base_url/)
  })

  test('a redirect fails, and is not followed', async (t) => {
    const elsewhere = await startUpstream(t)
    const to = `${elsewhere.url}/v1/models?key=${key}`
    const upstream = await withAnswers(t, [head(308, { location: to, 'content-length': '0' })])
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.equal(find(findings, 'models').state, 'fail')
    assert.ok(find(findings, 'models').detail.includes(`(308) to ${elsewhere.url}`))
    assert.equal(elsewhere.requests.length, 0)
  })
})

suite('the call', () => {
  const cases: readonly { name: string; answer: Script; expected: string; detail: RegExp }[] = [
    {
      name: 'a stream that is cut off',
      answer: [streamHead(), chunk(`data: ${piece}\n\n`), bytes('0\r\n\r\n')],
      expected: 'fail',
      detail: /\b1 event$/,
    },
    {
      name: 'a connection that breaks',
      answer: [streamHead(), chunk(`data: ${piece}\n\n`), reset],
      expected: 'fail',
      detail: /connection/,
    },
    {
      name: 'a stream without events',
      answer: sse([]),
      expected: 'fail',
      detail: /no events/,
    },
    {
      name: 'garbage on a stream',
      answer: sse(['\u0000\u001b[2J', 'not json']),
      expected: 'fail',
      detail: /\b2 events$/,
    },
    {
      name: 'a whole answer',
      answer: json(200, { choices: [] }),
      expected: 'warn',
      detail: /whole response/,
    },
    {
      name: 'JSON that is no completion',
      answer: json(200, { status: 'ok' }),
      expected: 'fail',
      detail: /\(\{"status":"ok"\}\)/,
    },
    {
      name: 'JSON that is null',
      answer: json(200, null),
      expected: 'fail',
      detail: /\(null\)/,
    },
    {
      name: 'JSON that breaks off',
      answer: content(200, 'application/json', '{"choices":['),
      expected: 'fail',
      detail: /\(\{"choices":\[\)/,
    },
    {
      name: 'an empty body',
      answer: content(200, 'application/json', ''),
      expected: 'fail',
      detail: /empty/,
    },
    {
      name: 'an error with status 200',
      answer: json(200, { error: { message: 'no GPU' } }),
      expected: 'fail',
      detail: /200: no GPU$/,
    },
    {
      name: 'a web page',
      answer: content(200, 'text/html', '<html>'),
      expected: 'fail',
      detail: /text\/html/,
    },
    {
      name: 'a model that is loading',
      answer: json(503, { error: { message: 'Loading model' } }),
      expected: 'warn',
      detail: /loading/,
    },
    {
      name: 'a rate limit',
      answer: json(429, { error: { message: 'slow down' } }),
      expected: 'warn',
      detail: /429: slow down$/,
    },
    {
      name: 'a failing server',
      answer: content(500, 'text/plain', 'CUDA out of memory'),
      expected: 'fail',
      detail: /500: CUDA out of memory$/,
    },
  ]
  for (const { name, answer, expected, detail } of cases) {
    test(`${name} is recognized`, async (t) => {
      const upstream = await withAnswers(t, list('m'), answer)
      const finding = find(await examine(configOf(upstream.url)), 'streaming')
      assert.equal(finding.state, expected)
      assert.match(finding.detail, detail)
    })
  }

  test('a stream that does not stop is ended', async (t) => {
    const upstream = await startUpstream(t)
    function* endless(): Generator<ReturnType<typeof bytes>> {
      yield streamHead()
      for (;;) yield chunk(`data: ${piece}\n\n`.repeat(1_000))
    }
    upstream.respond(list('m'))
    upstream.respond(endless())
    const findings = await examine(configOf(upstream.url))
    assert.equal(find(findings, 'streaming').state, 'warn')
    assert.match(find(findings, 'streaming').detail, /max_tokens/)
    assert.equal((await upstream.requests[1]!.outcome).kind, 'aborted')
  })

  test('one that is slow to begin is waited for as long as requested', async (t) => {
    const upstream = await withAnswers(t, list('m'), [hang])
    const findings = await examine(configOf(upstream.url), { timeoutMs: 500 })
    assert.equal(find(findings, 'streaming').state, 'fail')
    assert.match(find(findings, 'streaming').detail, /within 0\.5 s/)
  })

  test('another response is shown without the key, however that is written', async (t) => {
    const escaped = key.replaceAll('-', String.raw`\u002d`)
    const upstream = await withAnswers(t, list('m'), content(200, 'application/json', `{"a":"${escaped}"}`))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.ok(find(findings, 'streaming').detail.includes('({"a":"[secret]"})'))
  })

  test('--no-calls leaves it out', async (t) => {
    const upstream = await withAnswers(t)
    for (const more of [{ isLocal: false }, { discoverModels: true }]) {
      upstream.respond(list('m'))
      const config = configOf(upstream.url, { apiKey: secret, ...more })
      const findings = await examine(config, { mayCall: false })
      assert.deepEqual(states(findings).slice(1), ['ok key', 'ok models', 'skipped streaming'])
    }
    assert.equal(upstream.requests.length, 2)
  })

  test('--no-calls only connects to a local server that the gateway does not ask anyway', async (t) => {
    const upstream = await withAnswers(t)
    const findings = await examine(configOf(upstream.url, { apiKey: secret }), { mayCall: false })
    assert.deepEqual(states(findings), ['ok reachable', 'skipped models'])
    assert.match(find(findings, 'reachable').detail, /connected in/)
    assert.deepEqual([upstream.connections, upstream.requests.length], [1, 0])

    const down = await examine(configOf(await refusingUrl(t)), { mayCall: false })
    assert.deepEqual(states(down), ['fail reachable'])
  })

  test('usage that is switched off is not requested', async (t) => {
    const upstream = await withAnswers(t, list('m'), sse([piece, last, '[DONE]']))
    const findings = await examine(configOf(upstream.url, { includeUsage: 'never' }))
    assert.equal(find(findings, 'usage').state, 'skipped')
    assert.ok(!upstream.requests[1]!.body.includes('stream_options'))
  })
})

test('calls within a boundary are tried as they are made', async (t) => {
  const upstream = await withAnswers(t, list('m'), goodStream)
  const inside = await examine(configOf(upstream.url), { boundary: 'local' })
  const ok = find(inside, 'boundary')
  assert.deepEqual([ok.state, ok.detail], ['ok', 'calls stay inside (local), through no proxy'])

  const { port } = new URL(upstream.url)
  const named = configOf(`http://gpu.lan:${port}`, { boundary: 'private' })
  let looked = 0
  // The name leads outside once calls have found it inside.
  resolveNames(t, () => [looked++ < 1 ? '127.0.0.1' : '203.0.113.7'])
  const outside = find(await examine(named, { boundary: 'private', mayCall: false }), 'boundary')
  assert.equal(outside.state, 'fail')
  assert.match(
    outside.detail,
    /^calls of models with boundary: private are refused: gpu\.lan resolves to 203\.0\.113\.7, which is not a loopback or private address$/,
  )
  assert.match(outside.fix!, /^remove the provider from those models/)
})
