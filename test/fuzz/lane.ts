// One client that sends input after input, on the same connection while that lasts.
import { connect } from 'node:net'
import type { Socket } from 'node:net'

import { MessageReader } from '../support/http-message.ts'
import type { HttpMessage } from '../support/http-message.ts'
import type { Input } from './mutations.ts'

export interface Sent {
  readonly statuses: readonly number[]
  readonly fault: string | undefined
}

/** The gateway waits for more of a request that is cut off; after so long without a byte the client stops sending. */
const quietMs = 150
/** Then, or after a response that says so, the gateway has to end the connection. */
const endMs = 10_000

export class Lane {
  readonly #port: number
  readonly #key: string
  #connection: Connection | undefined

  /** @param key may stand in no response. */
  constructor(url: string, key: string) {
    this.#port = Number(new URL(url).port)
    this.#key = key
  }

  /** @param mayReuse whether the connection may stay open for the next input. */
  async send(input: Input, mayReuse: boolean): Promise<Sent> {
    const connection = this.#connection ?? new Connection(this.#port, this.#key)
    this.#connection = undefined
    await connection.open
    connection.begin(input)
    for (const piece of input.pieces) {
      connection.socket.write(piece)
      if (input.pieces.length > 1) await new Promise((resolve) => setImmediate(resolve))
    }
    if (input.leaves !== 'no') connection.leave(input.leaves)
    let state = await connection.settled(quietMs)
    if (state === 'answered' && mayReuse) this.#connection = connection
    else if (state !== 'ended') {
      connection.socket.end()
      state = await connection.ended(endMs)
      if (state !== 'ended') connection.fault ??= `the connection was still open after ${endMs} ms`
      connection.socket.destroy()
    }
    return { statuses: connection.statuses, fault: connection.fault }
  }

  close(): void {
    this.#connection?.socket.destroy()
  }
}

type State = 'answered' | 'quiet' | 'ended'

class Connection {
  readonly socket: Socket
  /** Resolves when it is there, or failed. */
  readonly open: Promise<void>
  statuses: number[] = []
  fault: string | undefined
  readonly #reader: MessageReader
  #isBodyless = false
  #isAnswered = false
  #mustEnd = false
  #hasEnded = false
  #timer: NodeJS.Timeout | undefined
  #onChange: (() => void) | undefined

  constructor(port: number, key: string) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.open = new Promise((resolve) => {
      this.socket.once('connect', resolve)
      this.socket.once('close', () => resolve())
    })
    this.#reader = new MessageReader({
      isResponse: true,
      bodyless: () => this.#isBodyless,
      onHead: (message) => this.#judgeHead(message),
      onComplete: (message) => this.#judgeBody(message, key),
    })
    this.socket.on('data', (bytes: Buffer) => {
      try {
        this.#reader.push(bytes)
      } catch (error) {
        this.fault ??= `a response can't be read: ${String(error)}`
        this.socket.destroy()
      }
      this.#timer?.refresh()
      this.#onChange?.()
    })
    this.socket.on('error', () => {})
    this.socket.on('end', () => this.socket.end())
    this.socket.on('close', () => {
      this.#hasEnded = true
      this.#onChange?.()
    })
  }

  begin(input: Input): void {
    this.statuses = []
    this.fault = undefined
    this.#isAnswered = false
    this.#isBodyless = input.pieces.some((piece) => piece.includes('HEAD'))
  }

  leave(how: 'close' | 'reset'): void {
    if (how === 'close') this.socket.destroy()
    else this.socket.resetAndDestroy()
  }

  /** Answered and open, without a byte for a while, or ended. */
  settled(quietAfterMs: number): Promise<State> {
    return this.#wait(quietAfterMs, () => (this.#isAnswered && !this.#mustEnd ? 'answered' : undefined))
  }

  ended(afterMs: number): Promise<State> {
    return this.#wait(afterMs, () => undefined)
  }

  #wait(quietAfterMs: number, look: () => State | undefined): Promise<State> {
    return new Promise((resolve) => {
      const settle = (state: State) => {
        clearTimeout(this.#timer)
        this.#timer = undefined
        this.#onChange = undefined
        resolve(state)
      }
      this.#timer = setTimeout(() => settle('quiet'), quietAfterMs)
      this.#onChange = () => {
        const state = this.#hasEnded ? 'ended' : look()
        if (state !== undefined) settle(state)
      }
      this.#onChange()
    })
  }

  #judgeHead(message: HttpMessage): void {
    const status = Number(message.startLine.split(' ')[1])
    this.statuses.push(status)
    if (status === 101) this.fault ??= 'another protocol'
  }

  #judgeBody(message: HttpMessage, key: string): void {
    const isFinal = this.statuses.at(-1)! >= 200
    this.#isAnswered ||= isFinal
    this.#mustEnd ||= message.headers.some(([name, value]) => name === 'connection' && value === 'close')
    const text = JSON.stringify(message.headers) + message.body().toString()
    if (text.includes(key)) this.fault ??= 'a response has the key'
    if (this.statuses.at(-1)! >= 500) this.fault ??= `${message.startLine} ${text}`
  }
}
