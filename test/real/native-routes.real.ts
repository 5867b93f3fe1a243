// The own routes of a real llama.cpp, through the gateway: what it answers directly, it answers through there, on every row of the
// table, and at the root.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { nativeRoutesOf } from '../../src/dialects/native/routes.ts'
import { type Running, startGateway } from '../support/app.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const skip = missingLlamaCpp()

interface Answer {
  readonly status: number
  readonly body: string
}

/** What differs from one answer to the next: times, ids, counters, and which slot it was. */
const volatile =
  /^(?:created|id|id_task|timings|t_.*|prompt_ms|.*_per_.*|tokens_cached|cache_n|id_slot|generated_text|next_token|is_processing|params|prompt)$/

function steady(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(steady)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, each]) => (volatile.test(name) ? [] : [[name, steady(each)]])),
  )
}

const sampling = { n_predict: 8, temperature: 0, seed: 1 }

/** Rows that need more than a model's name. */
const bodies: Readonly<Record<string, object>> = {
  '/apply-template': { messages: [{ role: 'user', content: 'Hello' }] },
  '/completion': { prompt: 'The capital of France is', ...sampling },
  '/completions': { prompt: 'The capital of France is', ...sampling },
  '/detokenize': { tokens: [2, 818, 5279] },
  '/embedding': { content: 'Hello' },
  '/embeddings': { input: 'Hello' },
  '/infill': { input_prefix: 'int main() {\n', input_suffix: '\n}\n', prompt: '  ret', ...sampling },
  '/props': { default_generation_settings: {} },
  '/rerank': { query: 'a', documents: ['b'] },
  '/reranking': { query: 'a', documents: ['b'] },
  '/tokenize': { content: 'Hello, world' },
  '/v1/rerank': { query: 'a', documents: ['b'] },
  '/v1/reranking': { query: 'a', documents: ['b'] },
}

suite("a real llama.cpp's own routes", { skip }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let llamaCpp: string
  let gateway: Running['gateway']

  before(async () => {
    ;({ llamaCpp } = await startLlamaCpp(whole))
    const base_url = `${llamaCpp}/v1`
    ;({ gateway } = await startGateway(whole, {
      providers: { llama: { base_url, kind: 'llama_cpp', allow_management: true } },
      models: { gemma: { provider: 'llama', model: 'gemma-270m' } },
      routes: { default_model: { native: 'gemma' } },
    }))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  async function ask(url: string, method: string, body: object | undefined): Promise<Answer> {
    const response = await fetch(url, {
      method,
      ...(body !== undefined && {
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json' },
      }),
    })
    return { status: response.status, body: await response.text() }
  }

  /** Counters of the process go on meanwhile. */
  const isCounter = (path: string) => path === '/metrics'

  for (const { method, path } of nativeRoutesOf('llama_cpp')) {
    test(`${method} ${path} answers as it does directly`, async () => {
      const below = path === '/slots/{slot}' ? '/slots/0?action=erase' : path
      const body = method === 'POST' ? { model: 'gemma-270m', ...bodies[path] } : undefined
      const direct = await ask(llamaCpp + below, method, body)
      const through = await ask(`${gateway.url}/providers/llama${below}`, method, body)
      assert.equal(through.status, direct.status, direct.body)
      if (isCounter(path)) return assert.match(through.body, /^llamacpp:prompt_tokens_total /m)
      const [one, other] = [direct, through].map((each) => steady(JSON.parse(each.body)))
      assert.deepEqual(other, one)
    })
  }

  for (const path of ['/apply-template', '/completion', '/detokenize', '/infill', '/tokenize']) {
    for (const named of [{ model: 'gemma' }, {}]) {
      test(`${path} at the root answers as it does directly, ${'model' in named ? 'by name' : 'by default'}`, async () => {
        const direct = await ask(llamaCpp + path, 'POST', bodies[path])
        const through = await ask(gateway.url + path, 'POST', { ...named, ...bodies[path] })
        assert.equal(through.status, direct.status, through.body)
        assert.deepEqual(steady(JSON.parse(through.body)), steady(JSON.parse(direct.body)))
      })
    }
  }

  test('a streamed completion has the same text, and its tokens are counted', async () => {
    const body = { ...bodies['/completion'], model: 'gemma', stream: true }
    const events = async (url: string) => {
      const { body: text } = await ask(url, 'POST', body)
      return text
        .split('\n\n')
        .filter((event) => event !== '')
        .map((event) => JSON.parse(event.replace(/^data: /, '')) as Record<string, unknown>)
    }
    const direct = await events(`${llamaCpp}/completion`)
    const through = await events(`${gateway.url}/completion`)
    assert.deepEqual(steady(through), steady(direct))
    const { tokens_evaluated: prompt, tokens_predicted: output } = through.at(-1)!
    const line = await gateway.logged({ stream: true })
    assert.deepEqual([line['prompt_tokens'], line['completion_tokens']], [prompt, output])
  })

  test('a stream that its client leaves frees the slot', async () => {
    const leaving = new AbortController()
    const response = await fetch(`${gateway.url}/completion`, {
      method: 'POST',
      body: JSON.stringify({
        model: 'gemma',
        prompt: 'Once',
        n_predict: 2_000,
        ignore_eos: true,
        stream: true,
      }),
      headers: { 'content-type': 'application/json' },
      signal: leaving.signal,
    })
    await response.body!.getReader().read()
    leaving.abort()
    await gateway.logged({ stream: true, status: 499 })
    const isBusy = async () => {
      const slots = JSON.parse((await ask(`${llamaCpp}/slots`, 'GET', undefined)).body) as {
        is_processing: boolean
      }[]
      return slots.some(({ is_processing }) => is_processing)
    }
    while (await isBusy());
  })
})
