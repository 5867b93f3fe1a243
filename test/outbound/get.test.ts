// What a request of the gateway's own accepts: one whole 200, in time and of a bounded size.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import { get } from '../../src/outbound/get.ts'
import { startTlsProvider } from '../support/proxies.ts'
import { refusingUrl } from '../support/scripted-upstream.ts'

const limits = { maxBytes: 1_000, timeoutMs: 10_000 }

async function serve(t: TestContext, listener: RequestListener): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    listener(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?a=b`, asked }
}

test('a body of up to the limit is returned', async (t) => {
  const text = 'x'.repeat(1_000)
  const { url, asked } = await serve(t, (_, response) => void response.end(text))
  const outcome = await get(url, limits)
  assert.ok('text' in outcome)
  assert.equal(outcome.text, text)
  assert.ok(Math.abs(Date.now() - outcome.dateMs!) < 60_000)
  assert.deepEqual(asked, ['GET /keys?a=b'])
})

const faults: readonly (readonly [what: string, listener: RequestListener, fault: string])[] = [
  [
    'a redirect, which is not followed',
    (_, response) => void response.writeHead(302, { location: '/k' }).end(),
    'status 302',
  ],
  ['another status than 200', (_, response) => void response.writeHead(204).end(), 'status 204'],
  ['a body beyond the limit', (_, response) => void response.end('x'.repeat(1_001)), 'more than 1000 bytes'],
]
for (const [what, listener, fault] of faults) {
  test(`a fault is ${what}`, async (t) => {
    const { url, asked } = await serve(t, listener)
    assert.deepEqual(await get(url, limits), { fault })
    assert.equal(asked.length, 1)
  })
}

test('a server that never answers, or never ends its answer, is left after the limit of time', async (t) => {
  const never: RequestListener = () => {}
  const halfway: RequestListener = (_, response) => void response.write('{')
  for (const listener of [never, halfway]) {
    const { url } = await serve(t, listener)
    assert.deepEqual(await get(url, { ...limits, timeoutMs: 50 }), {
      fault: 'no whole response within 0.05 s',
    })
  }
})

test('a cut body, and a server that is not there', async (t) => {
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'content-length': 9 }).write('{')
    response.destroy()
  })
  assert.ok('fault' in (await get(url, limits)))
  assert.deepEqual(await get(await refusingUrl(t), limits), { fault: 'ECONNREFUSED' })
})

test('a certificate that nobody vouches for', async (t) => {
  const port = await startTlsProvider(t, '{}')
  const outcome = await get(`https://127.0.0.1:${port}/`, limits)
  assert.match('fault' in outcome ? outcome.fault : 'none', /SELF_SIGNED|UNABLE_TO_VERIFY/)
})
