// Local servers that count tokens for free are asked for the count of a call's prompt now and then, so that estimates are close
// before a provider has reported any usage. Nothing of it shows in the call.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import type { Running } from '../support/app.ts'
import { chat, post, report, used } from '../support/calls.ts'
import { messages, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import type { ReceivedRequest } from '../support/scripted-upstream.ts'
import { hang, json, type Script, wait } from '../support/upstream-script.ts'
import { type Limited, startLimited } from './limited.ts'

const limits = { limits: { small: { rpm: 1_000, tpm: 1_000_000 } } }

const chatCount = '/v1/chat/completions/input_tokens'

type Kind = 'llama_cpp' | 'openai' | 'vllm'

/** A gateway in front of a server of this kind, which answers counts as `counts` says. */
async function startCounting(
  t: Parameters<typeof startLimited>[0],
  kind: Kind,
  counts: (request: ReceivedRequest) => Script,
  more: { readonly workers?: number } = {},
): Promise<Limited> {
  const server = more.workers === undefined ? {} : { server: { workers: more.workers } }
  const running = await startLimited(t, limits, { providers: { scripted: { kind } }, ...server })
  const answers = new Set(['/v1/chat/completions', '/v1/completions', '/v1/messages', '/v1/responses'])
  running.upstream.respondAlways((request) => (answers.has(request.target) ? whole() : counts(request)))
  return running
}

function targetsOf({ upstream }: Running, ...but: readonly string[]): string[] {
  return upstream.requests.map(({ target }) => target).filter((target) => !but.includes(target))
}

const counted = (tokens: number) => () => json(200, { object: 'response.input_tokens', input_tokens: tokens })

const text = 'word '.repeat(800)
const long = [{ role: 'user', content: text }]

suite('the prompt of a call is counted', () => {
  test('by llama.cpp, with the very bytes of the call, and before it is answered', async (t) => {
    const running = await startCounting(t, 'llama_cpp', counted(2_007))
    const { gateway, upstream } = running
    const gate = Promise.withResolvers<void>()
    const { promise } = gate
    upstream.respondAlways(({ target }) =>
      target === chatCount ? counted(2_007)() : [wait(promise), ...whole()],
    )

    const answer = chat(gateway, 'small', { messages: long })
    const learnt = async () => Number((await report(gateway)).calibration[0]?.['tokens_per_byte']) > 0.4
    await until(learnt, 'the count to be learnt')
    gate.resolve()

    assert.equal((await answer).status, 200)
    const [one, other] = upstream.requests.toSorted((a, b) => a.target.length - b.target.length)
    assert.equal(other!.target, chatCount)
    assert.deepEqual(other!.body, one!.body)
  })

  test('in one call of fifty, the first, whatever threads serve them', async (t) => {
    for (const workers of [1, 2]) {
      const running = await startCounting(t, 'llama_cpp', counted(10), { workers })
      for (let call = 0; call < 50; call++) assert.equal((await chat(running.gateway, 'small')).status, 200)
      await until(() => Promise.resolve(counts(running) === 1), 'one count')
      await chat(running.gateway, 'small')
      await until(() => Promise.resolve(counts(running) === 2), 'another count')
    }
    function counts(running: Running): number {
      return targetsOf(running).filter((target) => target === chatCount).length
    }
  })

  test('by an older llama.cpp, with its template and tokenizer', async (t) => {
    const running = await startCounting(t, 'llama_cpp', ({ target }) => {
      if (target === '/apply-template') return json(200, { prompt: '<start>hi<end>' })
      return target === '/tokenize' ? json(200, { tokens: Array(900).fill(7) }) : json(404, { error: 'none' })
    })
    await chat(running.gateway, 'small', { messages: long })

    await until(() => Promise.resolve(running.upstream.requests.length === 4), 'four requests')
    assert.deepEqual(targetsOf(running, '/v1/chat/completions'), [chatCount, '/apply-template', '/tokenize'])
    assert.deepEqual(JSON.parse(running.upstream.requests.at(-1)!.body.toString()), {
      content: '<start>hi<end>',
      add_special: true,
      parse_special: true,
    })
  })

  test('by vLLM, of chats and of completions', async (t) => {
    const running = await startCounting(t, 'vllm', () => json(200, { count: 12, tokens: [1, 2] }))
    await chat(running.gateway, 'small')
    await until(() => Promise.resolve(running.upstream.requests.length === 2), 'two requests')
    await post(running.gateway, { model: 'other', prompt: 'hi' }, { path: '/v1/completions' })
    await until(() => Promise.resolve(running.upstream.requests.length === 4), 'four requests')
    assert.deepEqual(targetsOf(running, '/v1/chat/completions', '/v1/completions'), [
      '/tokenize',
      '/tokenize',
    ])
  })

  test('by the route of Messages', async (t) => {
    const running = await startCounting(t, 'llama_cpp', counted(10))
    const body = { model: 'small', max_tokens: 5, messages }
    await (await post(running.gateway, body, { path: '/v1/messages' })).text()
    await until(() => Promise.resolve(running.upstream.requests.length === 2), 'two requests')
    assert.deepEqual(targetsOf(running, '/v1/messages'), ['/v1/messages/count_tokens'])
  })
})

suite('a count of a prompt', () => {
  test('delays no call, and is none itself', async (t) => {
    const running = await startCounting(t, 'llama_cpp', () => [hang])
    const { gateway, clock } = running
    for (let call = 0; call < 3; call++) assert.equal((await chat(gateway, 'small')).status, 200)
    clock.advance(5_000)
    assert.deepEqual(await used(gateway), { requests: 3, tokens: 36, parallel: 0 })
    assert.equal(gateway.log().filter(({ event }) => event === 'call').length, 3)
    assert.equal(gateway.log().filter(({ level }) => level === 'error').length, 0)
  })

  for (const [what, failure] of [
    ['fails', json(500, { error: 'broken' })],
    ['is no number', json(200, { input_tokens: '12' })],
    ['is unknown', json(405, {})],
  ] as const) {
    test(`that ${what} is not asked for again within an hour, and is held against nobody`, async (t) => {
      const running = await startCounting(t, 'llama_cpp', () => failure)
      const { gateway, clock } = running
      const callAll = async () => {
        for (let call = 0; call < 51; call++) assert.equal((await chat(gateway, 'other')).status, 200)
      }
      await chat(gateway, 'small')
      await until(() => Promise.resolve(targetsOf(running).includes(chatCount)), 'a count')
      await until(async () => (await used(gateway)).parallel === 0, 'the end of the call')
      await callAll()
      assert.equal(targetsOf(running, '/v1/chat/completions').length, 1)
      clock.advance(3_600_000)
      await callAll()
      await until(() => Promise.resolve(targetsOf(running, '/v1/chat/completions').length > 1), 'a count')
    })
  }

  test('is asked of no server whose kind does not count, and of no long body', async (t) => {
    const unknown = await startCounting(t, 'openai', counted(10))
    await chat(unknown.gateway, 'small')
    await chat(unknown.gateway, 'small')
    assert.deepEqual(targetsOf(unknown, '/v1/chat/completions'), [])
    const known = await startCounting(t, 'llama_cpp', counted(10))
    await chat(known.gateway, 'small', { messages: [{ role: 'user', content: 'a'.repeat(70_000) }] })
    assert.equal(known.upstream.requests.length, 1)
    await chat(known.gateway, 'small')
    await until(() => Promise.resolve(known.upstream.requests.length === 3), 'the count of the short one')
  })
})
