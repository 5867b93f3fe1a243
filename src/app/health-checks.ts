// Health checks (`health_check`): a periodic GET finds out whether a provider is up, so that calls need not. Its targets
// are tried last while it is down, and used again as soon as it is up.
import type { Config } from '../config/types.ts'
import type { Events } from '../observe/events.ts'
import type { FailureKind } from '../domain.ts'
import type { TargetHealth } from '../routing/target-health.ts'
import type { ProbeOutcome } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'
import { type IsOpen, type PollClock, type PollParts, Polls } from './polls.ts'
import type { ProviderSet } from './provider-pool.ts'

export interface HealthCheckParts {
  readonly clock: PollClock
  readonly events: Events
  readonly health: Pick<TargetHealth, 'recordCheck'>
  /** Absent: every provider is. */
  readonly isOpen?: IsOpen
}

/** Bytes that are read of a response; only its status and the text that a loading server sends matter. */
const maxBytes = 65_536
const timeoutMs = 5_000

export class HealthChecks {
  readonly #parts: HealthCheckParts
  readonly #polls: Polls

  constructor(parts: HealthCheckParts) {
    this.#parts = parts
    const onBug = (error: unknown) => {
      parts.events.emit({ kind: 'internal_error', error, where: 'a health check' })
    }
    this.#polls = new Polls(parts.clock, onBug, parts.isOpen)
  }

  /** Checks exactly the providers for which the configuration enables it. */
  follow({ providers: configs }: Config, providers: ProviderSet): void {
    this.#polls.follow(providers, (provider) => {
      const config = configs.get(provider.name)!
      if (config.kind === 'echo' || config.healthCheck === undefined) return undefined
      return this.#checkOf(provider, config.healthCheck)
    })
  }

  /** The service of the provider was opened or closed. */
  reconsider(provider: string): void {
    this.#polls.reconsider(provider)
  }

  stop(): void {
    this.#polls.stop()
  }

  #checkOf(provider: Provider, { path, intervalMs }: { path: string; intervalMs: number }): PollParts {
    const { health, events } = this.#parts
    const { name } = provider
    /** Undefined until the first outcome, also since its server was started. */
    let wasHealthy: boolean | undefined
    const onResult = (outcome: ProbeOutcome) => {
      const result = checkResultOf(outcome, provider, path)
      if (result === undefined) return intervalMs
      const { failureKind, reason } = result
      health.recordCheck(name, failureKind)
      const isHealthy = failureKind === undefined
      events.emit({ kind: 'polled', provider: name, poll: 'health', is_ok: isHealthy })
      if (isHealthy !== wasHealthy) events.emit({ kind: 'health_checked', provider: name, reason })
      wasHealthy = isHealthy
      return intervalMs
    }
    const onPaused = () => {
      wasHealthy = undefined
      health.recordCheck(name, undefined)
    }
    return { request: { path, maxBytes, timeoutMs }, onResult, onPaused }
  }
}

interface CheckResult {
  /** Undefined: it is well. */
  readonly failureKind: FailureKind | undefined
  /** For people. */
  readonly reason: string | undefined
}

/** What an answer says of the provider; undefined when it says nothing. */
function checkResultOf(
  outcome: ProbeOutcome,
  { meaningOf }: Provider,
  path: string,
): CheckResult | undefined {
  if (outcome.kind === 'failed') {
    const { kind, detail: reason } = outcome.failure
    return kind === 'unconnectable' ? undefined : { failureKind: kind, reason }
  }
  const { status } = outcome.head
  // The provider is up, and limits the rate of requests.
  if (status === 429) return undefined
  if (status >= 200 && status < 300) return { failureKind: undefined, reason: undefined }
  const meaning = meaningOf({ status, code: undefined, body: outcome.body })
  return {
    failureKind: failureKindOf(status, meaning === 'loading'),
    reason: `status ${status}${status === 404 ? pathHint(path) : ''}`,
  }
}

/** Many servers have their health below their root only, and the API below `/v1`. */
function pathHint(path: string): string {
  if (path.startsWith('//')) return ` for ${path.slice(1)}`
  // No server has its list of models there and its API elsewhere.
  if (path === '/models') return ' for /models below base_url, which often ends in /v1'
  return ` for ${path} below base_url; health_check: { path: "/${path}" } is below the server's root`
}

function failureKindOf(status: number, isLoading: boolean): FailureKind {
  switch (status) {
    case 401:
    case 403:
      return 'auth'
    case 402:
      return 'billing'
    case 502:
    case 504:
      return 'overloaded'
    case 503:
    case 529:
      return isLoading ? 'loading' : 'overloaded'
    default:
      return 'broken'
  }
}
