// Attacks as tables: each is sent over a socket of its own to a running gateway, and has its expected answer. Besides,
// it must have had no effect: nothing reached the provider, no limit was touched, and the next call is served.
import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'

import { connectRaw, exchange, rawRequest, type RawResponse } from '../support/raw-client.ts'
import { type Cleanup, type ScriptedUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { type TestGateway, startGateway } from '../support/app.ts'
import type { Setup } from '../support/gateway-config.ts'

export interface Attack {
  readonly name: string
  /** What goes over the wire, piece by piece. */
  readonly sends: Uint8Array | string | readonly (Uint8Array | string)[]
  /** The answer's status, or `closed` for a connection that ends without an answer. */
  readonly expected: number | 'closed'
  /** `x-llm-gateway-error` of the answer. */
  readonly code?: string
  /** Further things that must hold. */
  readonly check?: (response: RawResponse, target: AttackedGateway) => void | Promise<void>
}

export interface AttackedGateway extends Cleanup {
  readonly gateway: TestGateway
  readonly upstream: ScriptedUpstream
}

export const chatBody = '{"model":"plain","messages":[]}'

export const chat = (
  headers: Readonly<Record<string, string | undefined>> = {},
  body: Uint8Array | string = chatBody,
) => rawRequest('POST /v1/chat/completions', headers, body)

export const get = (path: string, headers: Readonly<Record<string, string | undefined>> = {}) =>
  rawRequest(`GET ${path}`, headers)

/** What the origin of an attack must never be granted. */
export function grantsNothing(response: RawResponse): void {
  const granted = response.headers.filter(([name]) => name.toLowerCase().startsWith('access-control-'))
  assert.deepEqual(granted, [])
}

const requestsPerMinute = 4_000

/**
 * Runs a table against one gateway.
 * @param setup further settings of it.
 */
export function attackSuite(title: string, attacks: readonly Attack[], setup: Setup<'scripted'> = {}): void {
  suite(title, () => {
    const releases: (() => unknown)[] = []
    const cleanup: Cleanup = { after: (release) => void releases.unshift(release) }
    let target: AttackedGateway
    let served = 0

    before(async () => {
      const limits = { plain: { rpm: requestsPerMinute, tpm: 100_000_000 } }
      const { gateway, upstream } = await startGateway(cleanup, { rate_limit_settings: { limits }, ...setup })
      upstream.respondAlways(json(200, { choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } }))
      target = { gateway, upstream, ...cleanup }
      await serveOne()
    })
    after(async () => {
      for (const release of releases) await release()
    })

    /** A good call. Requests and tokens are reserved together or not at all, so one of them tells of both. */
    async function serveOne(): Promise<void> {
      const seen = target.upstream.requests.length
      const response = await exchange(cleanup, target.gateway.url, chat())
      served += 1
      assert.equal(response.status, 200, 'the next call is served')
      assert.equal(
        target.upstream.requests.length,
        seen + 1,
        'nothing but the next call reached the provider',
      )
      assert.equal(
        Number(response.header('x-ratelimit-remaining-requests')),
        requestsPerMinute - served,
        'no limit was touched',
      )
    }

    for (const attack of attacks) {
      test(`${attack.name} → ${attack.expected} ${attack.code ?? ''}`, async () => {
        const { requests, connections } = target.upstream
        const seen = requests.length
        const response = await launch(target, attack)
        if (response !== undefined) {
          if (attack.code !== undefined) checkRefusal(response, attack.code)
          await attack.check?.(response, target)
        }
        assert.equal(requests.length, seen, 'nothing reached the provider')
        assert.equal(target.upstream.connections, connections, 'the provider was not even connected to')
        await serveOne()
      })
    }
  })
}

async function launch(
  target: AttackedGateway,
  { sends, expected }: Attack,
): Promise<RawResponse | undefined> {
  const pieces: readonly (Uint8Array | string)[] =
    typeof sends === 'string' || sends instanceof Uint8Array ? [sends] : sends
  const isHead =
    Buffer.from(pieces[0] as string)
      .subarray(0, 5)
      .toString() === 'HEAD '
  const client = await connectRaw(target, target.gateway.url, { bodyless: isHead })
  for (const piece of pieces) client.send(piece)
  if (expected === 'closed') {
    await client.ended
    assert.equal(client.received().toString(), '')
    return undefined
  }
  const response = await client.response()
  client.leave()
  assert.equal(response.status, expected, client.received().toString())
  return response
}

/** In the shape that SDKs read, and nothing that a browser would render. */
function checkRefusal(response: RawResponse, code: string): void {
  assert.equal(response.header('x-llm-gateway-error'), code)
  assert.equal(response.header('x-content-type-options'), 'nosniff')
  assert.equal(response.header('cross-origin-resource-policy'), 'same-origin')
  assert.equal(response.header('content-type'), 'application/json; charset=utf-8')
  if (response.body().length === 0) return
  const { error } = JSON.parse(response.body().toString()) as { error: Record<string, unknown> }
  assert.equal(error['code'], code)
  assert.equal(typeof error['message'], 'string')
}
