// Asks the server of an attempt for the tokens of the prompt that it gets, beside the attempt. It is not a call: nothing waits for the
// answer, nothing is charged, and a failure does not count against the server.
import type { RequestSize } from '../domain.ts'
import type { Boundary } from '../platform/boundary.ts'
import { probe, type ProbeOutcome } from '../upstream/probe.ts'
import type { Provider } from '../upstream/provider.ts'
import { countRequest, type CountRequest, readCount } from '../upstream/providers/prompt-count.ts'
import type { Snapshot } from './call.ts'
import type { Hold } from './coordinator.ts'
import type { CallRecord } from './record.ts'

/** Of a prompt that is not too long to be counted; a body may hold more than that. */
const maxBodyBytes = 65_536

/** vLLM repeats the tokens of the prompt, at most seven bytes for each. */
const limits = { maxBytes: 524_288, timeoutMs: 5_000 }

/** What an attempt sends. */
export interface CountedAttempt {
  readonly provider: Provider
  /** Of the request as it is sent: `ProviderDialect.name`. */
  readonly format: string
  readonly body: unknown
  readonly boundary: Boundary
}

/** What the count is learned for. */
export interface CountedCall {
  readonly size: RequestSize
  readonly hold: Pick<Hold, 'countsAs'>
  readonly record: Pick<CallRecord, 'admittedModel' | 'attempts'>
}

export type CountingParts = Pick<Snapshot, 'coordinator' | 'events' | 'now' | 'setTimer'>

/** Never throws: a bug in it is reported, and ends no call. */
export function countPromptOf(call: CountedCall, attempt: CountedAttempt, on: CountingParts): void {
  const onBug = (error: unknown) => {
    on.events.emit({ kind: 'internal_error', error, where: 'the count of a prompt' })
  }
  try {
    ask(call, attempt, on, onBug)
  } catch (error) {
    onBug(error)
  }
}

function ask(
  { size, hold: { countsAs }, record }: CountedCall,
  { provider, format, body, boundary }: CountedAttempt,
  on: CountingParts,
  onBug: (error: unknown) => void,
): void {
  // Another attempt may be at another server.
  if (countsAs === undefined || record.attempts > 1) return
  if (!Buffer.isBuffer(body) || body.length > maxBodyBytes) return
  const first = countRequest(countsAs, format, body)
  if (first === undefined) return
  const { coordinator } = on
  const model = record.admittedModel
  const askFor = (asked: CountRequest) => {
    const request = { ...asked, ...limits, boundary }
    probe(provider, request, on, { onResult: (outcome) => take(asked, outcome), onBug })
  }
  const take = (asked: CountRequest, outcome: ProbeOutcome) => {
    const step = outcome.kind === 'answered' ? readCount(responseOf(outcome), asked, first) : undefined
    if (typeof step === 'object') askFor(step)
    else coordinator.reportCount({ model, provider: provider.name, size }, step)
  }
  askFor(first)
}

function responseOf({ head, body }: ProbeOutcome & { readonly kind: 'answered' | 'cut' }) {
  return { status: head.status, body }
}
