// One try at one target: from sending the request until it is known whether this target answers the call.
// What the provider sends is held here until a relay reads it; all of the provider's time limits are kept here.
import type { Target } from '../domain.ts'
import { GatewayError } from '../errors.ts'
import type { AnswerHead, AnswerSink, Exchange, Provider, ProviderRequest } from '../upstream/provider.ts'
import type { Snapshot } from './call.ts'
import type { Timed } from './ticker.ts'

/** How a try at a target came out. */
export type AttemptOutcome =
  | { readonly kind: 'answered'; readonly answer: Answer }
  /** The provider's own error answer; it goes to the client as it is. */
  | {
      readonly kind: 'refused'
      readonly head: AnswerHead
      readonly body: Buffer
      readonly providerCode: string | undefined
    }
  | {
      readonly kind: 'failed'
      readonly error: GatewayError
      readonly providerStatus?: number
      readonly providerCode?: string | undefined
    }
  | { readonly kind: 'gone' }

/** A provider's error answer is read whole before it is passed on; a longer one is no error answer. */
const maxErrorBytes = 1_048_576

/** A client that reads nothing for so long holds a connection and a slot for nobody. */
const maxStallMs = 120_000

/** What reads an answer's body. Exactly one of the ends is called, and nothing after it. */
export interface AnswerReader {
  onData(chunk: Buffer): void
  onEnd(): void
  onBroken(error: GatewayError): void
}

/** Starts the attempt; `abort` on the returned handle ends it in any phase. */
export function startAttempt(
  target: Target,
  request: ProviderRequest,
  on: Pick<Snapshot, 'providers' | 'ticker' | 'now'>,
): { outcome: Promise<AttemptOutcome>; abort(): void } {
  const provider = on.providers.get(target.provider)
  if (provider === undefined) throw new Error(`no provider ${target.provider}`)
  const answer = new Answer(provider, on)
  const outcome = new Promise<AttemptOutcome>((resolve) => answer.begin(request, resolve))
  return { outcome, abort: () => answer.abort() }
}

/** An answer on its way. */
export class Answer implements AnswerSink, Timed {
  readonly #provider: Provider
  readonly #on: Pick<Snapshot, 'ticker' | 'now'>
  readonly #startedMs: number
  #exchange: Exchange | undefined
  #resolve: ((outcome: AttemptOutcome) => void) | undefined
  #head: AnswerHead | undefined
  #reader: AnswerReader | undefined
  /** What came before somebody read, or the body of an error answer. */
  #held: Buffer[] = []
  #heldBytes = 0
  #end: 'open' | 'ended' | GatewayError = 'open'
  #hasMoved = false
  #lastMoveMs: number
  #pausedSinceMs: number | undefined

  constructor(provider: Provider, on: Pick<Snapshot, 'ticker' | 'now'>) {
    this.#provider = provider
    this.#on = on
    this.#startedMs = on.now()
    this.#lastMoveMs = this.#startedMs
  }

  get head(): AnswerHead {
    if (this.#head === undefined) throw new Error('no head yet')
    return this.#head
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
    this.#on.ticker.delete(this)
    this.#exchange?.abort()
    this.#settle({ kind: 'gone' })
  }

  onHead(head: AnswerHead): void {
    this.#head = head
    this.#hasMoved = true
    if (head.status < 300) this.#settle({ kind: 'answered', answer: this })
  }

  onData(chunk: Buffer): void {
    this.#hasMoved = true
    if (this.#reader !== undefined) {
      this.#reader.onData(chunk)
      return
    }
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    if (this.#resolve !== undefined && this.#heldBytes > maxErrorBytes) {
      this.#fail('provider_bad_response', `answered ${this.head.status} with an endless body`)
    }
  }

  onEnd(): void {
    this.#on.ticker.delete(this)
    if (this.#resolve !== undefined) this.#settle(this.#judgeError(Buffer.concat(this.#held)))
    this.#end = 'ended'
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
      if (nowMs - this.#pausedSinceMs >= maxStallMs)
        this.#timeOut(`the client read nothing for ${maxStallMs} ms`)
    } else if (this.#head === undefined) {
      if (firstByteMs > 0 && hasRunFor >= firstByteMs) this.#timeOut(`sent no byte within ${firstByteMs} ms`)
    } else if (idleMs > 0 && hasRestedFor >= idleMs) {
      this.#timeOut(`was silent for ${idleMs} ms`)
    }
    if (totalMs > 0 && hasRunFor >= totalMs) this.#timeOut(`was not done within ${totalMs} ms`)
  }

  #timeOut(detail: string): void {
    if (this.#end !== 'open') return
    this.#exchange?.abort()
    this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail })
  }

  #fail(code: 'provider_unreachable' | 'provider_bad_response' | 'provider_timeout', what: string): void {
    this.#on.ticker.delete(this)
    this.#exchange?.abort()
    const error = new GatewayError(code, `Provider "${this.#provider.name}" ${what}.`)
    this.#end = error
    this.#settle({ kind: 'failed', error, ...(this.#head && { providerStatus: this.#head.status }) })
    this.#reader?.onBroken(error)
  }

  #settle(outcome: AttemptOutcome): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.(outcome)
  }

  /** A status from 300 on, its body read. */
  #judgeError(received: Buffer): AttemptOutcome {
    const { head } = this
    const { name } = this.#provider
    // Keys are ASCII, and latin1 keeps all other bytes as they are.
    const text = received.toString('latin1')
    const masked = this.#provider.mask(text)
    const body = masked === text ? received : Buffer.from(masked, 'latin1')
    const providerCode = errorCodeOf(body)
    const failed = (error: GatewayError) =>
      ({ kind: 'failed', error, providerStatus: head.status, providerCode }) as const
    if (head.status === 401 || head.status === 403) {
      const way = `The key is the gateway's own: see providers.${name}.api_key in its configuration.`
      return failed(
        new GatewayError(
          'provider_auth_failed',
          `Provider "${name}" refused the gateway (${head.status}). ${way}`,
        ),
      )
    }
    if (head.status < 400) {
      const way = `Redirects are not followed, so that the key stays where it belongs: set providers.${name}.base_url to the final address.`
      return failed(
        new GatewayError(
          'provider_bad_response',
          `Provider "${name}" answered with a redirect (${head.status}). ${way}`,
        ),
      )
    }
    const isErrorStatus = head.status <= 599 && head.status !== 407
    if (!isErrorStatus || String(head.headers['content-type']).startsWith('text/html')) {
      const what = `answered ${head.status} with ${isErrorStatus ? 'a web page' : 'a status that no API has'}`
      return failed(new GatewayError('provider_bad_response', `Provider "${name}" ${what}.`))
    }
    return { kind: 'refused', head, body, providerCode }
  }
}

/** The provider's `error.code`, for the log: some servers write a number. */
function errorCodeOf(body: Buffer): string | undefined {
  try {
    const { error } = JSON.parse(body.toString()) as { error?: { code?: unknown } }
    const code = error?.code
    return typeof code === 'string' || typeof code === 'number' ? String(code).slice(0, 64) : undefined
  } catch {
    // Not JSON: the status is all there is to log.
    return undefined
  }
}
