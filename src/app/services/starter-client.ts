// The connection to the process that starts model servers, over its Unix socket. It stays open while there are services: through it
// the gateway sees what becomes of their units. When it ends, another one is made every second.
import { connect, type Socket } from 'node:net'
import type { SetTimer } from '../../platform/clock.ts'
import type { StarterMessage, StarterRequest } from '../../platform/unit-report.ts'
import { type Starter, unreachable } from '../../upstream/services/starter.ts'
import { readStarterMessage } from './starter-messages.ts'

/** `found`: units are known and can be started, for the first time or again. */
export type StarterChange =
  | { readonly kind: 'found' }
  /** The reason is a clause for people: `it has closed the connection`. */
  | { readonly kind: 'lost'; readonly reason: string }

export interface StarterClientParts {
  /** Of its socket. Undefined: the gateway was not told of any, so that every start fails. */
  readonly path: string | undefined
  readonly setTimer: SetTimer
  /** Called once for each change; repeated failures to connect are one. */
  readonly onChange: (change: StarterChange) => void
  /** Called with what a listener has thrown. */
  readonly onBug: (error: unknown) => void
}

const reconnectMs = 1_000
/** After a message that it does not understand: another attempt soon would read the same one. */
const afterFaultMs = 10_000
/** From the connection to `hello`: the service manager may have to start the process first. */
const helloMs = 5_000
/** How long a request waits for the connection. */
const waitMs = 2_000
/** How long a request waits for its answer: the manager accepts or refuses at once, even when it is busy. */
const answerMs = 20_000
/** A process that works sends something every two seconds. */
const silenceMs = 10_000
/** Of a line, in characters: far more than a report of all services has. */
const maxLine = 1_048_576

export class StarterClient implements Starter {
  onReports: Starter['onReports']
  onLost: Starter['onLost']
  readonly #parts: StarterClientParts
  #socket: Socket | undefined
  #rest = ''
  /** `hello` has come on this connection. */
  #isGreeted = false
  #isClosed = false
  /** The starter does not know yet of the last load of the configuration. */
  #owesReload = false
  /** What was reported last. */
  #reported: StarterChange['kind'] | undefined
  /** Of the next attempt, or of what comes next on a connection. */
  #stopTimer: (() => void) | undefined
  #lastId = 0
  readonly #answers = new Map<number, (reason: string | undefined) => void>()
  readonly #waiting = new Set<(isGreeted: boolean) => void>()

  constructor(parts: StarterClientParts) {
    this.#parts = parts
  }

  start(service: string, unit: string): Promise<string | undefined> {
    return this.#ask('start', service, unit)
  }

  stop(service: string, unit: string): Promise<string | undefined> {
    return this.#ask('stop', service, unit)
  }

  look(): void {
    if (this.#isGreeted) this.#send({ kind: 'look', id: this.#nextId() })
  }

  reload(): void {
    this.#owesReload = !this.#isGreeted
    if (this.#isGreeted) this.#send({ kind: 'reload', id: this.#nextId() })
  }

  connect(): void {
    const { path } = this.#parts
    if (this.#isClosed || this.#socket !== undefined) return
    this.#stopTimer?.()
    if (path === undefined) {
      this.#report({ kind: 'lost', reason: 'the gateway does not know its socket' })
      return
    }
    const socket = connect(path).setEncoding('utf8')
    this.#socket = socket
    this.#rest = ''
    this.#stopTimer = this.#parts.setTimer(() => {
      this.#end(`it has not responded within ${helloMs / 1000} s`, reconnectMs)
    }, helloMs)
    // A listener of a connection that was given up does nothing.
    const ifOwn = (step: () => void) => () => {
      if (this.#socket === socket) step()
    }
    socket.on('data', (text: string) => ifOwn(() => this.#onText(text, socket))())
    socket.on('error', (error: NodeJS.ErrnoException) =>
      ifOwn(() =>
        this.#end(`its socket ${path} can't be used (${error.code ?? error.message})`, reconnectMs),
      )(),
    )
    socket.on(
      'close',
      ifOwn(() => this.#end('it has closed the connection', reconnectMs)),
    )
  }

  close(): void {
    this.#isClosed = true
    this.#stopTimer?.()
    this.#drop()
    this.#release(false)
  }

  async #ask(kind: 'start' | 'stop', service: string, unit: string): Promise<string | undefined> {
    if (!this.#isGreeted && !(await this.#greeted())) return unreachable
    const id = this.#nextId()
    return new Promise((resolve) => {
      // Whether it is carried out later is not known, nor how old what follows is.
      const stopTimer = this.#parts.setTimer(() => {
        this.#end(`it has not answered within ${answerMs / 1000} s`, reconnectMs)
      }, answerMs)
      this.#answers.set(id, (reason) => {
        stopTimer()
        resolve(reason)
      })
      this.#send({ kind, id, service, unit })
    })
  }

  /** Waits for the connection. @returns false: it was not made in time. */
  #greeted(): Promise<boolean> {
    if (this.#isClosed || this.#parts.path === undefined) return Promise.resolve(false)
    return new Promise((resolve) => {
      const settle = (isGreeted: boolean) => {
        stopTimer()
        this.#waiting.delete(settle)
        resolve(isGreeted)
      }
      const stopTimer = this.#parts.setTimer(() => settle(false), waitMs)
      this.#waiting.add(settle)
    })
  }

  #onText(text: string, socket: Socket): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop()!
    for (const line of lines) {
      const message = line.length > maxLine ? undefined : readStarterMessage(line)
      if (message === undefined || !this.#onMessage(message)) {
        this.#end('it has sent a message that this version of the gateway does not understand', afterFaultMs)
      }
      if (this.#socket !== socket) return
    }
    this.#awaitMore()
    if (this.#rest.length > maxLine)
      this.#end(`it has sent a line of more than ${maxLine} characters`, afterFaultMs)
  }

  #awaitMore(): void {
    if (!this.#isGreeted) return
    this.#stopTimer?.()
    this.#stopTimer = this.#parts.setTimer(() => {
      this.#end(`nothing has come from it for ${silenceMs / 1000} s`, reconnectMs)
    }, silenceMs)
  }

  /** @returns false: it may not come now. */
  #onMessage(message: StarterMessage): boolean {
    if ((message.kind === 'hello') === this.#isGreeted) return false
    switch (message.kind) {
      case 'hello':
        this.#isGreeted = true
        if (this.#owesReload) this.reload()
        this.#release(true)
        return true
      case 'alive':
        return true
      case 'unusable':
        this.#report({ kind: 'lost', reason: 'it cannot use its configuration: its journal has the reason' })
        this.#notify(() => this.onLost?.(message.reason))
        return true
      case 'units': {
        if (message.isWhole) this.#report({ kind: 'found' })
        const { reports, isWhole } = message
        this.#notify(() => this.onReports?.(reports, isWhole))
        return true
      }
      case 'done':
        this.#answer(message.id, undefined)
        return true
      case 'refused':
        this.#answer(message.id, message.reason)
        return true
      default:
        return message satisfies never
    }
  }

  #send(request: StarterRequest): void {
    this.#socket?.write(`${JSON.stringify(request)}\n`)
  }

  #nextId(): number {
    this.#lastId += 1
    return this.#lastId
  }

  #answer(id: number, reason: string | undefined): void {
    const resolve = this.#answers.get(id)
    this.#answers.delete(id)
    resolve?.(reason)
  }

  /** Ends the connection, or the attempt to make one. */
  #end(reason: string, againMs: number): void {
    this.#stopTimer?.()
    const wasGreeted = this.#isGreeted
    this.#drop()
    this.#report({ kind: 'lost', reason })
    if (wasGreeted) this.#notify(() => this.onLost?.())
    if (!this.#isClosed) this.#stopTimer = this.#parts.setTimer(() => this.connect(), againMs)
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = undefined
    this.#isGreeted = false
    this.#rest = ''
    // What is under way on it may still fail.
    socket?.on('error', () => {}).destroy()
    for (const id of this.#answers.keys()) this.#answer(id, unreachable)
  }

  #release(isGreeted: boolean): void {
    for (const settle of this.#waiting) settle(isGreeted)
  }

  #report(change: StarterChange): void {
    if (this.#reported === change.kind) return
    this.#reported = change.kind
    this.#notify(() => this.#parts.onChange(change))
  }

  #notify(step: () => void): void {
    try {
      step()
    } catch (error) {
      this.#parts.onBug(error)
    }
  }
}
