// A client's connection to the gateway: one call after the other, and exactly what came back of each.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'

import { MessageReader } from '../support/http-message.ts'
import type { HttpMessage } from '../support/http-message.ts'
import type { PlannedCall } from './calls.ts'

/**
 * What became of a call on the wire. `ended` and `reset`: by the gateway, before the response was complete. `late`: nothing
 * of that within the deadline.
 */
export interface Wire {
  readonly ending: 'answered' | 'left' | 'ended' | 'reset' | 'late' | 'refused' | 'unreadable'
  /** The answer, as far as it came. */
  readonly message: HttpMessage | undefined
  /** In milliseconds of `performance.now()`. */
  readonly sentAtMs: number
  readonly headAtMs: number
  readonly endedAtMs: number
}

const slowReadMs = 15

export class ClientConnection {
  readonly #port: number
  readonly #deadlineMs: number
  #socket: Socket | undefined
  #message: HttpMessage | undefined
  #headAtMs = 0
  #end: ((ending: Wire['ending']) => void) | undefined
  #readsSlowly = false

  /** @param deadlineMs for a call, from sending to the end. */
  constructor(url: string, deadlineMs: number) {
    this.#port = Number(new URL(url).port)
    this.#deadlineMs = deadlineMs
  }

  /** Calls, leaves as planned, and resolves with what came. */
  async call(
    request: Buffer,
    { leaves, readsSlowly }: Pick<PlannedCall, 'leaves' | 'readsSlowly'>,
    onHead?: () => void,
  ): Promise<Wire> {
    this.#message = undefined
    this.#readsSlowly = readsSlowly
    const ended = Promise.withResolvers<Wire['ending']>()
    this.#end = ended.resolve
    this.#onHead = onHead
    const socket = (this.#socket ??= this.#connect())
    const sentAtMs = performance.now()
    socket.write(request)
    const deadline = setTimeout(() => ended.resolve('late'), this.#deadlineMs)
    const leave = leaves && setTimeout(() => ended.resolve('left'), leaves.afterMs)
    const ending = await ended.promise
    this.#end = undefined
    clearTimeout(deadline)
    clearTimeout(leave)
    const endedAtMs = performance.now()
    const message = this.#message as HttpMessage | undefined
    if (ending !== 'answered' || message?.header('connection') === 'close') this.close(leaves?.how)
    return { ending, message, sentAtMs, headAtMs: this.#headAtMs, endedAtMs }
  }

  close(how: 'close' | 'reset' = 'close'): void {
    if (how === 'close') this.#socket?.destroy()
    else this.#socket?.resetAndDestroy()
    this.#socket = undefined
  }

  #onHead: (() => void) | undefined

  #connect(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true })
    const end = (ending: Wire['ending']) => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#end?.(ending)
    }
    const reader = new MessageReader({
      isResponse: true,
      onHead: (message) => {
        if (this.#end === undefined) throw new Error('a response that nobody asked for')
        this.#message = message
        this.#headAtMs = performance.now()
        this.#onHead?.()
      },
      onComplete: () => this.#end?.('answered'),
    })
    socket.on('data', (bytes: Buffer) => {
      try {
        reader.push(bytes)
      } catch {
        end('unreadable')
        socket.destroy()
      }
      if (!this.#readsSlowly || this.#end === undefined) return
      socket.pause()
      setTimeout(() => socket.resume(), slowReadMs)
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(error.code === 'ECONNREFUSED' ? 'refused' : 'reset'),
    )
    socket.on('close', () => end('ended'))
    return socket
  }
}
