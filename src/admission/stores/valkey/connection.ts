// The connection to a Valkey or Redis server that several gateways share. It comes and goes without an error of its own: a
// command while it is down fails at once, and what is done then is the caller's decision. Each new connection is joined before
// anything else is asked over it, because the server may be another one than before, or the same without its data.
import type { StoreEndpoint } from '../../../config/store-types.ts'
import type { SetTimer } from '../../../platform/clock.ts'
import type { Client } from './client.ts'
import { storeKey } from './keys.ts'
import { type Link, type LinkParts, openLink, silenceMs } from './link.ts'
import type { ScriptReplies } from './replies.ts'
import { readScripts, type ScriptName } from './script-files.ts'
import { faultOf, StoreFault } from './store-fault.ts'

export interface StoreConnection {
  /** Connected, joined, and since then no command has timed out or had a reply that is none. */
  readonly isUp: boolean
  /** Why not, for people; no address with credentials. Undefined while it is up. */
  readonly fault: string | undefined
  /** As of the last time that it was up. Undefined: it has not been yet. */
  readonly joined: Joined | undefined
  /**
   * Runs one of our scripts by its hash; a server that does not know it gets it, and runs it then. What is run in one turn
   * of the event loop is sent together.
   *
   * Rejects with a `StoreFault` and nothing else. A rejection does not say that the script did not run.
   *
   * @param timeoutMs default: 100.
   */
  run<Name extends ScriptName>(
    script: Name,
    keys: readonly string[],
    args: readonly (string | number)[],
    timeoutMs?: number,
  ): Promise<ScriptReplies[Name]>
  /** Called with each message of the channel `{PREFIX}:news`, which comes over a connection of its own. One listener. */
  onNews: ((message: string) => void) | undefined
  /**
   * Called when the server, while it is up, has lost what gateways hold, or may have: it waits for a lease for all to say
   * so, and grants nothing meanwhile. One listener.
   */
  onGrace: (() => void) | undefined
  /** Called at each change of `isUp`, with no arguments. One listener. */
  onChange: (() => void) | undefined
  /** Leaves, if it is up, and disconnects. Whatever runs fails. */
  close(): Promise<void>
}

/** What the server and the other gateways are. */
interface Joined {
  /** `Valkey 8.0.1`. */
  readonly version: string
  /** Machines that have joined within the last lease, this one included. */
  readonly members: number
  /** The server's `maxmemory-policy`, if keys of ours may be deleted by it. Undefined: none is. */
  readonly evictionPolicy: string | undefined
}

export interface ConnectionOptions {
  readonly endpoint: StoreEndpoint
  /** Certificates in PEM; undefined: those of Node. */
  readonly ca: string | undefined
  readonly prefix: string
  readonly member: Member
  /** Of what the keys hold; a gateway that knows less than the store is refused. At least 1. */
  readonly schema: number
  /** How long an allotment is valid, in milliseconds. */
  readonly leaseMs: number
  readonly setTimer: SetTimer
  /** From 0 to below 1. */
  readonly chance: () => number
}

/** This gateway, among those that share the store. */
interface Member {
  /** Of the machine, without a dot: the same after a restart. */
  readonly machine: string
  /** Of the process, without a dot. */
  readonly process: string
  readonly host: string
  readonly version: string
  /** Tells a state directory from a copy of it, whose machine has the same name. */
  readonly place?: string | undefined
  /** Of its budgets, as it is now; undefined: it has none. */
  readonly timeZone?: () => string | undefined
}

const runTimeoutMs = 100
/** While it is up. Three in a lease, so that one may be late. */
const joinEveryMs = 1000
/** While it is down. */
const rejoinEveryMs = 250
const minBackoffMs = 50
const maxBackoffMs = 2000
const newsRetryMs = 1000
/** A server whose replies are none is left alone for so long, each time longer. */
const minGarbledMs = 5000
const maxGarbledMs = 60_000

/** After these, the server is to be looked for again: https://valkey.io/topics/protocol/. */
const lostCodes: ReadonlySet<string | undefined> = new Set([
  'ASK',
  'CLUSTERDOWN',
  'LOADING',
  'MASTERDOWN',
  'MOVED',
  'NOAUTH',
  'NOPERM',
  'READONLY',
])

/**
 * Loads the client library, and connects in the background for ever.
 * @throws Error when the library is not installed, with the command to install it.
 */
export async function connectStore(options: ConnectionOptions): Promise<StoreConnection> {
  const { openClient } = await import('./client.ts').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error(
      'rate_limit_settings.store needs the package ioredis, which is not installed: run npm ci --include=optional',
    )
  })
  return new Connection(options, openClient)
}

class Connection implements StoreConnection {
  fault: string | undefined = 'not connected yet'
  joined: Joined | undefined
  onNews: ((message: string) => void) | undefined
  onGrace: (() => void) | undefined
  onChange: (() => void) | undefined
  /** Of the server's clock: when the last grace that is known ends. */
  #graceUntilMs = 0
  readonly #options: ConnectionOptions
  readonly #linkParts: LinkParts
  #link: Link | undefined
  #news: Client | undefined
  #isClosed = false
  /** The link that has ended last was closed because of what came over it. */
  #isGarbled = false
  /** Resolves with the start of `close`. */
  readonly #closing = Promise.withResolvers<void>()
  /** Ends the pause of the loop. */
  #wake: (() => void) | undefined
  readonly #ended: Promise<void>

  constructor(options: ConnectionOptions, open: LinkParts['open']) {
    this.#options = options
    const { endpoint, ca, prefix, setTimer } = options
    this.#linkParts = { open, endpoint, ca, prefix, setTimer, scripts: readScripts() }
    this.#ended = this.#live()
  }

  get isUp(): boolean {
    return this.fault === undefined
  }

  async run<Name extends ScriptName>(
    script: Name,
    keys: readonly string[],
    args: readonly (string | number)[],
    timeoutMs: number = runTimeoutMs,
  ): Promise<ScriptReplies[Name]> {
    const link = this.#link
    if (link === undefined || this.fault !== undefined)
      throw new StoreFault('down', this.fault ?? 'not connected')
    try {
      return await this.#withTimeout(link.run(script, keys, args), timeoutMs)
    } catch (error) {
      const fault = faultOf(error)
      const isMinor = fault.kind === 'refused' && !lostCodes.has(fault.code)
      // A fault of an earlier link says nothing about this one.
      if (!isMinor && link === this.#link) this.#lose(link, fault)
      throw new StoreFault(fault.kind, this.#withoutSecret(fault.message), fault.code)
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    const { machine, process } = this.#options.member
    const leaving = this.isUp
      ? this.run('leave', this.#keys, [`${machine}.${process}`, this.#description]).catch(() => {})
      : undefined
    this.#isClosed = true
    this.#closing.resolve()
    await leaving
    this.#link?.end()
    this.#wake?.()
    await this.#ended
  }

  get #keys(): readonly string[] {
    const { prefix } = this.#options
    return [storeKey(prefix, 'epoch'), storeKey(prefix, 'members')]
  }

  get #description(): string {
    const { host, version, place, timeZone } = this.#options.member
    return JSON.stringify({ host, version, place, zone: timeZone?.() })
  }

  /** One link after the other. Never rejects. */
  async #live(): Promise<void> {
    let failures = 0
    let timesGarbled = 0
    while (!this.#isClosed) {
      this.#isGarbled = false
      const cancelTrust = this.#options.setTimer(() => (timesGarbled = 0), maxGarbledMs)
      try {
        const link = await this.#open()
        if (link === undefined) break
        this.#link = link
        if (await this.#keepJoined(link)) failures = 0
        link.end()
      } catch (error) {
        const fault = faultOf(error)
        this.#isGarbled = fault.kind === 'garbled'
        this.#setFault(fault.message)
      } finally {
        cancelTrust()
      }
      this.#link = undefined
      this.#news?.disconnect()
      this.#news = undefined
      if (this.#isClosed) break
      if (this.#isGarbled) {
        // Its next reply may be right: without a pause it would come and go all the time.
        await this.#pause(Math.min(maxGarbledMs, minGarbledMs * 2 ** timesGarbled))
        timesGarbled += 1
        continue
      }
      const limitMs = Math.min(maxBackoffMs, minBackoffMs * 2 ** failures)
      failures += 1
      await this.#pause(limitMs * (0.5 + this.#options.chance() / 2))
    }
    this.#setFault('closed')
  }

  /** Undefined once this is closed: a server that says nothing, or several of them, would hold up the end for seconds. */
  async #open(): Promise<Link | undefined> {
    const opening = openLink(this.#linkParts)
    const link = await Promise.race([opening, this.#closing.promise])
    if (link !== undefined) return link
    void opening.then(
      (late) => late.end(),
      () => {},
    )
    return undefined
  }

  /** Joins over and over until the link ends. @returns whether it succeeded once. */
  async #keepJoined(link: Link): Promise<boolean> {
    let hasJoined = false
    while (!link.hasEnded && !this.#isClosed) {
      const wasUp = this.isUp
      const joining = this.#join(link)
      try {
        await this.#withTimeout(joining, wasUp ? runTimeoutMs : silenceMs)
      } catch (error) {
        const fault = faultOf(error)
        this.#lose(link, fault)
        if (fault.kind === 'timeout' && !(wasUp && (await this.#comesLate(joining)))) link.end()
      }
      if (this.isUp && !hasJoined) {
        hasJoined = true
        void this.#followNews(link)
      }
      if (!link.hasEnded) await this.#pause(this.isUp ? joinEveryMs : rejoinEveryMs, link)
    }
    const { violation } = link
    if (violation !== undefined) this.#lose(link, violation)
    else if (!this.#isClosed) this.#setFault(this.fault ?? `${link.address}: the connection has ended`)
    return hasJoined
  }

  async #join(link: Link): Promise<void> {
    const { member, schema, leaseMs } = this.#options
    const { runId, version, evictionPolicy } = link.info
    const args = [schema, runId, `${member.machine}.${member.process}`, this.#description, leaseMs]
    const { nowMs, graceUntilMs, members } = await link.run('join', this.#keys, args)
    if (link !== this.#link) return
    this.joined = { version, evictionPolicy, members }
    const isNewGrace = this.isUp && graceUntilMs > nowMs && graceUntilMs !== this.#graceUntilMs
    this.#graceUntilMs = graceUntilMs
    this.#setFault(undefined)
    if (isNewGrace) this.onGrace?.()
  }

  /** A server that was stopped for a moment answers what it was sent before. */
  async #comesLate(joining: Promise<void>): Promise<boolean> {
    return this.#withTimeout(joining, silenceMs).then(
      () => true,
      () => false,
    )
  }

  /** It is down until the next join succeeds, over this link or another one. */
  #lose(link: Link, fault: StoreFault): void {
    this.#setFault(`${link.address}: ${inOurWords(fault)}`)
    if (fault.kind === 'garbled') this.#isGarbled = true
    if (fault.kind === 'garbled' || lostCodes.has(fault.code)) link.end()
  }

  #setFault(fault: string | undefined): void {
    const wasUp = this.isUp
    this.fault = fault === undefined ? undefined : this.#withoutSecret(fault)
    if (wasUp === this.isUp) return
    if (!this.isUp) this.#wake?.()
    this.onChange?.()
  }

  /** Whoever sits on the port has been told the password, and may repeat it in an error. */
  #withoutSecret(message: string): string {
    const password = this.#options.endpoint.login?.password.reveal() ?? ''
    return password === '' ? message : message.replaceAll(password, '[secret]')
  }

  /** While the link is there. What fails is only slower without messages, so nothing is reported. */
  async #followNews(link: Link): Promise<void> {
    while (!link.hasEnded && !this.#isClosed) {
      try {
        const client = await link.openNews((message) => this.onNews?.(message))
        if (link !== this.#link) {
          client.disconnect()
          return
        }
        this.#news = client
        await new Promise((resolve) => client.once('end', resolve))
      } catch {}
      if (link === this.#link) await this.#sleep(newsRetryMs, link)
    }
  }

  async #withTimeout<T>(promise: Promise<T>, timeoutMs: number): Promise<T> {
    let cancel: () => void = () => {}
    const late = new Promise<never>((_resolve, reject) => {
      // A reply that came while this process was busy is read first:
      // https://nodejs.org/learn/asynchronous-work/event-loop-timers-and-nexttick
      cancel = this.#options.setTimer(
        () => setImmediate(() => reject(new StoreFault('timeout', `no reply within ${timeoutMs} ms`))),
        timeoutMs,
      )
    })
    try {
      return await Promise.race([promise, late])
    } finally {
      cancel()
    }
  }

  /** Ends early with the link, with `close`, and when the connection goes down. */
  async #pause(delayMs: number, link?: Link): Promise<void> {
    const woken = new Promise<void>((resolve) => (this.#wake = resolve))
    await Promise.race([woken, this.#sleep(delayMs, link)])
    this.#wake = undefined
  }

  async #sleep(delayMs: number, link?: Link): Promise<void> {
    let cancel: () => void = () => {}
    const over = new Promise<void>((resolve) => (cancel = this.#options.setTimer(resolve, delayMs)))
    await (link === undefined ? over : Promise.race([over, link.ended]))
    cancel()
  }
}

function inOurWords({ code, message }: StoreFault): string {
  if (code === 'MOVED') return 'the server is a node of a cluster: write the URL with +cluster'
  return message
}
