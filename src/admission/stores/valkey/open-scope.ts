// The shared scopes that are in use at this gateway: what it holds of each, and how its talk with the server about it stands.
import type { Clock } from '../../../platform/clock.ts'
import { Allotment, type SharedLimit, type Use, type Wanted } from './allotment.ts'
import type { Agreed } from './exchange.ts'

/** A scope whose limits several gateways share. */
export interface SharedScope {
  /** What it is called in the server, without prefix. */
  readonly key: string
  readonly limits: readonly SharedLimit[]
  /** What is held does not end with the lease but with the scope: of budgets, whose windows end. */
  readonly isLasting?: true
  use(): Use
  /** Nothing of it counts any more. */
  isOver?(): boolean
  /** The server's word has come; `before` is the one before it. */
  onAgreed?(agreed: Agreed, before: Agreed): void
}

/** An exchange that is on its way or about to be sent, and what those who wait for it ask for. */
export interface Question {
  /** Undefined: nothing more, but for what was asked before in vain. */
  wish: Wanted | undefined
  readonly done: Promise<void>
  readonly finish: () => void
}

export class OpenScope {
  scope: SharedScope
  readonly allotment: Allotment
  /** Under way. */
  current: Question | undefined
  /** Goes once `current` is back. */
  next: Question | undefined
  /** Until then the server has nothing to give to who needs so much of each limit. */
  noneUntilMs = -Infinity
  refused: readonly number[] = []
  /** The server is there, and the last exchange failed all the same. */
  isFailing = false
  /** When a call has last asked what may be used. */
  activeAtMs = -Infinity
  /** What was asked for and has not been granted. */
  unmet: Wanted | undefined
  /** Until then somebody waits for that. */
  waitsUntilMs = -Infinity
  sentAtMs = -Infinity
  /** When the exchange was sent that the server's last word is from. */
  agreedAtMs = -Infinity
  /** What the server was told last of what is used. */
  statedUse: readonly number[] = []
  /** Others wait for what lasts: all that is not used is given back with the next exchange. */
  mustRelease = false
  /** The gateway stops. */
  leaves = false

  constructor(scope: SharedScope) {
    this.scope = scope
    this.allotment = new Allotment(scope.limits.length, scope.isLasting)
  }

  get isAsking(): boolean {
    return this.current !== undefined || this.next !== undefined
  }

  get hasUnused(): boolean {
    const { used } = this.scope.use()
    return this.allotment.held.some((held, index) => held > used[index]!)
  }
}

/** The wall clock ahead of the monotonic one by so much more than before: the machine slept, say. */
const sleptMs = 1_000

export class OpenScopes {
  readonly #clock: Pick<Clock, 'now' | 'wallNow'>
  readonly #byKey = new Map<string, OpenScope>()
  #offsetMs: number | undefined

  constructor(clock: Pick<Clock, 'now' | 'wallNow'>) {
    this.#clock = clock
  }

  /** The time, after a look at whether the machine has slept meanwhile, which the monotonic clock does not show. */
  now(): number {
    const nowMs = this.#clock.now()
    const offsetMs = this.#clock.wallNow() - nowMs
    if (offsetMs - (this.#offsetMs ?? offsetMs) > sleptMs) {
      for (const { allotment } of this.#byKey.values()) allotment.expire()
    }
    this.#offsetMs = offsetMs
    return nowMs
  }

  /** For a call that asks what may be used. */
  open(scope: SharedScope, nowMs: number): OpenScope {
    let open = this.#byKey.get(scope.key)
    if (open === undefined) {
      open = new OpenScope(scope)
      this.#byKey.set(scope.key, open)
    }
    if (open.scope !== scope) {
      open.scope = scope
      // Of changed limits there may be more.
      open.noneUntilMs = -Infinity
    }
    open.activeAtMs = nowMs
    return open
  }

  find(key: string): OpenScope | undefined {
    return this.#byKey.get(key)
  }

  has(open: OpenScope): boolean {
    return this.#byKey.get(open.scope.key) === open
  }

  all(): OpenScope[] {
    return [...this.#byKey.values()]
  }

  keys(): string[] {
    return [...this.#byKey.keys()]
  }

  close(open: OpenScope): void {
    this.#byKey.delete(open.scope.key)
  }

  /** @returns those that were open. */
  closeAll(): OpenScope[] {
    const all = this.all()
    this.#byKey.clear()
    return all
  }
}
