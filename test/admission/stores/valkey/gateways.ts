// Several gateways' stores over one real server, in one process: one clock for all of them, and for the server's script.
import { Allotments } from '../../../../src/admission/stores/valkey/allotments.ts'
import type { WhenUnavailable } from '../../../../src/admission/stores/valkey/allotments.ts'
import { readReply, type ScriptReplies } from '../../../../src/admission/stores/valkey/replies.ts'
import { ValkeyStore } from '../../../../src/admission/stores/valkey/valkey-store.ts'
import type { Scope } from '../../../../src/admission/scopes.ts'
import type { AdmissionStore } from '../../../../src/admission/stores/store.ts'
import { FakeClock, settled } from '../../../support/fake-clock.ts'
import type { ExchangeServer } from './exchange-server.ts'

/** What is called so is of one machine alone. */
export const ownName = 'own'

let lastPrefix = 0

export class Gateways {
  readonly clock = new FakeClock(0)
  readonly stores: ValkeyStore[] = []
  readonly allotments: Allotments[] = []
  /** Round trips so far. */
  exchanges = 0
  /** How many scopes each of them was about. */
  readonly sizes: number[] = []
  isUp = true
  /** The most exchanges that were under way at the same time. */
  mostAtOnce = 0
  #underWay = 0
  /** What each exchange fails with, though the server is there. */
  fault: Error | undefined
  /** What was reported of it. */
  readonly reported: unknown[] = []
  readonly #server: ExchangeServer
  readonly prefix = `t${++lastPrefix}`
  #pending: Promise<unknown> | undefined

  private constructor(server: ExchangeServer) {
    this.#server = server
  }

  /** By the real clock, since nobody advances the other one for calls that wait a moment. */
  patienceMs = 5

  static async start(
    server: ExchangeServer,
    count: number,
    whenUnavailable: WhenUnavailable = 'share',
  ): Promise<Gateways> {
    const gateways = new Gateways(server)
    const epoch = { schema: 1, now: 0, grace_until: 0, alive_until: 0 }
    await server.client.hset(`{${gateways.prefix}}:epoch`, epoch)
    for (let index = 0; index < count; index++) gateways.#add(`g${index}.1`, count, whenUnavailable)
    return gateways
  }

  #add(member: string, members: number, whenUnavailable: WhenUnavailable): void {
    const { clock } = this
    const isUp = () => this.isUp
    const allotments: Allotments = new Allotments({
      connection: {
        get isUp() {
          return isUp()
        },
        run: (_script, keys, args) => this.#run(keys, args),
      },
      prefix: this.prefix,
      member,
      clock,
      whenUnavailable,
      members,
      onFreed: () => store.freed(),
      onBug: (error) => {
        if (error !== this.fault) throw error
        this.reported.push(error)
      },
    })
    const keyOf = ({ kind, name }: Scope) => (name.startsWith(ownName) ? undefined : `${kind}:${name}`)
    const store = new ValkeyStore({
      allotments,
      keyOf,
      whenUnavailable,
      now: clock.now,
      setTimer: (fn) => {
        const timer = setTimeout(fn, this.patienceMs)
        return () => clearTimeout(timer)
      },
    })
    this.allotments.push(allotments)
    this.stores.push(store)
  }

  async #run(
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<ScriptReplies['exchange']> {
    if (!this.isUp) throw new Error('the server is away')
    this.exchanges++
    this.sizes.push(keys.length - 1)
    if (this.fault !== undefined) throw this.fault
    const running = this.#server.run(keys, args, 1_700_000_000_000 + this.clock.now())
    this.#pending = running.catch(() => {})
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#underWay)
    const { reply, news } = await running.finally(() => this.#underWay--)
    for (const message of news) for (const allotments of this.allotments) allotments.hear(message)
    return readReply('exchange', reply, { keys, args })
  }

  /** Until no exchange is under way. */
  async idle(): Promise<void> {
    await settled()
    while (this.#pending !== undefined) {
      const pending = this.#pending
      await pending
      await settled()
      if (pending === this.#pending) this.#pending = undefined
    }
  }

  /** Timer by timer, each with what it asks the server. */
  async runTo(atMs: number): Promise<void> {
    while (this.clock.nextAtMs <= atMs) {
      this.clock.advance(Math.max(0, this.clock.nextAtMs - this.clock.now()))
      await this.idle()
    }
    this.clock.advance(Math.max(0, atMs - this.clock.now()))
  }

  /** A gateway's store, for which time passes to the moment that it is asked at. */
  at(index: number): AdmissionStore {
    const store = this.stores[index]!
    const then = async <T>(nowMs: number, run: () => T | Promise<T>): Promise<T> => {
      await this.runTo(nowMs)
      const result = await run()
      await this.idle()
      return result
    }
    return {
      reserve: (demand, nowMs) => then(nowMs, () => store.reserve(demand, nowMs)),
      probe: (demand, nowMs) => then(nowMs, () => store.probe(demand, nowMs)),
      grow: (reservation, tokens, nowMs) => then(nowMs, () => store.grow(reservation, tokens, nowMs)),
      settle: (reservation, charge, nowMs) => then(nowMs, () => store.settle(reservation, charge, nowMs)),
      move: (reservation, oneOf, nowMs) => then(nowMs, () => store.move(reservation, oneOf, nowMs)),
      use: (scope, nowMs) => then(nowMs, () => store.use(scope, nowMs)),
      set onFreed(listener: () => void) {
        store.onFreed = listener
      },
    }
  }
}
