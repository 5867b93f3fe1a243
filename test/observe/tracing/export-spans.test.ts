// The exporter of spans against receivers that are busy, slow, wrong or away: what is sent, counted and reported.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import type { RequestListener } from 'node:http'

import type { TraceEvent } from '../../../src/observe/events/trace.ts'
import type { TracingConfig } from '../../../src/config/observe-types.ts'
import { resolveTracing } from '../../../src/config/resolve-tracing.ts'
import { newId, RecordedTrace } from '../../../src/observe/tracing/call-trace.ts'
import { SpanExport } from '../../../src/observe/tracing/export-spans.ts'
import { exchange } from '../../../src/outbound/exchange.ts'
import { callFacts } from '../../support/call-facts.ts'
import { soon } from '../../support/deadline.ts'
import { type OtlpReceiver, startOtlpReceiver } from '../../support/otlp-receiver.ts'
import { startTlsProvider } from '../../support/proxies.ts'
import { refusingUrl } from '../../support/scripted-upstream.ts'

const facts = callFacts({})

/** A call with no attempt: one span. */
function trace(): RecordedTrace {
  const begun = { method: 'POST', path: '/chat/completions', startedAtMs: 1, incoming: undefined }
  const own = new RecordedTrace({ ...begun, sessionId: undefined, traceId: newId(16), isSampled: true })
  own.end(3, undefined)
  return own
}

class Events {
  readonly all: TraceEvent[] = []
  readonly #waiting = new Set<() => void>()

  readonly emit = (event: TraceEvent) => {
    this.all.push(event)
    for (const look of this.#waiting) look()
  }

  count(result: 'sent' | 'dropped' | 'failed'): number {
    return this.all.reduce(
      (sum, each) => sum + (each.kind === 'spans_counted' && each.result === result ? each.count : 0),
      0,
    )
  }

  reports(): string[] {
    return this.all.flatMap((each) =>
      each.kind === 'spans_counted' ? [] : each.kind === 'exporter_failed' ? [each.reason] : ['recovered'],
    )
  }

  /** Resolves once that many spans came to that. */
  counted(result: 'sent' | 'failed', count: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = () => {
      if (this.count(result) >= count) resolve()
    }
    this.#waiting.add(look)
    look()
    return soon(promise, () => `${count} spans ${result}`)
  }
}

/** Its pauses are short, so that no test waits for long. */
function exporterTo(
  t: TestContext,
  endpoint: string,
  timing: object = {},
  protocol: TracingConfig['protocol'] = 'http/protobuf',
) {
  const events = new Events()
  const config = { ...resolveTracing({ endpoint, protocol }, new Map()), endpoint: `${endpoint}/v1/traces` }
  const exporter = new SpanExport({
    config,
    version: '1',
    places: new Map(),
    emit: events.emit,
    wallNow: Date.now,
    exchange,
    timing: { batchMs: 5, timeoutMs: 10_000, retryMs: 5, ...timing },
  })
  t.after(() => exporter.close())
  const add = (calls = 1) => {
    for (let call = 0; call < calls; call += 1) exporter.add(facts, trace(), 0)
  }
  return { exporter, events, add }
}

async function start(
  t: TestContext,
  answer: RequestListener | undefined,
  timing: object = {},
  protocol?: TracingConfig['protocol'],
) {
  const receiver = await startOtlpReceiver(t)
  receiver.answer = answer
  return { receiver, ...exporterTo(t, receiver.url, timing, protocol) }
}

/** The first requests get these answers in turn, all others 200. */
function inTurn(
  ...answers: readonly (readonly [status: number, headers?: Record<string, string>])[]
): RequestListener {
  const left = [...answers]
  return (_, response) => {
    const [status, headers = {}] = left.shift() ?? [200]
    response.writeHead(status, headers).end()
  }
}

const ids = (receiver: OtlpReceiver) => ({
  requests: receiver.exports.length,
  spans: receiver.spans().length,
})

describe('the exporter', () => {
  test('sends full batches at once and the rest after a while', async (t) => {
    const { receiver, events, add } = await start(t, undefined)
    add(600)
    await events.counted('sent', 600)
    assert.deepEqual(ids(receiver), { requests: 2, spans: 600 })
    assert.deepEqual(events.reports(), [])
  })

  for (const status of [429, 502, 503, 504]) {
    test(`repeats what was answered with ${status}`, async (t) => {
      const { receiver, events, add } = await start(t, inTurn([status], [status, { 'retry-after': '0' }]))
      add()
      await events.counted('sent', 1)
      assert.equal(receiver.exports.length, 3)
      assert.deepEqual(events.reports(), [])
    })
  }

  test('gives a batch up after three repetitions, and goes on with the next', async (t) => {
    const { receiver, events, add } = await start(t, inTurn([503], [503], [503], [503]))
    add()
    await events.counted('failed', 1)
    add()
    await events.counted('sent', 1)
    assert.equal(receiver.exports.length, 5)
    assert.deepEqual(events.reports(), ['status 503', 'recovered'])
  })

  test('does not wait for a receiver that wants an hour', async (t) => {
    const { receiver, events, add } = await start(t, inTurn([429, { 'retry-after': '3600' }]))
    add()
    await events.counted('failed', 1)
    assert.equal(receiver.exports.length, 1)
  })

  for (const status of [400, 401, 415, 500]) {
    test(`takes ${status} for the last word, and reports it once`, async (t) => {
      const { receiver, events, add } = await start(t, inTurn([status], [status]))
      for (const failed of [1, 2]) {
        add()
        await events.counted('failed', failed)
      }
      assert.equal(receiver.exports.length, 2)
      assert.deepEqual(events.reports(), [`status ${status}`])
    })
  }

  test('follows no redirect', async (t) => {
    const other = await startOtlpReceiver(t)
    const { events, add } = await start(t, inTurn([307, { location: `${other.url}/v1/traces` }]))
    add()
    await events.counted('failed', 1)
    assert.equal(other.exports.length, 0)
    assert.deepEqual(events.reports(), ['status 307'])
  })

  test('counts the spans that a receiver rejects', async (t) => {
    // ExportTraceServiceResponse { partial_success { rejected_spans: 1 } }
    const rejected = Buffer.from([0x0a, 0x02, 0x08, 0x01])
    const { events, add } = await start(t, (_, response) => void response.end(rejected))
    add(3)
    await events.counted('sent', 2)
    assert.equal(events.count('failed'), 1)
    assert.deepEqual(events.reports(), ['the receiver rejects spans'])
  })

  test('reads that in JSON too, where the number is text', async (t) => {
    const rejecting = '{"partialSuccess":{"rejectedSpans":"1"}}'
    const { events, add } = await start(t, (_, response) => void response.end(rejecting), {}, 'http/json')
    add(3)
    await events.counted('sent', 2)
    assert.equal(events.count('failed'), 1)
  })

  for (const count of ['-5', '-1e300', '-Infinity', '0.5', '1e300', 'many']) {
    test(`counts each span once, though the receiver says that it rejects ${count}`, async (t) => {
      const rejecting = JSON.stringify({ partialSuccess: { rejectedSpans: count } })
      const { events, add } = await start(t, (_, response) => void response.end(rejecting), {}, 'http/json')
      add(3)
      await events.counted('sent', 3)
      assert.deepEqual([events.count('sent'), events.count('failed')], [3, 0])
    })
  }

  test('judges by the status, whatever the body is', async (t) => {
    const { events, add } = await start(
      t,
      (_, response) => void response.end('{"partialSuccess":{}} and so on'),
    )
    add()
    await events.counted('sent', 1)
    assert.deepEqual(events.reports(), [])
  })

  test('reports that nobody is there, with the code and not the URL', async (t) => {
    const { events, add } = exporterTo(t, await refusingUrl(t))
    add()
    await events.counted('failed', 1)
    assert.deepEqual(events.reports(), ['ECONNREFUSED'])
  })

  test('goes on after a receiver that hangs, which it asks no second time', async (t) => {
    let isHanging = true
    const { receiver, events, add } = await start(
      t,
      (_, response) => {
        if (!isHanging) response.end()
      },
      { timeoutMs: 50 },
    )
    add()
    await events.counted('failed', 1)
    assert.equal(receiver.exports.length, 1, 'it may have accepted them')
    isHanging = false
    add()
    await events.counted('sent', 1)
    assert.deepEqual(events.reports(), ['no whole response within 0.05 s', 'recovered'])
  })

  test('ends an answer that goes on byte by byte', async (t) => {
    const timers: NodeJS.Timeout[] = []
    t.after(() => timers.forEach(clearInterval))
    const { events, add } = await start(
      t,
      (_, response) => void timers.push(setInterval(() => response.write('x'), 5)),
      {
        timeoutMs: 100,
      },
    )
    add()
    await events.counted('failed', 1)
  })

  test('holds 2,048 spans and counts the further ones, until its receiver comes back', async (t) => {
    const released = Promise.withResolvers<void>()
    const { receiver, events, add } = await start(
      t,
      (_, response) => void released.promise.then(() => response.end()),
    )
    add(512)
    await receiver.received(1)
    add(2_048)
    assert.equal(events.count('dropped'), 0)
    add(100)
    assert.equal(events.count('dropped'), 100)
    assert.equal(receiver.exports.length, 1, 'one request at a time')
    released.resolve()
    await events.counted('sent', 2_560)
    add()
    await events.counted('sent', 2_561)
    assert.equal(receiver.spans().length, 2_561)
  })

  test('sends what waits when it ends', async (t) => {
    const { receiver, exporter, add } = await start(t, undefined, { batchMs: 1_000_000 })
    add(700)
    await exporter.close()
    assert.equal(receiver.spans().length, 700)
  })

  test('waits for what is under way when it ends', async (t) => {
    const released = Promise.withResolvers<void>()
    const { receiver, events, exporter, add } = await start(t, (_, response) => {
      void released.promise.then(() => response.end())
    })
    add()
    await receiver.received(1)
    const closing = exporter.close()
    released.resolve()
    await closing
    assert.equal(events.count('sent'), 1)
    assert.deepEqual(events.reports(), [])
  })

  test('waits no longer for that than a second, and counts what is lost', async (t) => {
    const { events, exporter, add } = await start(t, () => {}, { batchMs: 1_000_000 })
    add(3)
    await soon(exporter.close(), () => 'the end of the exporter')
    assert.equal(events.count('failed'), 3)
    assert.deepEqual(events.reports(), ['no answer in the last second'])
  })

  test('sends nothing to a server whose certificate nobody vouches for', async (t) => {
    const port = await startTlsProvider(t, '{}')
    const { events, add } = exporterTo(t, `https://127.0.0.1:${port}`)
    add()
    await events.counted('failed', 1)
    assert.match(events.reports()[0]!, /SELF_SIGNED|UNABLE_TO_VERIFY|CERT/)
  })
})
