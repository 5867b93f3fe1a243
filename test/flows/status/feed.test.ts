// The event stream of the status page, from the first report to the end of the gateway.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'

import { startGateway } from '../../support/app.ts'
import { chat } from '../../support/calls.ts'
import { delta, whole } from '../../support/chat-content.ts'
import { echo } from '../../support/gateway-config.ts'
import { unless } from '../../support/needs.ts'
import { connectRaw, rawRequest } from '../../support/raw-client.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'
import { ask, openFeed, readReport } from './status-client.ts'

const onlyLinux = { skip: unless(process.platform === 'linux', 'needs Linux') }

suite('the feed', onlyLinux, () => {
  for (const server of [{}, { workers: 2 }]) {
    test(`begins with the whole report and goes on with what changes, with ${JSON.stringify(server)}`, async (t) => {
      const { gateway, upstream } = await startGateway(t, { server })
      upstream.respondAlways(whole())
      const feed = await openFeed(t, gateway, '?zone=Asia/Kathmandu&days=30')
      assert.equal(feed.head.status, 200)
      assert.equal(feed.head.header('content-type'), 'text/event-stream')
      const first = await feed.seen(({ event }) => event === 'report')
      assert.deepEqual(Object.keys(first.data), Object.keys(await readReport(t, gateway)))
      assert.match(feed.head.body().toString(), /^retry: 2000\n\n/)
      await chat(gateway, 'plain')
      const change = await feed.seen(({ event, data }) => event === 'change' && 'recent' in data)
      assert.equal('version' in change.data, false)
      assert.equal(feed.report().recent[0]!.model, 'plain')
      assert.equal(feed.events().filter(({ event }) => event === 'report').length, 1)
    })
  }

  test('is open for eight pages, and again once one has closed', async (t) => {
    const { gateway } = await startGateway(t, echo)
    const feeds = await Promise.all(Array.from({ length: 8 }, () => openFeed(t, gateway)))
    const ninth = await ask(t, gateway, '/status/events')
    assert.equal(ninth.status, 503)
    assert.match(ninth.body().toString(), /overloaded/)
    assert.equal((await ask(t, gateway, '/status/data')).status, 200)
    feeds[0]!.client.leave()
    await feeds[0]!.client.ended
    let status = 503
    while (status === 503) {
      const client = await connectRaw(t, gateway.url)
      client.send(rawRequest('GET /status/events'))
      status = (await client.head()).status
    }
    assert.equal(status, 200)
  })

  for (const server of [{}, { workers: 2 }]) {
    test(`says goodbye when a drain begins, and holds up nothing, with ${JSON.stringify(server)}`, async (t) => {
      const grace = { ...server, shutdown_grace_ms: 600_000 }
      const { gateway } = await startGateway(t, { ...echo, server: grace })
      const feeds = await Promise.all([openFeed(t, gateway), openFeed(t, gateway), openFeed(t, gateway)])
      await Promise.all(feeds.map(({ seen }) => seen(({ event }) => event === 'report')))
      await gateway.stop()
      for (const feed of feeds) {
        await feed.seen(({ event }) => event === 'bye')
        assert.equal(feed.head.complete, true)
      }
      const [stopping] = gateway.log().filter(({ event }) => event === 'stopping')
      assert.equal(stopping!['open_calls'], 0)
    })
  }

  test('ends at once in a drain that waits for a call', async (t) => {
    const { gateway, upstream } = await startGateway(t, { server: { shutdown_grace_ms: 600_000 } })
    upstream.respond([streamHead(), chunk(`data: ${delta('first')}\n\n`), hang])
    const client = await connectRaw(t, gateway.url)
    const body = JSON.stringify({ model: 'plain', stream: true, messages: [] })
    client.send(rawRequest('POST /v1/chat/completions', {}, body))
    await client.seen('first')
    const feed = await openFeed(t, gateway)
    await feed.seen(({ event }) => event === 'report')
    const stopped = gateway.stop()
    await feed.seen(({ event }) => event === 'bye')
    client.leave()
    await stopped
  })
})
