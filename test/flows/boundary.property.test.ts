// Whatever a configuration looks like: either it is refused because a bounded model leads outside, or no call that is bounded to this
// machine attempts a connection to any other address.
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'

import type { RawConfig, RawModel, RawProvider } from '../../src/config/raw.ts'
import { boundaryOfAddress } from '../../src/platform/address-reach.ts'
import { startGateway } from '../support/app.ts'
import { messages } from '../support/chat-content.ts'
import { loadText } from '../support/config-file.ts'
import { resolveNames, watchConnections } from '../support/connections-made.ts'
import { configText } from '../support/gateway-config.ts'
import { fc } from '../support/properties.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'

/** Where a provider may be; the address of what is outside is of a network for documentation (RFC 5737), and never asked. */
const places = {
  loopback: { isInside: true, url: (port: number) => `http://127.0.0.1:${port}/v1` },
  mapped: { isInside: true, url: (port: number) => `http://[::ffff:127.0.0.1]:${port}/v1` },
  localhost: { isInside: true, url: (port: number) => `http://localhost:${port}/v1` },
  subdomain: { isInside: true, url: (port: number) => `http://llm.localhost:${port}/v1` },
  closed: { isInside: true, url: () => 'http://127.0.0.1:9/v1' },
  echo: { isInside: true, url: () => undefined },
  plainName: { isInside: false, url: (port: number) => `http://gpu:${port}/v1` },
  anyName: { isInside: false, url: (port: number) => `http://gpu.lan:${port}/v1`, allow_http: true },
  private: { isInside: false, url: () => 'http://10.255.255.1:8000/v1' },
  public: { isInside: false, url: () => 'https://203.0.113.7/v1' },
  cloud: { isInside: false, url: () => 'https://api.example.com/v1' },
} as const

type Place = keyof typeof places

interface Plan {
  readonly providers: readonly {
    readonly place: Place
    readonly proxy: 'env' | 'none'
    readonly isListing: boolean
  }[]
  readonly models: readonly {
    readonly targets: readonly { readonly provider: number; readonly tier: number }[]
    readonly fallbacks: readonly {
      readonly to: number
      readonly by: 'name' | 'alias' | 'wildcard' | 'listed'
    }[]
    readonly boundary: 'local' | undefined
  }[]
  readonly ofAll: 'local' | undefined
  readonly ofClient: 'local' | undefined
  /** Addresses of names, in the order in which they are looked up. */
  readonly rebinding: readonly ('127.0.0.1' | '::1' | '203.0.113.8' | '10.255.255.2' | '::ffff:203.0.113.9')[]
  readonly calls: readonly {
    readonly model: number
    readonly by: Naming
    readonly isNarrowed: boolean
    readonly kind: number
  }[]
  /** What the server of this machine answers, in turn. */
  readonly statuses: readonly number[]
}

type Naming = 'name' | 'alias' | 'wildcard' | 'listed'

const count = 4
const index = fc.nat({ max: count - 1 })
const naming = fc.constantFrom<Naming>('name', 'alias', 'wildcard', 'listed')
const local = (weight: number) =>
  fc.oneof(
    { weight, arbitrary: fc.constant('local' as const) },
    { weight: 5, arbitrary: fc.constant(undefined) },
  )

const plan: fc.Arbitrary<Plan> = fc.record({
  providers: fc.array(
    fc.record({
      place: fc.constantFrom(...(Object.keys(places) as Place[])),
      proxy: fc.constantFrom('env' as const, 'none' as const),
      isListing: fc.boolean(),
    }),
    { minLength: count, maxLength: count },
  ),
  models: fc.array(
    fc.record({
      targets: fc.array(fc.record({ provider: index, tier: fc.integer({ min: 1, max: 2 }) }), {
        minLength: 1,
        maxLength: 3,
      }),
      fallbacks: fc.array(fc.record({ to: index, by: naming }), { maxLength: 2 }),
      boundary: local(2),
    }),
    { minLength: count, maxLength: count },
  ),
  ofAll: local(1),
  ofClient: local(2),
  rebinding: fc.array(
    fc.constantFrom('127.0.0.1', '::1', '203.0.113.8', '10.255.255.2', '::ffff:203.0.113.9'),
    { minLength: 1, maxLength: 6 },
  ),
  calls: fc.array(
    fc.record({ model: index, by: naming, isNarrowed: fc.boolean(), kind: fc.nat({ max: 3 }) }),
    { minLength: 2, maxLength: 5 },
  ),
  statuses: fc.array(fc.constantFrom(200, 200, 307, 404, 429, 500, 503), { minLength: 1, maxLength: 6 }),
})

/** As clients and fallbacks write it. */
function nameOf(model: number, by: Naming): string {
  if (by === 'alias') return `a${model}`
  if (by === 'wildcard') return `w${model}/x`
  return by === 'listed' ? `p${model}/listed` : `m${model}`
}

/** Wildcards lead where the models lead. Only providers of this machine list models, because lists are no calls. */
function configOf({ providers, models, ofAll, ofClient }: Plan, port: number): RawConfig {
  const ofPlan = providers.map(({ place, proxy, isListing }, at): [string, RawProvider] => {
    const { isInside, url, ...more } = places[place]
    if (place === 'echo') return [`p${at}`, { kind: 'echo' }]
    const lists = isListing && isInside
    const base_url = url(port)!
    return [
      `p${at}`,
      { base_url, proxy, timeouts: { connect_ms: 1000 }, ...more, ...(lists && { discover_models: true }) },
    ]
  })
  const ofModels = models.flatMap(({ targets, fallbacks, boundary }, at): [string, RawModel][] => {
    const model: RawModel = {
      targets: targets.map(({ provider, tier }) => ({ provider: `p${provider}`, tier, model: 'x' })),
      fallbacks: fallbacks
        .filter(({ to, by }) => by === 'listed' || to > at)
        .map(({ to, by }) => nameOf(to, isListed(providers, to, by) ? by : by === 'listed' ? 'name' : by))
        .filter((name) => name !== `m${at}`),
      ...(boundary !== undefined && { boundary }),
    }
    return [
      [`m${at}`, { ...model, aliases: [`a${at}`] }],
      [`w${at}/*`, model],
    ]
  })
  return {
    providers: Object.fromEntries(ofPlan),
    models: Object.fromEntries(ofModels),
    routing: {
      retries: 1,
      max_retry_wait_ms: 0,
      restart_wait_ms: 0,
      cooldown_ms: 0,
      ...(ofAll && { boundary: ofAll }),
    },
    ...(ofClient && { clients: { default: { boundary: ofClient } } }),
  }
}

function isListed(providers: Plan['providers'], at: number, by: Naming): boolean {
  const { place, isListing } = providers[at]!
  return by !== 'listed' || (isListing && places[place].isInside && place !== 'echo')
}

/** The models of the file whose calls would leave this machine, found without any cleverness. */
function leavingModels({ models = {}, routing }: RawConfig, { providers }: Plan): string[] {
  const isOut = (provider: string) => !places[providers[Number(provider.slice(1))]!.place].isInside
  const reaches = (name: string, seen: ReadonlySet<string>): boolean => {
    if (seen.has(name)) return false
    const at = name.slice(1).split('/')[0]!
    if (name.startsWith('p')) return isOut(`p${at}`)
    const { targets = [], fallbacks = [] } = models[name.startsWith('w') ? `w${at}/*` : `m${at}`]!
    return (
      targets.some(({ provider }) => isOut(provider)) ||
      fallbacks.some((fallback) => reaches(fallback, new Set([...seen, name])))
    )
  }
  return Object.entries(models).flatMap(([name, { boundary }]) => {
    const isBounded = boundary === 'local' || routing?.boundary === 'local'
    return isBounded && reaches(name, new Set()) ? [name] : []
  })
}

/** A server of this machine, which answers everything with one status after the other. */
async function startServer(t: TestContext): Promise<{ port: number; statuses: number[] }> {
  const statuses: number[] = []
  const server = createServer((request, response) => {
    request.resume()
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json').end('{"data":[{"id":"listed"}]}')
      return
    }
    const status = statuses.shift() ?? 200
    response.writeHead(status, { 'content-type': 'application/json', location: 'http://203.0.113.7/' })
    response.end(
      status === 200 ? '{"id":"x","object":"chat.completion","choices":[]}' : '{"error":{"message":"no"}}',
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '::', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, statuses }
}

const paths = ['/v1/chat/completions', '/v1/messages', '/v1/responses', '/v1/messages/count_tokens']

test('no call that is bounded to this machine leaves it', { timeout: 240_000 }, async (t) => {
  const server = await startServer(t)
  let addresses: readonly string[] = []
  let looked = 0
  resolveNames(t, () => [addresses[looked++ % addresses.length]!])
  const attempted = watchConnections(t)
  const env = {
    HTTP_PROXY: 'http://203.0.113.3:3128',
    ALL_PROXY: 'http://203.0.113.3:3128',
    https_proxy: 'http://203.0.113.3:3128',
  }
  const seen = { refused: 0, served: 0, answered: 0, outside: 0 }
  await fc.assert(
    fc.asyncProperty(plan, async (of) => {
      addresses = of.rebinding
      server.statuses.splice(0, Infinity, ...of.statuses)
      const config = configOf(of, server.port)
      const leaving = leavingModels(config, of)
      const loaded = loadText(t, configText(config), { env })
      const chains = loaded.ok
        ? []
        : loaded.problems.filter(({ message }) => message.endsWith('leaves the box'))
      assert.equal(
        chains.length > 0,
        leaving.length > 0,
        `${leaving.join()} ${chains.map((each) => each.message).join()}`,
      )
      if (!loaded.ok) {
        // Fallbacks to listed names may form cycles with nothing else.
        seen.refused += 1
        return
      }
      const releases: (() => unknown)[] = []
      const scope: Cleanup = { after: (release) => void releases.push(release) }
      try {
        const { gateway } = await startGateway(scope, config, { env })
        attempted.length = 0
        for (const { model, by, isNarrowed, kind } of of.calls) {
          const bounds = [of.ofAll, of.ofClient, by === 'listed' ? undefined : of.models[model]!.boundary]
          if (!isNarrowed && !bounds.includes('local')) continue
          seen.served += 1
          const body = { model: nameOf(model, by), messages, input: 'x', max_tokens: 5 }
          const response = await fetch(gateway.url + paths[kind]!, {
            method: 'POST',
            headers: {
              'content-type': 'application/json',
              ...(isNarrowed && { 'x-llm-gateway-boundary': 'local' }),
            },
            body: JSON.stringify(body),
          })
          await response.arrayBuffer()
          if (response.status === 200) {
            seen.answered += 1
            const boundary = response.headers.get('x-llm-gateway-boundary')
            assert.ok(boundary === 'local' || paths[kind]!.endsWith('count_tokens'), String(boundary))
          }
          if (response.headers.get('x-llm-gateway-error') === 'outside_boundary') seen.outside += 1
          const left = attempted.filter((address) => boundaryOfAddress(address) !== 'local')
          assert.deepEqual(left, [])
        }
      } finally {
        for (const release of releases) await release()
      }
    }),
    { numRuns: 150 },
  )
  // The plans meet what they are for.
  for (const [what, times] of Object.entries(seen)) assert.ok(times >= 10, `${what}: ${times}`)
})
