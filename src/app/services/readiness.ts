// Whether the server of a service takes calls: one GET of a path that answers only then.
import { defaults } from '../../config/defaults.ts'
import type { HttpProvider } from '../../config/provider-types.ts'
import type { Clock } from '../../platform/clock.ts'
import { probe, type ProbeOutcome } from '../../upstream/probe.ts'
import type { Provider } from '../../upstream/provider.ts'

const limits = { maxBytes: 65_536, timeoutMs: 2_000 }

/** Below the provider's base URL; below the server's root with a second slash. */
export function readyPathOf({ kind, service }: Pick<HttpProvider, 'kind' | 'service'>): string {
  return service?.readyPath === undefined ? defaults.healthPaths[kind] : `/${service.readyPath}`
}

/**
 * Whether a server that answers the ready path with this status takes calls. One that refuses the key does: servers check keys once they
 * serve, and calls then report what is wrong with it, where a service that is never ready would hide it.
 */
export function isReadyStatus(status: number): boolean {
  return (status >= 200 && status < 300) || status === 401 || status === 403
}

interface ProbeParts {
  readonly clock: Pick<Clock, 'now' | 'setTimer'>
  /** Called with what was thrown while its answer was handled. */
  readonly onBug: (error: unknown) => void
}

/** One probe. Never rejects. @param onOutcome receives what it got, for people: `status 503`, `ECONNREFUSED`, `timeout`. */
export function isServerReady(
  provider: Provider,
  config: Pick<HttpProvider, 'kind' | 'service'>,
  { clock, onBug }: ProbeParts,
  onOutcome: (outcome: string) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    probe(provider, { path: readyPathOf(config), ...limits }, clock, {
      onResult(outcome) {
        onOutcome(outcomeText(outcome))
        resolve(outcome.kind !== 'failed' && isReadyStatus(outcome.head.status))
      },
      onBug(error) {
        onBug(error)
        resolve(false)
      },
    })
  })
}

function outcomeText(outcome: ProbeOutcome): string {
  if (outcome.kind !== 'failed') return `status ${outcome.head.status}`
  const { kind, code } = outcome.failure
  return kind === 'timeout' ? kind : code
}
