// Admission as one would explain it: a log of everything ever admitted, summed up anew for each question.
// Quadratic and slow on purpose; the tests hold the real one against it.
import type { ModelLimits } from '../../src/domain.ts'

interface Entry {
  timeMs: number
  requests: number
  tokens: number
}

/** What a call under way holds of the log: its last entry, and the tokens of earlier ones, which had left when it grew. */
interface Open {
  entry: Entry
  tokensGone: number
}

interface Waiting {
  readonly id: number
  readonly client: string
  readonly tokens: number
  readonly sinceMs: number
  readonly deadlineMs: number
}

/** `admitted`, `limited:DIMENSION:USED:REQUESTED:RETRY_AFTER_MS`, `gone`, with the time waited. */
export interface NaiveEnd {
  readonly how: string
  readonly waitedMs: number
}

const windowMs = 60_000

export class NaiveAdmission {
  readonly ends = new Map<number, NaiveEnd>()
  readonly open = new Map<number, Open>()
  limits: ModelLimits
  nowMs: number
  readonly #log: Entry[] = []
  #line: Waiting[] = []
  #turns: string[] = []

  constructor(limits: ModelLimits, nowMs: number) {
    this.limits = limits
    this.nowMs = nowMs
  }

  get waiting(): readonly number[] {
    return this.#line.map(({ id }) => id)
  }

  used(dimension: 'requests' | 'tokens', atMs = this.nowMs): number {
    let sum = 0
    for (const entry of this.#log) if (entry.timeMs > atMs - windowMs) sum += entry[dimension]
    return sum
  }

  arrive(id: number, client: string, tokens: number): void {
    const mayWait = this.limits.whenLimited === 'wait' && this.limits.maxWaitMs > 0
    if (this.#line.length === 0 && this.#fits(tokens)) this.#admit(id, tokens, 0)
    else if (mayWait && (this.#line.length < 5 || this.#giveWay(client))) {
      const deadlineMs = this.nowMs + this.limits.maxWaitMs
      this.#line.push({ id, client, tokens, sinceMs: this.nowMs, deadlineMs })
      if (!this.#turns.includes(client)) this.#turns.push(client)
      this.#examine()
    } else {
      const how = this.#line.length === 0 ? this.#refusal(tokens) : 'limited'
      this.ends.set(id, { how, waitedMs: 0 })
    }
  }

  settle(id: number, requests: number, tokens: number): void {
    const open = this.open.get(id)
    if (open === undefined) return
    this.open.delete(id)
    const { entry, tokensGone } = open
    const rest = Math.max(0, tokens - tokensGone)
    if (entry.timeMs > this.nowMs - windowMs) {
      entry.tokens = rest
      // The request is the first entry's; the others have none.
      entry.requests = Math.min(entry.requests, requests)
    } else if (rest > entry.tokens) {
      this.#log.push({ timeMs: this.nowMs, requests: 0, tokens: rest - entry.tokens })
    }
    this.#examine()
  }

  grow(id: number, tokens: number): void {
    const open = this.open.get(id)
    if (open === undefined) return
    const more = tokens - open.tokensGone - open.entry.tokens
    if (more <= 0) return
    if (open.entry.timeMs > this.nowMs - windowMs) open.entry.tokens += more
    else {
      open.tokensGone += open.entry.tokens
      open.entry = { timeMs: this.nowMs, requests: 0, tokens: more }
      this.#log.push(open.entry)
    }
  }

  leave(id: number): void {
    const waiting = this.#line.find((one) => one.id === id)
    if (waiting === undefined) return
    this.#remove(waiting, 'gone')
    this.#examine()
  }

  advance(byMs: number): void {
    const endMs = this.nowMs + byMs
    for (let atMs = this.#nextEvent(); atMs <= endMs; atMs = this.#nextEvent()) {
      this.nowMs = atMs
      this.#examine()
    }
    this.nowMs = endMs
  }

  reload(limits: ModelLimits): void {
    this.limits = limits
    this.#examine()
  }

  /** Calls under way are lost with the process; what they reserved stays counted. */
  restart(): void {
    for (const waiting of this.#line.slice()) this.#remove(waiting, 'shutting_down')
    this.open.clear()
  }

  /** The newest call of the client with the most leaves the line, if that is at least two more than `client` has. */
  #giveWay(client: string): boolean {
    const callsOf = (one: string): Waiting[] => this.#line.filter((each) => each.client === one)
    const most = Math.max(...this.#turns.map((one) => callsOf(one).length))
    if (most < callsOf(client).length + 2) return false
    const fullest = this.#turns.find((one) => callsOf(one).length === most)!
    this.#remove(callsOf(fullest).at(-1)!, 'limited')
    return true
  }

  #fits(tokens: number, atMs = this.nowMs): boolean {
    const { maxParallelRequests = Infinity } = this.limits
    return this.#windowFits(tokens, atMs) && this.open.size < maxParallelRequests
  }

  #windowFits(tokens: number, atMs: number): boolean {
    const { rpm = Infinity, tpm = Infinity } = this.limits
    return this.used('requests', atMs) + 1 <= rpm && this.used('tokens', atMs) + Math.min(tokens, tpm) <= tpm
  }

  #waitFor(fits: (atMs: number) => boolean): number {
    const moments = this.#log.map(({ timeMs }) => timeMs + windowMs).filter((atMs) => atMs > this.nowMs)
    return Math.min(...moments.filter(fits)) - this.nowMs
  }

  #refusal(tokens: number): string {
    const { rpm = Infinity, tpm = Infinity } = this.limits
    const cost = Math.min(tokens, tpm)
    const requestsFit = (atMs: number): boolean => this.used('requests', atMs) + 1 <= rpm
    const tokensFit = (atMs: number): boolean => this.used('tokens', atMs) + cost <= tpm
    const requestsWaitMs = requestsFit(this.nowMs) ? 0 : this.#waitFor(requestsFit)
    const tokensWaitMs = tokensFit(this.nowMs) ? 0 : this.#waitFor(tokensFit)
    if (requestsWaitMs === 0 && tokensWaitMs === 0) return `limited:parallel:${this.open.size}:1`
    if (tokensWaitMs > requestsWaitMs)
      return `limited:tokens:${this.used('tokens')}:${tokens}:${tokensWaitMs}`
    return `limited:requests:${this.used('requests')}:1:${requestsWaitMs}`
  }

  #admit(id: number, tokens: number, waitedMs: number): void {
    const entry = { timeMs: this.nowMs, requests: 1, tokens: Math.min(tokens, this.limits.tpm ?? Infinity) }
    this.#log.push(entry)
    this.open.set(id, { entry, tokensGone: 0 })
    this.ends.set(id, { how: 'admitted', waitedMs })
  }

  #first(): Waiting | undefined {
    return this.#line.find(({ client }) => client === this.#turns[0])
  }

  #remove(waiting: Waiting, how: string): void {
    this.#line = this.#line.filter((one) => one !== waiting)
    if (!this.#line.some(({ client }) => client === waiting.client)) {
      this.#turns = this.#turns.filter((client) => client !== waiting.client)
    }
    this.ends.set(waiting.id, { how, waitedMs: this.nowMs - waiting.sinceMs })
  }

  #examine(): void {
    for (let first = this.#first(); first !== undefined; first = this.#first()) {
      if (this.#fits(first.tokens)) {
        this.#turns.push(this.#turns.shift()!)
        this.#remove(first, 'admitted')
        this.#admit(first.id, first.tokens, this.nowMs - first.sinceMs)
        continue
      }
      for (const waiting of this.#line) {
        if (waiting.deadlineMs <= this.nowMs) this.#remove(waiting, 'limited')
      }
      if (this.#first() === first) return
    }
  }

  #nextEvent(): number {
    const first = this.#first()
    if (first === undefined) return Infinity
    const deadlines = this.#line.map(({ deadlineMs }) => deadlineMs)
    const isFull = this.open.size >= (this.limits.maxParallelRequests ?? Infinity)
    const fitsMs = isFull
      ? Infinity
      : this.nowMs + this.#waitFor((atMs) => this.#windowFits(first.tokens, atMs))
    return Math.min(fitsMs, ...deadlines)
  }
}
