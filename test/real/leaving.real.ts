// Calls to a real llama.cpp that are left at random moments, in their prompt and in their answer: how soon its slots are free
// again, compared with clients that leave the server itself, and whether the ledger has what its own counters say.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import type { Running } from '../support/app.ts'
import { Random } from '../support/random.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

const skip = missingLlamaCpp()
const count = Number(process.env['LLM_GATEWAY_TEST_LEFT_CALLS'] ?? 200)

suite('clients that leave a real llama.cpp', { skip }, () => {
  const releases: (() => unknown)[] = []
  const suiteEnd = { after: (release: () => unknown) => void releases.unshift(release) }
  let llamaCpp: string
  let gateway: Running['gateway']

  before(async () => {
    ;({ llamaCpp, gateway } = await startLlamaCpp(suiteEnd))
  })
  after(async () => {
    for (const release of releases) await release()
  })

  /** How long a slot is still in use after the client has left. */
  async function freeAfterMs(): Promise<number> {
    const leftAtMs = performance.now()
    for (;;) {
      const slots = (await (await fetch(`${llamaCpp}/slots`)).json()) as readonly { is_processing: boolean }[]
      if (slots.every((slot) => !slot.is_processing)) return performance.now() - leftAtMs
      await pause(10)
    }
  }

  /** All tokens that it has counted. */
  async function counted(): Promise<number> {
    const text = await (await fetch(`${llamaCpp}/metrics`)).text()
    const value = (name: string) => Number(new RegExp(`^llamacpp:${name} (.*)$`, 'm').exec(text)![1])
    return value('prompt_tokens_total') + value('tokens_predicted_total')
  }

  /** Leaves after so many milliseconds. */
  function leave(url: string, model: string, options: Leaving): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const body = JSON.stringify({
      model,
      stream: options.isStream,
      max_tokens: 120,
      temperature: 0,
      messages: [{ role: 'user', content: `${options.mark} ${'count '.repeat(options.words)}` }],
    })
    const call = request(`${url}${options.path ?? '/v1/chat/completions'}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-request-id': options.mark },
      agent: false,
    })
    call.on('error', () => resolve())
    call.on('close', () => resolve())
    call.on('response', (response) => response.on('error', () => resolve()).resume())
    call.end(body)
    // A machine at work may take that long to send it.
    call.on('finish', () => setTimeout(() => call.destroy(), options.afterMs))
    return promise
  }

  test(`${count} calls that are left, whole, streamed and translated`, { timeout: 1_200_000 }, async (t) => {
    const figures: Record<string, number[]> = { direct: [], streamed: [], whole: [], translated: [] }
    const roll = new Random(18, 0)
    const tokens = {
      whole: { ledger: 0, server: 0 },
      streamed: { ledger: 0, server: 0 },
      translated: { ledger: 0, server: 0 },
    }
    // The first call of a process is slow.
    await leave(gateway.url, 'gemma', { isStream: false, mark: 'first', words: 5, afterMs: 3_000 })
    await freeAfterMs()
    for (let index = 0; index < count; index += 1) {
      const kind = kinds[index % kinds.length]!
      const options = {
        isStream: kind === 'streamed',
        ...(kind === 'translated' && { path: '/v1/messages' }),
        mark: `call-${index}`,
        words: 5 + Math.floor(roll.next() * 60),
        afterMs: Math.floor(60 + roll.next() * 2_500),
      }
      const earlier = await counted()
      await leave(gateway.url, kind === 'translated' ? 'gemma-chat' : 'gemma', options)
      figures[kind]!.push(await freeAfterMs())
      const later = await counted()
      const logged = await gateway.logged({ event: 'call', request_id: options.mark })
      tokens[kind].ledger += Number(logged['prompt_tokens']) + Number(logged['completion_tokens'])
      tokens[kind].server += later - earlier
      if (index % 4 === 0) {
        const { words, afterMs } = options
        await leave(llamaCpp, 'gemma-270m', { words, afterMs, isStream: true, mark: `direct ${index}` })
        figures['direct']!.push(await freeAfterMs())
      }
    }
    const summary = Object.entries(figures).map(([name, values]) => {
      const sorted = values.toSorted((one, other) => one - other)
      const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))]!)
      return [name, { p50: at(0.5), p95: at(0.95), max: at(1) }] as const
    })
    t.diagnostic(JSON.stringify({ free_after_ms: Object.fromEntries(summary), tokens }))
    const worst = Object.fromEntries(summary)
    for (const kind of kinds) {
      const isSoon = worst[kind]!.p95 <= worst['direct']!.p95 + 300
      assert.ok(isSoon, `a call that is ${kind} frees its slot as soon as the server can`)
      const { ledger, server } = tokens[kind]
      const percent = (100 * Math.abs(ledger - server)) / server
      assert.ok(
        percent <= 2,
        `${kind}: the ledger differs from the server's counters by ${percent.toFixed(2)} %`,
      )
    }
  })
})

const kinds = ['whole', 'streamed', 'translated'] as const

interface Leaving {
  /** Absent: of chat. */
  readonly path?: string
  readonly isStream: boolean
  readonly mark: string
  readonly words: number
  readonly afterMs: number
}
