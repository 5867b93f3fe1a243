// Services that a test opens and fails by hand.
import type {
  NotStarted,
  ServiceCaller,
  ServiceEntry,
  Services,
  ServiceVisit,
} from '../../src/upstream/services/services.ts'

interface Waiting {
  readonly provider: string
  readonly caller: ServiceCaller
  readonly resolve: (entry: ServiceEntry) => void
}

export class FakeServices implements Services {
  readonly #open = new Set<string>()
  readonly #names: ReadonlySet<string>
  /** Visits that have not been left. */
  readonly inside: string[] = []
  readonly woken: string[] = []
  readonly suspected: string[] = []
  waiting: Waiting[] = []
  mode: 'wait' | 'failover' = 'wait'

  constructor(...names: readonly string[]) {
    this.#names = new Set(names)
  }

  generation = 1
  /** Calls that have left, each with since when it was there. */
  readonly leftEarlier: [string, number][] = []

  leaveEarlier(provider: string, since: number): void {
    this.leftEarlier.push([provider, since])
  }

  has(provider: string): boolean {
    return this.#names.has(provider)
  }

  isOpen(provider: string): boolean {
    return !this.has(provider) || this.#open.has(provider)
  }

  whenStarting(): 'wait' | 'failover' {
    return this.mode
  }

  enter(provider: string, caller: ServiceCaller): ServiceVisit | Promise<ServiceEntry> {
    if (this.#open.has(provider)) return this.#visit(provider)
    return new Promise((resolve) => {
      const waiting = { provider, caller, resolve }
      this.waiting.push(waiting)
      const leave = () => {
        this.waiting = this.waiting.filter((each) => each !== waiting)
        caller.disconnect.onGone = undefined
        resolve({ kind: 'gone', waitedMs: 7 })
      }
      caller.disconnect.onGone = leave
    })
  }

  enterIfOpen(provider: string): ServiceVisit | undefined {
    return this.#open.has(provider) ? this.#visit(provider) : undefined
  }

  wake(provider: string): void {
    this.woken.push(provider)
  }

  suspect(provider: string): void {
    this.suspected.push(provider)
  }

  /** The service runs: who waits for it is let in. */
  open(provider: string): void {
    this.#open.add(provider)
    this.#end(provider, () => ({ kind: 'entered', visit: this.#visit(provider), waitedMs: 7 }))
  }

  /** It runs no more, whatever calls are in it. */
  shut(provider: string): void {
    this.#open.delete(provider)
  }

  fail(provider: string, failure: NotStarted): void {
    this.#end(provider, () => ({ kind: 'not_started', failure, waitedMs: 7 }))
  }

  #end(provider: string, entryOf: () => ServiceEntry): void {
    const ended = this.waiting.filter((each) => each.provider === provider)
    this.waiting = this.waiting.filter((each) => each.provider !== provider)
    for (const { caller, resolve } of ended) {
      caller.disconnect.onGone = undefined
      resolve(entryOf())
    }
  }

  #visit(provider: string): ServiceVisit {
    this.inside.push(provider)
    let hasLeft = false
    const isOpen = () => this.#open.has(provider)
    return {
      get isValid() {
        return !hasLeft && isOpen()
      },
      leave: () => {
        if (hasLeft) return
        hasLeft = true
        this.inside.splice(this.inside.indexOf(provider), 1)
      },
    }
  }
}
