import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import type { Finding } from '../../../src/cli/doctor/finding.ts'
import { examineProvider, type Examination } from '../../../src/cli/doctor/provider.ts'
import { HeldSecret } from '../../../src/config/secrets.ts'
import type { HttpProvider } from '../../../src/config/types.ts'
import { findKey } from '../../support/key-forms.ts'
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

async function examine(config: HttpProvider, more: Partial<Examination> = {}): Promise<readonly Finding[]> {
  const { findings } = await examineProvider({
    config,
    models: ['m'],
    lacking: undefined,
    mayCall: true,
    timeoutMs: 5_000,
    userAgent: 'test',
    command: 'bin/llm-gateway',
    now: () => performance.now(),
    onWait: () => {},
    ...more,
  })
  // Whatever a provider sends, no key is in what is shown.
  assert.deepEqual(findKey(JSON.stringify(findings), key), [])
  return findings
}

/** `state subject: detail`, without the times. */
function shown(findings: readonly Finding[]): string[] {
  return findings.map(({ subject, state, detail }) => {
    const plain = detail.replaceAll(/http:\/\/127\.0\.0\.1:\d+/g, 'URL').replaceAll(/[\d.]+ m?s\b/g, 'TIME')
    return `${state} ${subject.replace('p: ', '')}: ${plain}`
  })
}

function fixOf(findings: readonly Finding[], subject: string): string | undefined {
  return findings.find((finding) => finding.subject === `p: ${subject}`)?.fix
}

const list = (...ids: string[]) =>
  json(200, { object: 'list', data: ids.map((id) => ({ id, object: 'model' })) })
const piece = '{"choices":[{"index":0,"delta":{"content":"OK"},"finish_reason":null}]}'
const last = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
const usage = '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}'
const goodStream = sse([piece, last, usage, '[DONE]'])

async function withAnswers(t: TestContext, ...answers: Script[]): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  for (const answer of answers) upstream.answer(answer)
  return upstream
}

test('a provider that works is told in every respect', async (t) => {
  const upstream = await withAnswers(t, list('m'), goodStream)
  const findings = await examine(configOf(upstream.url, { apiKey: secret }))
  assert.deepEqual(shown(findings), [
    'ok reachable: URL/v1 (connected in TIME)',
    'ok key: env CLOUD_KEY is accepted',
    'ok models: 1 of 1 are there',
    'ok streaming: m: 4 events',
    'ok usage: 9 tokens of prompt, 2 of answer',
    'ok first byte: after TIME',
  ])
  assert.equal(typeof findings.at(-1)?.figures?.['firstByteMs'], 'number')
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

test('a provider that refuses max_tokens or stream_options is asked without', async (t) => {
  const refuse = (text: string) => json(400, { error: { message: text } })
  const upstream = await withAnswers(
    t,
    list('m'),
    refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
    refuse('unknown field stream_options'),
    sse([piece, last, '[DONE]']),
  )
  const findings = await examine(configOf(upstream.url))
  assert.deepEqual(shown(findings).slice(3, 5), [
    'ok streaming: m: 3 events',
    'warn usage: it refuses stream_options; limits of tokens go by estimates',
  ])
  const body = JSON.parse(upstream.requests[3]!.body.toString()) as object
  assert.deepEqual(Object.keys(body), ['model', 'messages', 'max_completion_tokens', 'stream'])
})

test('a provider that refuses whatever is changed is asked three times at most', async (t) => {
  const upstream = await startUpstream(t)
  upstream.answer(list('m'))
  upstream.answerAlways(json(400, { error: { message: 'max_completion_tokens stream_options' } }))
  const findings = await examine(configOf(upstream.url))
  assert.equal(upstream.requests.length, 4)
  assert.match(shown(findings).at(-1)!, /^fail streaming: m: answers 400: /)
})

test('the built-in echo is asked nothing', async () => {
  const { findings } = await examineProvider({
    ...({} as Examination),
    config: { kind: 'echo', name: 'echo' },
  })
  assert.deepEqual(shown(findings), ['ok echo: reachable: built in'])
})

suite('connections', () => {
  test('a server that is not there is told with how to start it', async (t) => {
    const url = await refusingUrl(t)
    const findings = await examine(configOf(url))
    assert.match(shown(findings)[0]!, /^fail reachable: URL\/v1: connect ECONNREFUSED/)
    assert.equal(findings.length, 1)
    const ollama = await examine(configOf(url, { origin: 'http://127.0.0.1:1' }))
    assert.match(ollama[0]!.fix!, /start the server at http:\/\/127\.0\.0\.1:1/)
  })

  test('one that says nothing is given up on', async (t) => {
    const upstream = await withAnswers(t, [hang])
    const findings = await examine(configOf(upstream.url), { timeoutMs: 50 })
    assert.deepEqual(shown(findings), ['fail reachable: URL/v1: no response within TIME'])
  })

  test('one that speaks no HTTP is told', async (t) => {
    const upstream = await withAnswers(t, [bytes('SSH-2.0-OpenSSH_9.6\r\n'), hang])
    const [finding] = await examine(configOf(upstream.url))
    assert.match(finding!.detail, /what comes is no HTTP/)
    assert.match(finding!.fix!, /https:\/\//)
  })

  test('a list that never ends, or hangs in its middle, is bounded', async (t) => {
    const upstream = await startUpstream(t)
    function* endless(): Generator<ReturnType<typeof bytes>> {
      yield head(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' })
      for (;;) yield chunk(Buffer.alloc(1024 * 1024, 'x'))
    }
    upstream.answer(endless())
    upstream.answer(goodStream)
    const findings = await examine(configOf(upstream.url))
    assert.match(shown(findings).join('\n'), /^skipped models: its list of models is too long to be read$/m)
    upstream.answer([head(200, { 'content-length': '100' }), bytes('{"data":['), hang])
    const halfway = await examine(configOf(upstream.url), { timeoutMs: 100 })
    assert.deepEqual(shown(halfway)[1], 'fail models: no end of the response within TIME')
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
    test(`a key that is refused with ${status} is named by its place`, async (t) => {
      const said = { error: { message: `Incorrect API key provided: ${key.slice(0, 10)}***. Full: ${key}` } }
      const upstream = await withAnswers(t, json(status, said))
      const findings = await examine(configOf(upstream.url, { apiKey: secret }))
      assert.deepEqual(shown(findings)[1], `fail key: the key from env CLOUD_KEY is refused (${status})`)
      assert.equal(fixOf(findings, 'key'), 'put a valid key into $CLOUD_KEY')
      assert.equal(upstream.requests.length, 1)
    })
  }

  test('a key that only the call refuses is told too: some give their list to everybody', async (t) => {
    const upstream = await withAnswers(t, list('m'), json(401, { error: { message: `no ${key}` } }))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.deepEqual(shown(findings).slice(1), [
      'fail key: the key from env CLOUD_KEY is refused (401)',
      'ok models: 1 of 1 are there',
    ])
  })

  test('a stored credential is rotated, and where none is configured one is asked for', async (t) => {
    const upstream = await startUpstream(t)
    upstream.answerAlways(json(401, {}))
    const stored = new HeldSecret(key, 'credential p_key')
    const withKey = await examine(configOf(upstream.url, { apiKey: stored }))
    assert.equal(fixOf(withKey, 'key'), 'bin/llm-gateway credential rotate p')
    const without = await examine(configOf(upstream.url))
    assert.match(fixOf(without, 'key')!, /api_key: \{ credential: p_api_key \} into providers\.p/)
  })

  test('an empty account is a matter of money', async (t) => {
    const said = { error: { message: `You exceeded your quota, ${key}`, code: 'insufficient_quota' } }
    for (const [status, body] of [
      [429, said],
      [402, { error: 'Payment required' }],
    ] as const) {
      const upstream = await withAnswers(t, list('m'), json(status, body))
      const findings = await examine(configOf(upstream.url, { apiKey: secret }))
      assert.match(shown(findings)[1]!, new RegExp(`^fail account: answers ${status}`))
      assert.match(fixOf(findings, 'account')!, /^pay, /)
    }
  })

  test('a key that only the service has is not asked with', async (t) => {
    const upstream = await withAnswers(t, json(401, {}))
    const lacking = { reason: 'its key is given to the service only', fix: 'run it so' }
    const findings = await examine(configOf(upstream.url), { lacking })
    assert.deepEqual(shown(findings), [
      'ok reachable: URL/v1 (connected in TIME)',
      'skipped key: its key is given to the service only',
    ])
    assert.equal(fixOf(findings, 'key'), 'run it so')
  })

  test('a key in an error on a stream is masked', async (t) => {
    const upstream = await withAnswers(
      t,
      list('m'),
      sse([JSON.stringify({ error: { message: `bad ${key}` } })]),
    )
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.deepEqual(shown(findings).at(-1), 'fail streaming: m: the stream ends with an error: bad [secret]')
  })
})

suite('models', () => {
  test('of Ollama a missing one is pulled', async (t) => {
    const data = [{ id: 'llama3.1:8b', owned_by: 'library' }]
    const upstream = await withAnswers(t, json(200, { object: 'list', data }))
    const findings = await examine(configOf(upstream.url), { models: ['qwen2.5-coder:7b'] })
    assert.deepEqual(shown(findings).slice(1), [
      'ok key: none is given, and none wanted',
      'fail model qwen2.5-coder:7b: not there; it has llama3.1:8b',
      'skipped streaming: none of the models that chat is there',
    ])
    assert.equal(fixOf(findings, 'model qwen2.5-coder:7b'), 'ollama pull qwen2.5-coder:7b')
  })

  test('elsewhere the nearest name is proposed', async (t) => {
    const upstream = await withAnswers(
      t,
      list('gpt-5-mini', 'gpt-5'),
      json(404, { error: { message: 'no such model' } }),
    )
    const findings = await examine(configOf(upstream.url), { models: ['gpt-5-mni'] })
    assert.equal(fixOf(findings, 'model gpt-5-mni'), 'write model: "gpt-5-mini" in the configuration')
    assert.match(shown(findings).at(-1)!, /^fail streaming: gpt-5-mni: answers 404: no such model$/)
  })

  test('one that answers is there, listed or not', async (t) => {
    const upstream = await withAnswers(t, list('gpt-5'), goodStream)
    const findings = await examine(configOf(upstream.url), { models: ['my-deployment'] })
    assert.ok(shown(findings).includes('ok models: 1 of 1 are there'))
  })

  test('one that is made for chat is asked', async (t) => {
    const upstream = await withAnswers(t, list('bge-m3', 'nomic-embed-text', 'm'), goodStream)
    await examine(configOf(upstream.url), { models: ['bge-m3', 'nomic-embed-text', 'm'] })
    assert.equal((JSON.parse(upstream.requests[1]!.body.toString()) as { model: string }).model, 'm')
  })

  test('a provider without a list is asked all the same', async (t) => {
    const upstream = await withAnswers(t, json(404, {}), goodStream)
    assert.deepEqual(shown(await examine(configOf(upstream.url))).slice(2, 4), [
      'skipped models: it has no list of models (404)',
      'ok streaming: m: 4 events',
    ])
  })

  test('a web page in the place of the list is told', async (t) => {
    const upstream = await withAnswers(t, content(200, 'text/html', `<html>${key}</html>`))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.ok(shown(findings).includes('fail models: a web page comes in place of a list of models'))
    assert.match(fixOf(findings, 'models')!, /base_url/)
  })

  test('a redirect is told, and not followed', async (t) => {
    const elsewhere = await startUpstream(t)
    const to = `${elsewhere.url}/v1/models?key=${key}`
    const upstream = await withAnswers(t, [head(308, { location: to, 'content-length': '0' })])
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.ok(shown(findings).some((text) => text.startsWith('fail models: redirects (308) to URL')))
    assert.equal(elsewhere.requests.length, 0)
  })
})

suite('the call', () => {
  const cases: readonly { name: string; answer: Script; expected: RegExp }[] = [
    {
      name: 'a stream that is cut off',
      answer: [streamHead(), chunk(`data: ${piece}\n\n`), bytes('0\r\n\r\n')],
      expected: /^fail streaming: m: the stream breaks off after 1 event$/,
    },
    {
      name: 'a connection that breaks',
      answer: [streamHead(), chunk(`data: ${piece}\n\n`), reset],
      expected: /^fail streaming: m: the connection broke/,
    },
    {
      name: 'a stream without events',
      answer: sse([]),
      expected: /^fail streaming: m: the stream has no event$/,
    },
    {
      name: 'garbage on a stream',
      answer: sse(['\u0000\u001b[2J', 'not json']),
      expected: /^fail streaming: m: the stream breaks off after 2 events$/,
    },
    {
      name: 'a whole answer',
      answer: json(200, { choices: [] }),
      expected: /^warn streaming: m: a whole answer comes in place of a stream$/,
    },
    {
      name: 'JSON that is no completion',
      answer: json(200, { status: 'ok' }),
      expected:
        /^fail streaming: m: JSON that is no completion \(\{"status":"ok"\}\) comes in place of events$/,
    },
    {
      name: 'JSON that is null',
      answer: json(200, null),
      expected: /^fail streaming: m: JSON that is no completion \(null\) comes in place of events$/,
    },
    {
      name: 'JSON that breaks off',
      answer: content(200, 'application/json', '{"choices":['),
      expected: /^fail streaming: m: a body that is no JSON \(\{"choices":\[\) comes in place of events$/,
    },
    {
      name: 'an empty body',
      answer: content(200, 'application/json', ''),
      expected: /^fail streaming: m: an empty body comes in place of events$/,
    },
    {
      name: 'an error with status 200',
      answer: json(200, { error: { message: 'no GPU' } }),
      expected: /^fail streaming: m: an error with status 200 comes in place of events: no GPU$/,
    },
    {
      name: 'a web page',
      answer: content(200, 'text/html', '<html>'),
      expected: /^fail streaming: m: text\/html comes in place of events$/,
    },
    {
      name: 'a model that is loading',
      answer: json(503, { error: { message: 'Loading model' } }),
      expected: /^warn streaming: m: is loading a model$/,
    },
    {
      name: 'a rate limit',
      answer: json(429, { error: { message: 'slow down' } }),
      expected: /^warn streaming: m: answers 429: slow down$/,
    },
    {
      name: 'a failing server',
      answer: content(500, 'text/plain', 'CUDA out of memory'),
      expected: /^fail streaming: m: answers 500: CUDA out of memory$/,
    },
  ]
  for (const { name, answer, expected } of cases) {
    test(`${name} is told`, async (t) => {
      const upstream = await withAnswers(t, list('m'), answer)
      assert.match(shown(await examine(configOf(upstream.url))).at(-1)!, expected)
    })
  }

  test('a stream that does not stop is ended', async (t) => {
    const upstream = await startUpstream(t)
    function* endless(): Generator<ReturnType<typeof bytes>> {
      yield streamHead()
      for (;;) yield chunk(`data: ${piece}\n\n`.repeat(1_000))
    }
    upstream.answer(list('m'))
    upstream.answer(endless())
    const findings = await examine(configOf(upstream.url))
    assert.ok(shown(findings).includes('warn streaming: m: it goes on beyond max_tokens; the call was ended'))
    assert.equal((await upstream.requests[1]!.outcome).kind, 'aborted')
  })

  test('one that is slow to begin is waited for as long as is said', async (t) => {
    const upstream = await withAnswers(t, list('m'), [hang])
    const findings = await examine(configOf(upstream.url), { timeoutMs: 100 })
    assert.equal(shown(findings).at(-1), 'fail streaming: m: no response within TIME')
  })

  test('what comes in its place is shown without the key, however that is written', async (t) => {
    const escaped = key.replaceAll('-', String.raw`\u002d`)
    const upstream = await withAnswers(t, list('m'), content(200, 'application/json', `{"a":"${escaped}"}`))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }))
    assert.match(shown(findings).at(-1)!, /no completion \(\{"a":"\[secret\]"\}\)/)
  })

  test('--no-calls leaves it out', async (t) => {
    const upstream = await withAnswers(t, list('m'))
    const findings = await examine(configOf(upstream.url, { apiKey: secret }), { mayCall: false })
    assert.deepEqual(shown(findings).slice(1), [
      'ok key: the list of models comes with env CLOUD_KEY (some providers give it to everybody)',
      'ok models: 1 of 1 are there',
      'skipped streaming: no call was made (--no-calls)',
    ])
    assert.equal(upstream.requests.length, 1)
  })

  test('usage that nobody wants is not asked for', async (t) => {
    const upstream = await withAnswers(t, list('m'), sse([piece, last, '[DONE]']))
    const findings = await examine(configOf(upstream.url, { includeUsage: 'never' }))
    assert.ok(shown(findings).includes('skipped usage: not asked for (include_usage: never)'))
    assert.ok(!upstream.requests[1]!.body.includes('stream_options'))
  })
})
