// Connections that are still being made when nobody needs them any more.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { HttpProvider } from '../../src/config/provider-types.ts'
import type { Provider, ResponseHandler } from '../../src/upstream/provider.ts'
import { createProvider } from '../../src/upstream/providers/kinds.ts'
import { silentUrl } from '../support/scripted-upstream.ts'

const ignored: ResponseHandler = { onHead() {}, onData() {}, onEnd() {}, onFailure() {} }
const request = {
  path: '/chat/completions',
  body: Buffer.from('{}'),
  contentType: 'application/json',
  query: '',
  headers: [],
  isStream: false,
  requestId: 'req_1',
}

async function startSilent(t: TestContext, connectMs: number): Promise<Provider> {
  const config: HttpProvider = {
    kind: 'openai',
    name: 'silent',
    origin: await silentUrl(t),
    basePath: '/v1',
    isLocal: true,
    apiKey: undefined,
    auth: 'bearer',
    headers: [],
    includeUsage: 'auto',
    timeouts: { connectMs, firstByteMs: 0, idleMs: 0, totalMs: 0 },
    maxParallelRequests: undefined,
  }
  return createProvider(config, 'test')
}

/** Attempts to connect of this process. The silent server's own fillers are among them. */
async function attempts(): Promise<number> {
  await new Promise((resolve) => setImmediate(resolve))
  return process.getActiveResourcesInfo().filter((kind) => kind === 'ConnectWrap').length
}

test('an attempt to connect ends with the request that it was made for, and no other does', async (t) => {
  const provider = await startSilent(t, 60_000)
  const before = await attempts()
  const exchanges = [1, 2, 3].map(() => provider.send(request, ignored))
  assert.equal(await attempts(), before + 3)

  exchanges[1]!.abort()
  assert.equal(await attempts(), before + 2)

  for (const exchange of exchanges) exchange.abort()
  assert.equal(await attempts(), before)
  await provider.close()
})

test('a request that is not given up hears that no connection came about', async (t) => {
  const provider = await startSilent(t, 50)
  const failed = Promise.withResolvers<string>()
  const given = provider.send(request, ignored)
  provider.send(request, { ...ignored, onFailure: ({ kind }) => failed.resolve(kind) })
  given.abort()
  assert.equal(await failed.promise, 'unreachable')
  await provider.close()
})
