// Reservations against what a real llama.cpp counts, over conversations that grow; and its count of prompts.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { startGateway, type TestGateway } from '../support/app.ts'
import { post, report, used } from '../support/calls.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'

interface Message {
  readonly role: string
  readonly content: string
}

interface Answer {
  readonly choices: readonly { readonly message: Message }[]
  readonly usage: { readonly total_tokens: number }
}

const skip = missingLlamaCpp()

const questions = [
  'Write a short story about a lighthouse keeper who collects the letters of ships that never arrived.',
  '用中文写一个关于灯塔管理员的短故事，他收集从未到达的船只的信件。',
  'Explain this:\n```ts\nexport function sum(values: readonly number[]): number {\n  return values.reduce((a, b) => a + b, 0)\n}\n```',
  'Und jetzt dasselbe bitte auf Deutsch, in drei kurzen Sätzen und ohne Fremdwörter.',
  '{"id": 17, "items": [{"name": "lamp", "price": 12.5}, {"name": "rope", "price": 3}], "paid": false}',
]

const tpm = 10_000_000

/** A call, and what it reserved and used. */
async function ask(gateway: TestGateway, messages: readonly Message[], max_tokens: number) {
  const before = (await used(gateway, 'gemma')).tokens
  const response = await post(gateway, { model: 'gemma', messages, max_tokens })
  assert.equal(response.status, 200)
  const reserved = tpm - before - Number(response.headers.get('x-ratelimit-remaining-tokens'))
  const { choices, usage } = (await response.json()) as Answer
  return { reserved, used: usage.total_tokens, message: choices[0]!.message }
}

test('after 20 calls reservations are at least what calls use and at most 1.3 of it', { skip }, async (t) => {
  const { llamaCpp } = await startLlamaCpp(t)
  const { gateway } = await startGateway(
    t,
    {
      providers: { llama: { base_url: `${llamaCpp}/v1`, kind: 'llama_cpp', speaks: ['chat'] } },
      models: { gemma: { provider: 'llama', model: 'gemma-270m' } },
      rate_limit_settings: { per_client: {}, limits: { gemma: { tpm } } },
    },
    // No entry leaves the window.
    { clock: new FakeClock() },
  )
  const totals = { early: [0, 0], late: [0, 0] } satisfies Record<string, [number, number]>
  let calls = 0
  while (calls < 40) {
    const messages: Message[] = []
    for (let turn = 0; turn < 5; turn++) {
      messages.push({ role: 'user', content: questions[(calls + turn * 2) % questions.length]! })
      const call = await ask(gateway, messages, turn === 4 ? 4 : 16)
      const of = totals[calls < 20 ? 'early' : 'late']
      of[0] += call.reserved
      of[1] += call.used
      messages.push({ role: 'assistant', content: call.message.content })
      calls += 1
    }
  }
  const [early, late] = [totals.early, totals.late].map(([reserved, all]) => reserved / all)
  t.diagnostic(
    `reserved for each token used: ${early!.toFixed(2)} in 20 calls, ${late!.toFixed(2)} after them`,
  )
  assert.ok(late! >= 1 && late! <= 1.3, `${late}`)
  const [{ error }] = (await report(gateway, 'gemma')).calibration as [{ readonly error: number }]
  assert.ok(error < 0.3)
})
