// The exchange with a provider that every attempt is, from the sending of its request until its outcome is known: here, and nowhere
// else, an attempt ends for the record and for those who watch.
import type { LargeBody } from '../bytes/large-body.ts'
import type { PassedRequest, Provider, ProviderRequest } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Call, Snapshot } from './call.ts'
import { internalError } from './internal-error.ts'
import { keptInside } from './kept-inside.ts'
import { loggableWords, withLoggableCode } from './provider-words.ts'
import type { CallRecord } from './record.ts'
import type { UpstreamResponse } from './response/upstream-response.ts'
import { troubleOf } from './retry-rule.ts'

/** Whose attempt it is, and where. */
export interface ExchangeInput {
  readonly call: Pick<Call, 'boundary' | 'client' | 'reply' | 'requestId'>
  readonly provider: Provider
  /** In which the attempt has started. */
  readonly record: CallRecord
  /** Of the request: words and a code of a provider that quote it are not logged. Undefined: it was not kept, and words are never logged. */
  readonly searchedBody: Buffer | LargeBody | undefined
}

/**
 * Sends the request of an attempt and ends the attempt in its record, whatever becomes of it. A client that leaves ends it, and so
 * does a bug, with which it rejects.
 */
export async function exchange(
  response: UpstreamResponse,
  request: PassedRequest | ProviderRequest,
  { call, provider, record, searchedBody }: ExchangeInput,
  on: Pick<Snapshot, 'events' | 'now' | 'routes' | 'routing' | 'wallNow'>,
): Promise<AttemptOutcome> {
  record.attempt = response
  const abort = () => response.abort()
  call.reply.onGone = abort
  let outcome: AttemptOutcome
  try {
    const begun = 'method' in request ? response.pass(request) : response.begin(request)
    outcome = withLoggableCode(keptInside(await begun, provider, call, record, on), searchedBody)
  } catch (error) {
    const failure = { error: internalError(error), isStaleConnection: false, hasBegun: false }
    end({ kind: 'failed', ...failure }, record, on)
    throw error
  }
  // A server that only repeats ours has none of its own.
  const { requestId } = response
  record.providerRequestId = requestId === call.requestId ? undefined : requestId
  record.providerWords = wordsOf(outcome, record, searchedBody)
  end(outcome, record, on)
  return outcome
}

function end(
  outcome: AttemptOutcome,
  record: CallRecord,
  on: Pick<Snapshot, 'events' | 'now' | 'wallNow'>,
): void {
  on.events.emit(record.endAttempt(outcome, troubleOf(outcome, on.wallNow()), on.now()))
}

/** What the provider wrote in its error, as far as it may be logged. */
function wordsOf(
  outcome: AttemptOutcome,
  { targetModel, asked, model }: CallRecord,
  body: ExchangeInput['searchedBody'],
): string | undefined {
  if ((outcome.kind !== 'refused' && outcome.kind !== 'failed') || body === undefined) return undefined
  const status = outcome.kind === 'refused' ? outcome.head.status : outcome.providerStatus
  if (status === undefined) return undefined
  const names = [targetModel, asked ?? model].filter((name) => name !== undefined)
  return loggableWords({ status, message: outcome.providerMessage, body, names })
}
