// Programs of one client take turns in line: by their session, or by key and user agent; in all threads.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { type Running, startGateway } from '../support/app.ts'
import { post, report } from '../support/calls.ts'
import { messages, whole } from '../support/chat-content.ts'
import { until } from '../support/deadline.ts'
import { wait } from '../support/upstream-script.ts'
import { limited } from './limited.ts'

interface Sender {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
}

const agent = { 'user-agent': 'agent/1.0' }
const hog: Sender = { name: 'hog', headers: { ...agent, authorization: 'Bearer of-the-hog' } }

const pairs: readonly (readonly [how: string, hog: Sender, light: Sender])[] = [
  ['key', hog, { name: 'light', headers: { ...agent, authorization: 'Bearer of-the-light' } }],
  ['user agent', hog, { name: 'light', headers: { ...hog.headers, 'user-agent': 'editor/2.0' } }],
  [
    'session',
    { name: 'hog', headers: { ...hog.headers, 'x-claude-code-session-id': 'one' } },
    { name: 'light', headers: { ...hog.headers, 'x-claude-code-session-id': 'two' } },
  ],
  [
    'session header of the configuration',
    { name: 'hog', headers: { ...hog.headers, 'agent-session-id': 'one', 'session-id': 'same' } },
    { name: 'light', headers: { ...hog.headers, 'agent-session-id': 'two', 'session-id': 'same' } },
  ],
]

function callLines({ gateway }: Running): Record<string, unknown>[] {
  return gateway.log().filter(({ event }) => event === 'call')
}

/** Sends these calls to a model with one slot, each once the one before has its place; the order in which they are served. */
async function servedOrder({ gateway, upstream }: Running, senders: readonly Sender[]): Promise<string[]> {
  const gate = Promise.withResolvers<void>()
  upstream.respondAlways(() => [wait(gate.promise), ...whole()])
  const answers: Promise<Response>[] = []
  for (const [index, { name, headers }] of senders.entries()) {
    answers.push(post(gateway, { model: 'small', messages, user: name }, { headers }))
    if (index === 0) await upstream.nextRequest()
    else await until(async () => (await report(gateway)).waiting === index, `${index} calls to wait`)
  }
  gate.resolve()
  for (const answer of await Promise.all(answers)) assert.equal(answer.status, 200)
  return upstream.requests.map(({ body }) => (JSON.parse(body.toString()) as { user: string }).user)
}

const limits = {
  when_limited: 'wait',
  max_wait_ms: 600_000,
  limits: { small: { max_parallel_requests: 1 } },
} as const

for (const workers of [1, 3]) {
  suite(`with ${workers} ${workers === 1 ? 'thread' : 'worker threads'}`, () => {
    for (const [how, busy, light] of pairs) {
      test(`a program that differs in its ${how} waits for one of another's five calls, not for all`, async (t) => {
        const running = await startGateway(t, limited(limits, { server: { workers } }))

        const order = await servedOrder(running, [busy, busy, busy, busy, busy, light])

        assert.deepEqual(order, ['hog', 'light', 'hog', 'hog', 'hog', 'hog'])
      })
    }

    test('calls of one program are served in the order of their arrival', async (t) => {
      const running = await startGateway(t, limited(limits, { server: { workers } }))
      const senders = ['1', '2', '3', '4'].map((name) => ({ ...hog, name }))

      assert.deepEqual(await servedOrder(running, senders), ['1', '2', '3', '4'])
    })

    test('the log numbers the programs of calls that have waited, and shows no header', async (t) => {
      const running = await startGateway(t, limited(limits, { server: { workers } }))
      const { gateway } = running
      const [, busy, light] = pairs[0]!

      await servedOrder(running, [busy, busy, light, busy])

      await until(() => Promise.resolve(callLines(running).length === 4), 'four calls in the log')
      const programs = callLines(running).map(({ program }) => program)
      assert.equal(programs[0], undefined)
      assert.equal(programs[2], programs[3])
      assert.notEqual(programs[1], programs[2])
      assert.ok(programs.slice(1).every((program) => Number.isSafeInteger(program)))
      assert.doesNotMatch(JSON.stringify(gateway.log()), /of-the-hog|of-the-light/)
    })
  })
}
