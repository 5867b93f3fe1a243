// What becomes of a question for a format when it meets a bug. What servers answer: test/flows/formats.test.ts.
import assert from 'node:assert/strict'
import { test } from 'node:test'

import { FormatDiscovery } from '../../src/app/format-discovery.ts'
import type { ResponseHandler } from '../../src/upstream/provider.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { at } from '../support/gateway-config.ts'
import { AskedProvider, configOf, KeptEvents, setOf } from './asked-provider.ts'

const format = { name: 'messages', path: '/messages' }

test('a bug in a question for a format is reported once, leaves it unclear, and is not kept', async (t) => {
  const clock = new FakeClock()
  const events = new KeptEvents()
  // Whatever is posted to it throws.
  const asked = new AskedProvider('p')
  const formats = new FormatDiscovery({ clock, events, onChange() {} })
  formats.follow(configOf(t, { providers: { p: at({ url: 'http://127.0.0.1:1' }) } }), setOf(asked))

  const found = await Promise.all([formats.find('p', format), formats.find('p', format)])

  assert.deepEqual(found, [undefined, undefined])
  const [bug, ...others] = events.all
  assert.ok(bug?.kind === 'internal_error' && bug.where === 'a question for a format')
  assert.match(String(bug.error), /no calls here/)
  assert.deepEqual(others, [])
  let posts = 0
  Object.assign(asked.provider, {
    send: (_: unknown, handler: ResponseHandler) => {
      posts += 1
      queueMicrotask(() => {
        handler.onHead({ status: 404, headers: {} })
        handler.onEnd()
      })
      return { wasSent: true, pause() {}, resume() {}, abort() {} }
    },
  })
  // It was unclear just now.
  assert.deepEqual([await formats.find('p', format), posts], [undefined, 0])
  clock.advance(30_000)
  assert.deepEqual([await formats.find('p', format), posts], [false, 1])
})
