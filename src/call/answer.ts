// One try at one target: from sending the request until it is known whether this target answers the call.
// What the provider sends is held here until a relay reads it; all of the provider's time limits are kept here.
// A stream counts as an answer from its first event on, a JSON body when it is whole (or too large to be held), any other
// body from its first byte on: until then nothing has been passed on, and what breaks can still become another attempt.
import { GatewayError } from '../errors.ts'
import type { AnswerHead, AnswerSink, Exchange, Provider, ProviderRequest } from '../upstream/provider.ts'
import type { AttemptOutcome } from './attempt-outcome.ts'
import type { Snapshot } from './call.ts'
import { judgeErrorAnswer, mediaTypeOf } from './error-answer.ts'
import { errorHeadOf, FirstEvent, isDone } from './first-event.ts'
import type { Timed } from './ticker.ts'
import { faultOfHead, judgeWholeAnswer } from './whole-answer.ts'

/** A provider's error answer is read whole before it is passed on; a longer one is none, and no first event either. */
const maxErrorBytes = 1_048_576

/**
 * A JSON answer up to this size is held until it is whole. Audio starts playing before its end, so what is not JSON is
 * not held.
 */
export const maxHeldAnswerBytes = 262_144

/** A client that reads nothing for so long holds a connection and a slot for nobody. */
const maxStallMs = 120_000

/** An idle connection that the provider has closed breaks at once; one that breaks later broke under the work. */
const staleConnectionMs = 500
const resetCodes: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** What reads an answer's body. Exactly one of the ends is called, and nothing after it. */
export interface AnswerReader {
  onData(chunk: Buffer): void
  onEnd(): void
  onBroken(error: GatewayError): void
}

/** Starts the attempt; `abort` on the returned handle ends it in any phase. */
export function startAttempt(
  provider: Provider,
  request: ProviderRequest,
  expected: Expected,
  on: AnswerParts,
): { outcome: Promise<AttemptOutcome>; abort: () => void } {
  const answer = new Answer(provider, expected, on)
  const { promise: outcome, resolve } = Promise.withResolvers<AttemptOutcome>()
  answer.begin(request, resolve)
  return { outcome, abort: () => answer.abort() }
}

/** What may come, and until when. */
export interface Expected {
  /** From when on the provider's total timeout counts: one deadline for all attempts of a call. */
  readonly sinceMs: number
  /** Whether a text of no bytes is an answer. */
  readonly mayBeEmpty: boolean
}

type AnswerParts = Pick<Snapshot, 'ticker' | 'now'>

/** An answer on its way. */
export class Answer implements AnswerSink, Timed {
  place = -1
  readonly #provider: Provider
  readonly #on: AnswerParts
  readonly #startedMs: number
  readonly #expected: Expected
  #exchange: Exchange | undefined
  #resolve: ((outcome: AttemptOutcome) => void) | undefined
  #head: AnswerHead | undefined
  /** When the head came, in milliseconds of the monotonic clock. */
  headAtMs = 0
  /** Looks for the first event of a stream; undefined when there is nothing to wait for any more. */
  #peek: FirstEvent | undefined
  /** An answer that is no stream, and not passed on yet. */
  #isHeld = false
  #reader: AnswerReader | undefined
  /** What came before somebody read, or the body of an error answer. */
  #held: Buffer[] = []
  #heldBytes = 0
  #end: 'open' | 'ended' | GatewayError = 'open'
  #isStaleConnection = false
  #hasMoved = false
  #lastMoveMs: number
  #pausedSinceMs: number | undefined
  /** The client, not the provider, brought it to a halt. */
  isStalled = false
  /** What the JSON of a whole answer says; undefined where it was not parsed. */
  value: unknown

  constructor(provider: Provider, expected: Expected, on: AnswerParts) {
    this.#provider = provider
    this.#on = on
    this.#startedMs = on.now()
    this.#expected = expected
    this.#lastMoveMs = this.#startedMs
  }

  get head(): AnswerHead {
    if (this.#head === undefined) throw new Error('no head yet')
    return this.#head
  }

  get mediaType(): string {
    return mediaTypeOf(this.head)
  }

  /** Compressed events (of a provider that ignores `accept-encoding: identity`) can't be read; they pass as they are. */
  get isEventStream(): boolean {
    const encoding = this.head.headers['content-encoding'] ?? 'identity'
    return this.mediaType === 'text/event-stream' && encoding === 'identity'
  }

  begin(request: ProviderRequest, resolve: (outcome: AttemptOutcome) => void): void {
    this.#resolve = resolve
    this.#on.ticker.add(this)
    this.#exchange = this.#provider.send(request, this)
  }

  /** Hands over what has come and all that will. */
  read(reader: AnswerReader): void {
    this.#reader = reader
    const held = this.#held
    this.#held = []
    for (const chunk of held) reader.onData(chunk)
    if (this.#end === 'ended') reader.onEnd()
    else if (this.#end !== 'open') reader.onBroken(this.#end)
  }

  pause(): void {
    this.#pausedSinceMs ??= this.#on.now()
    this.#exchange?.pause()
  }

  resume(): void {
    this.#pausedSinceMs = undefined
    this.#hasMoved = true
    this.#exchange?.resume()
  }

  /** The client has left: the provider's request ends, nobody hears more of it. */
  abort(): void {
    const wasSent = this.#exchange?.wasSent === true
    this.#finish()
    this.#settle({ kind: 'gone', wasSent })
  }

  onHead(head: AnswerHead): void {
    this.#head = head
    this.headAtMs = this.#on.now()
    this.#hasMoved = true
    if (head.status >= 300) return
    const fault = faultOfHead(head)
    if (fault !== undefined) return this.#fail('provider_bad_response', fault)
    if (this.isEventStream) this.#peek = new FirstEvent()
    else this.#isHeld = true
  }

  onData(chunk: Buffer): void {
    this.#hasMoved = true
    if (this.#reader !== undefined) {
      this.#reader.onData(chunk)
      return
    }
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#peek !== undefined) {
      this.#look(this.#peek, chunk)
      // Comments without end, and no event among them.
      if (this.#peek !== undefined && this.#heldBytes > maxErrorBytes) this.#commit()
    } else if (this.#isHeld) {
      const maxBytes = this.mediaType === 'application/json' ? maxHeldAnswerBytes : 0
      if (this.#heldBytes > maxBytes) this.#commit()
    } else if (this.#resolve !== undefined && this.#heldBytes > maxErrorBytes) {
      this.#fail('provider_bad_response', `answered ${this.head.status} with an endless body`)
    }
  }

  onEnd(): void {
    this.#finish()
    if (this.#peek !== undefined) {
      return this.#fail('provider_bad_response', 'ended its stream before the first event')
    }
    this.#end = 'ended'
    if (this.#isHeld) return this.#judgeWhole()
    if (this.#resolve !== undefined)
      this.#settle(judgeErrorAnswer(this.#provider, this.head, Buffer.concat(this.#held)))
    this.#reader?.onEnd()
  }

  onFailure(failure: { kind: 'unreachable' | 'broken' | 'timeout'; code: string; detail: string }): void {
    switch (failure.kind) {
      case 'unreachable':
        return this.#fail('provider_unreachable', `can't be reached: ${failure.detail}`)
      case 'timeout':
        return this.#fail('provider_timeout', failure.detail)
      case 'broken':
        if (this.#head !== undefined) {
          return this.#fail('provider_bad_response', `broke its answer off: ${failure.detail}`)
        }
        this.#isStaleConnection =
          resetCodes.has(failure.code) && this.#on.now() - this.#startedMs < staleConnectionMs
        return this.#fail('provider_bad_response', `gave no HTTP answer: ${failure.detail}`)
      default:
        return failure.kind satisfies never
    }
  }

  onTick(nowMs: number): void {
    if (this.#hasMoved) {
      this.#hasMoved = false
      this.#lastMoveMs = nowMs
    }
    const { firstByteMs, idleMs, totalMs } = this.#provider.timeouts
    const hasRunFor = nowMs - this.#startedMs
    const hasRestedFor = nowMs - this.#lastMoveMs
    if (this.#pausedSinceMs !== undefined) {
      if (nowMs - this.#pausedSinceMs >= maxStallMs) {
        this.isStalled = true
        this.#timeOut(`was held up: the client read nothing for ${maxStallMs} ms`)
      }
    } else if (this.#head === undefined) {
      if (firstByteMs > 0 && hasRunFor >= firstByteMs) this.#timeOut(`sent no byte within ${firstByteMs} ms`)
    } else if (idleMs > 0 && hasRestedFor >= idleMs) {
      this.#timeOut(`was silent for ${idleMs} ms`)
    }
    if (totalMs > 0 && nowMs - this.#expected.sinceMs >= totalMs)
      this.#timeOut(`was not done within ${totalMs} ms`)
  }

  /** A stream that begins with an error is an error answer. */
  #look(peek: FirstEvent, chunk: Buffer): void {
    const data = peek.push(chunk)
    if (data === undefined) return
    if (isDone(data)) return this.onEnd()
    const head = errorHeadOf(data)
    if (head === undefined) return this.#commit()
    this.#finish()
    this.#settle(judgeErrorAnswer(this.#provider, head, data))
  }

  #judgeWhole(): void {
    const body = this.#held.length === 1 ? this.#held[0]! : Buffer.concat(this.#held)
    this.#held = body.length === 0 ? [] : [body]
    const verdict = judgeWholeAnswer(this.head, body, this.#expected.mayBeEmpty)
    switch (verdict.kind) {
      case 'answer':
        this.value = verdict.value
        return this.#commit()
      case 'error':
        return this.#settle(judgeErrorAnswer(this.#provider, verdict.head, body))
      case 'none':
        return this.#fail('provider_bad_response', verdict.what)
      default:
        return verdict satisfies never
    }
  }

  /** From here on what comes is passed on. */
  #commit(): void {
    this.#peek = undefined
    this.#isHeld = false
    this.#settle({ kind: 'answered', answer: this })
  }

  #timeOut(detail: string): void {
    if (this.#end !== 'open') return
    this.#exchange?.abort()
    this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail })
  }

  #fail(code: 'provider_unreachable' | 'provider_bad_response' | 'provider_timeout', what: string): void {
    this.#finish()
    const error = new GatewayError(code, `Provider "${this.#provider.name}" ${what}.`)
    this.#end = error
    this.#settle({
      kind: 'failed',
      error,
      ...(this.#head && { providerStatus: this.#head.status }),
      isStaleConnection: this.#isStaleConnection,
      hasBegun: this.#isHeld,
    })
    this.#reader?.onBroken(error)
  }

  #finish(): void {
    this.#on.ticker.delete(this)
    this.#exchange?.abort()
  }

  #settle(outcome: AttemptOutcome): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.(outcome)
  }
}
