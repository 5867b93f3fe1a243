// A provider's response to one attempt, from sending the request until the body has ended. The phases find out what it is
// (phases.ts); how long it may take, and what a failure means, are known elsewhere (time-limits.ts, failed-exchange.ts).
import type { ProviderDialect } from '../../dialects/dialect.ts'
import type { Reshape, ResponseTranslation } from '../../dialects/translator.ts'
import type { ReadProgress } from '../../dialects/usage.ts'
import { faultOfHead } from '../../dialects/whole-response.ts'
import type { ResponseHead } from '../../domain.ts'
import type { GatewayError } from '../../errors.ts'
import { isTooDeep, maxNesting } from '../../bytes/json/nesting.ts'
import { parseJson } from '../../bytes/json/parse.ts'
import { providerRequestId } from '../../http/headers.ts'
import {
  type Exchange,
  type PassedRequest,
  type Provider,
  type ProviderFailure,
  type ProviderRequest,
  type ResponseHandler,
} from '../../upstream/provider.ts'
import type {
  AnsweringResponse,
  AttemptFailure,
  AttemptOutcome,
  ResponseReader,
  WholeBody,
} from '../attempt-outcome.ts'
import type { Snapshot } from '../call.ts'
import type { TickListener } from '../ticker.ts'
import { judgeErrorResponse } from './error-response.ts'
import { Assembling, type AssemblyInput } from './assembling.ts'
import { EventReader } from './event-reader.ts'
import { type ConnectionFacts, failedExchange, providerError } from './failed-exchange.ts'
import type { Meter, Metered, PromptWatch } from './meter.ts'
import {
  awaitingHead,
  Draining,
  Forwarding,
  peekingStream,
  type Phase,
  phaseAfter,
  type Step,
} from './phases.ts'
import { TimeLimits, type Upload } from './time-limits.ts'

/** What may arrive, and until when. */
export interface Expected {
  /** When the provider's total timeout begins, which all attempts of a call share. */
  readonly sinceMs: number
  readonly dialect: ProviderDialect
  readonly translation: ResponseTranslation | undefined
  readonly reshape: Reshape | undefined
  /** Of a stream that was requested in place of a whole answer. Absent: none was. */
  readonly assembly?: AssemblyInput | undefined
  /** Of a provider that was asked how far it is with the prompt. Absent: it was not. */
  readonly progress?: PromptWatch | undefined
  /** The gateway requested usage, and the client did not. */
  readonly stripsUsage: boolean
  /** How a response of whatever form is read; absent: as a model's. */
  readonly passing?: Passing
}

/** A request that passes as it is, whatever the response may be. */
export interface Passing {
  readonly phaseAfter: (head: ResponseHead) => Phase
  /** The request's body, if it goes on while it arrives. */
  readonly upload: Upload | undefined
}

/** How far an attempt is. `waiting`: sent, and nothing of an answer has come. */
export type AttemptStage = 'connecting' | 'waiting' | 'streaming' | 'whole'

type Services = Pick<Snapshot, 'ticker' | 'now'>

export class UpstreamResponse implements AnsweringResponse, ResponseHandler, TickListener {
  index = -1
  readonly #provider: Provider
  readonly #limits: TimeLimits
  readonly dialect: ProviderDialect
  translation: ResponseTranslation | undefined
  reshapedInto: 'whole' | 'events' | undefined
  readonly #reshape: Reshape | undefined
  readonly #assembly: AssemblyInput | undefined
  readonly #progress: PromptWatch | undefined
  meter: Meter | undefined
  readonly #passing: Passing | undefined
  readonly stripsUsage: boolean
  readonly #on: Services
  readonly #startedMs: number
  #isStream = false
  #exchange: Exchange | undefined
  #resolve: ((outcome: AttemptOutcome) => void) | undefined
  /** Of the attempt, then of whoever reads the body. */
  #onBug: ((error: unknown) => void) | undefined
  #bug: { readonly error: unknown } | undefined
  #phase: Phase = awaitingHead
  #head: ResponseHead | undefined
  headAtMs = 0
  whole: WholeBody | undefined
  events: EventReader | undefined
  #isOver = false

  constructor(
    provider: Provider,
    { sinceMs, dialect, translation, reshape, assembly, progress, stripsUsage, passing }: Expected,
    on: Services,
  ) {
    this.#provider = provider
    this.dialect = dialect
    this.translation = translation
    this.#reshape = translation === undefined ? reshape : undefined
    this.#assembly = assembly
    this.#progress = progress
    this.stripsUsage = stripsUsage
    this.#passing = passing
    this.#on = on
    this.#startedMs = on.now()
    const { timeouts } = provider
    const upload = passing?.upload
    this.#limits = new TimeLimits({ timeouts, sinceMs, startedMs: this.#startedMs, upload })
  }

  /** Sends the request. Resolves once it is known whether the response answers the call. Rejects only with a bug. */
  begin(request: ProviderRequest): Promise<AttemptOutcome> {
    this.#isStream = request.isStream && this.#assembly === undefined
    return this.#begin(() => this.#provider.send(request, this))
  }

  /** As `begin`. */
  pass(request: PassedRequest): Promise<AttemptOutcome> {
    return this.#begin(() => this.#provider.pass(request, this))
  }

  #begin(send: () => Exchange): Promise<AttemptOutcome> {
    const { promise, resolve, reject } = Promise.withResolvers<AttemptOutcome>()
    this.#resolve = resolve
    this.#onBug = reject
    this.#on.ticker.add(this)
    try {
      this.#exchange = send()
    } catch (error) {
      this.onBug(error)
    }
    return promise
  }

  get head(): ResponseHead {
    if (this.#head === undefined) throw new Error('no head yet')
    return this.#head
  }

  get progressIn(): ReadProgress | undefined {
    return this.#progress?.progressIn
  }

  get isStalled(): boolean {
    return this.#limits.isStalled
  }

  get isReading(): boolean {
    return this.#exchange?.isReading === true
  }

  /** What an answer has used that can't be put together any more. */
  #used(end: 'cut' | 'left'): Metered | undefined {
    if (this.#phase instanceof Assembling) return this.#assembly?.meter.result(end)
    const meter = this.#progress?.meter
    return meter?.hasProgress === true ? meter.result(end) : undefined
  }

  get #usedIfBegun(): Metered | undefined {
    return this.#phase.hasBegun === true ? this.#used('cut') : undefined
  }

  /** For reports of calls under way, which are rare: nothing is kept for it. */
  get stage(): AttemptStage {
    if (this.#exchange?.wasSent !== true) return 'connecting'
    if (this.events !== undefined) return 'streaming'
    const isAnswer = this.whole !== undefined || this.#phase instanceof Forwarding
    return isAnswer || this.#phase.hasBegun === true ? 'whole' : 'waiting'
  }

  /** The provider's own id of the request; undefined before the head, or without one. */
  get requestId(): string | undefined {
    return this.#head && providerRequestId(this.#head, this.#provider)
  }

  read(reader: ResponseReader, onBug: (error: unknown) => void): void {
    if (this.#bug !== undefined) throw this.#bug.error
    this.#onBug = onBug
    if (this.#phase instanceof Draining) return
    if (!(this.#phase instanceof Forwarding)) throw new Error('nothing to be read')
    this.#phase.read(reader)
  }

  pause(): void {
    this.#limits.pause(this.#on.now())
    this.#exchange?.pause()
  }

  resume(): void {
    this.#limits.resume()
    this.#exchange?.resume()
  }

  drain(): void {
    if (this.#isOver) return
    this.#phase = new Draining(this.#on.now())
    this.resume()
  }

  abort(): void {
    const wasSent = this.#exchange?.wasSent === true
    this.#finish()
    this.#settle({ kind: 'gone', wasSent, used: wasSent ? this.#used('left') : undefined })
  }

  onHead(head: ResponseHead): void {
    try {
      this.#readHead(head)
    } catch (error) {
      this.onBug(error)
    }
  }

  onData(chunk: Buffer): void {
    this.#limits.move()
    try {
      const step = this.#phase.data(chunk)
      if (this.#progress !== undefined && this.#phase.hasBegun === true) this.#passHead()
      if (step !== undefined) this.#take(step)
    } catch (error) {
      this.onBug(error)
    }
  }

  onRest(): void {
    if (!(this.#phase instanceof Forwarding)) return
    try {
      this.#phase.rest()
    } catch (error) {
      this.onBug(error)
    }
  }

  onEnd(): void {
    this.#finish()
    try {
      const step = this.#phase.end()
      if (step !== undefined) this.#take(step)
    } catch (error) {
      this.onBug(error)
    }
  }

  onFailure(failure: ProviderFailure): void {
    try {
      const passedMs = this.#on.now() - this.#startedMs
      const hasHead = this.#head !== undefined
      const { error, facts } = failedExchange(failure, { provider: this.#provider, hasHead, passedMs })
      this.#failWith(error, facts)
    } catch (error) {
      this.onBug(error)
    }
  }

  /** Ends the attempt, or the reading of its body: whoever awaits one of them would else wait for ever. */
  onBug(error: unknown): void {
    this.#finish()
    this.#bug ??= { error }
    this.#onBug?.(error)
  }

  #readHead(head: ResponseHead): void {
    this.#head = head
    if (this.#progress === undefined) this.#passHead()
    if (this.#passing !== undefined) {
      this.#phase = this.#passing.phaseAfter(head)
      return
    }
    const fault = head.status < 300 ? (faultOfHead(head) ?? faultOfCoding(head)) : undefined
    if (fault !== undefined) return this.#fail(fault)
    const isReshaped = this.#isStream && this.#reshape !== undefined
    this.#phase = phaseAfter(
      head,
      this.dialect,
      this.translation !== undefined ? 'translated' : isReshaped ? 'reshaped' : 'passed',
      this.#streamPhase(head),
    )
  }

  #streamPhase(head: ResponseHead): (() => Phase) | undefined {
    if (this.#assembly !== undefined) return () => new Assembling(head, this.dialect, this.#assembly!)
    return this.#progress && (() => peekingStream(this.dialect, this.#progress!.meter))
  }

  /** The response has begun. Until then a provider that reports how far it is with the prompt has sent its head, and no more. */
  #passHead(): void {
    if (this.headAtMs > 0) return
    this.headAtMs = this.#on.now()
    this.#limits.passHead()
  }

  onTick(nowMs: number): void {
    if (this.#phase instanceof Forwarding) this.#phase.tick(nowMs)
    else if (this.#phase instanceof Assembling) this.#phase.tick()
    if (this.#isOver) return
    const limits = this.#phase instanceof Draining ? this.#phase : this.#limits
    const overdue = limits.overdue(nowMs)
    if (overdue === undefined) return
    this.onFailure({ kind: 'timeout', code: 'TIMEOUT', detail: overdue })
  }

  #take(step: Step): void {
    this.#passHead()
    switch (step.kind) {
      case 'forward':
        this.#phase = new Forwarding(step.held)
        if (step.held instanceof EventReader) {
          this.events = step.held
          if (!this.#isStream && this.#reshape?.toWhole !== undefined) {
            this.translation = this.#reshape.toWhole()
            this.reshapedInto = 'whole'
          }
        }
        return this.#settle({ kind: 'answered', response: this })
      case 'whole': {
        const isReshaped = this.#isStream && this.#reshape !== undefined
        const isRead = isReshaped || (this.translation !== undefined && step.head === undefined)
        if (isRead && isTooDeep(step.body.bytes)) {
          return this.#fail(`sent a body that is nested deeper than ${maxNesting} levels`)
        }
        if (isReshaped && !this.#makeEvents(step.body)) {
          return this.#fail('sent no events, nor a response that can become some')
        }
        this.whole = step.body
        if (step.head !== undefined) {
          this.#head = step.head
          if (this.translation === undefined) this.reshapedInto = 'whole'
          // It has made the body.
          this.translation = undefined
          this.meter = this.#assembly?.meter
          this.drain()
        }
        return this.#settle({ kind: 'answered', response: this })
      }
      case 'error': {
        this.#finish()
        return this.#settleWith(judgeErrorResponse(this.#provider, this, step), this.#usedIfBegun)
      }
      case 'unusable':
        return this.#fail(step.what)
      default:
        return step satisfies never
    }
  }

  /** False: the body is no response of the format. */
  #makeEvents({ bytes, value }: WholeBody): boolean {
    this.translation = this.#reshape?.toEvents(value ?? parseJson(bytes), !this.stripsUsage, bytes)
    this.reshapedInto = 'events'
    return this.translation !== undefined
  }

  /** @param what is wrong with the response, as a clause about the provider. */
  #fail(what: string): void {
    this.#failWith(providerError(this.#provider, 'provider_bad_response', what))
  }

  #failWith(error: GatewayError, facts: ConnectionFacts = {}): void {
    this.#finish()
    if (this.#phase instanceof Forwarding) return this.#phase.break(error)
    this.#settle({
      kind: 'failed',
      error,
      ...(this.#head && { providerStatus: this.#head.status }),
      isStaleConnection: false,
      used: this.#usedIfBegun,
      ...facts,
      hasBegun: this.#phase.hasBegun === true || facts.isBeingServed === true,
    })
  }

  #finish(): void {
    this.#isOver = true
    this.#on.ticker.delete(this)
    this.#exchange?.abort()
  }

  #settleWith(outcome: AttemptFailure | Promise<AttemptFailure>, used: Metered | undefined): void {
    if (!(outcome instanceof Promise)) return this.#settle({ ...outcome, used })
    outcome.then(
      (judged) => this.#settle({ ...judged, used }),
      (error: unknown) => this.onBug(error),
    )
  }

  #settle(outcome: AttemptOutcome): void {
    const resolve = this.#resolve
    this.#resolve = undefined
    resolve?.(outcome)
  }
}

/** One that could be decoded has been. */
function faultOfCoding({ headers }: ResponseHead): string | undefined {
  const coding = headers['content-encoding']
  if (coding === undefined) return undefined
  return `sent its response in the content coding ${JSON.stringify(coding)}, which the gateway neither asked for nor knows`
}
