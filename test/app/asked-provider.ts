// A provider that answers nothing but GETs, each when the test says so, and events that are kept.
import type { TestContext } from 'node:test'

import type { Config } from '../../src/config/types.ts'
import type { Events, GatewayEvent } from '../../src/observe/events.ts'
import { createMask } from '../../src/upstream/mask.ts'
import type { Provider, ProviderFailure, ResponseHandler } from '../../src/upstream/provider.ts'
import { openServerTraits } from '../../src/upstream/providers/traits.ts'
import { loadText } from '../support/config-file.ts'
import { settled } from '../support/fake-clock.ts'
import { configText, type Setup } from '../support/gateway-config.ts'

export class AskedProvider {
  /** Every GET so far, and whether it was aborted. */
  readonly asked: { readonly path: string; readonly handler: ResponseHandler; isAborted: boolean }[] = []
  readonly provider: Provider

  constructor(name: string, isLocal = true) {
    this.provider = {
      name,
      kind: 'openai',
      allowsManagement: false,
      host: '127.0.0.1',
      boundary: 'local',
      staysIn: 'local',
      hasService: false,
      isLocal,
      traceContext: 'auto',
      timeouts: { connectMs: 0, firstByteMs: 0, idleMs: 0, totalMs: 0 },
      includeUsage: 'auto',
      maxParallelRequests: undefined,
      speaks: () => true,
      traitsOf: () => openServerTraits,
      meaningOf: () => undefined,
      mask: createMask([]),
      send: () => {
        throw new Error('no calls here')
      },
      pass: () => {
        throw new Error('no requests here')
      },
      get: (path, handler) => {
        const asked = { path, handler, isAborted: false }
        this.asked.push(asked)
        return { wasSent: true, pause() {}, resume() {}, abort: () => void (asked.isAborted = true) }
      },
      close: () => Promise.resolve(),
    }
  }

  /** Responds to the last GET. */
  async respond(status: number, body: unknown = {}): Promise<void> {
    const { handler } = this.asked.at(-1)!
    handler.onHead({ status, headers: {} })
    handler.onData(Buffer.from(JSON.stringify(body)))
    handler.onEnd()
    await settled()
  }

  /** Responds to the last GET with a list of these models. */
  list(...ids: readonly string[]): Promise<void> {
    return this.respond(200, { data: ids.map((id) => ({ id })) })
  }

  async fail(kind: ProviderFailure['kind']): Promise<void> {
    this.asked.at(-1)!.handler.onFailure({ kind, code: 'X', detail: kind })
    await settled()
  }
}

/** The providers by their names, as a load of the configuration opens them. */
export function setOf(...providers: readonly AskedProvider[]): ReadonlyMap<string, Provider> {
  return new Map(providers.map(({ provider }) => [provider.name, provider]))
}

export class KeptEvents implements Events {
  readonly all: GatewayEvent[] = []

  emit(event: GatewayEvent): void {
    this.all.push(event)
  }
}

export function configOf(t: TestContext, setup: Setup): Config {
  const loaded = loadText(t, configText(setup), { hasServiceManager: true })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config
}
