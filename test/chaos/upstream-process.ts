// One of the upstreams as its process: killed, and started again at the same port.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'

import { soon } from '../support/deadline.ts'
import type { Tag } from './responses.ts'

/** What an upstream tells. Times are those of `process.hrtime`, in milliseconds. */
export type Told =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'began' | 'ended'; readonly tag: Tag; readonly callId: string; readonly atMs: number }
  | ({ readonly kind: 'standing' } & Standing)

/** Requests under way, and connections that are open. */
export interface Standing {
  readonly active: number
  readonly connections: number
}

/** What it is told. */
export type Order = 'calm down' | 'release probes' | 'how do you stand'

type RequestNews = Extract<Told, { readonly callId: string }>

const program = join(import.meta.dirname, 'upstream.ts')

export class UpstreamProcess {
  readonly name: string
  readonly #seed: number
  readonly #onNews: (news: RequestNews) => void
  #child: ChildProcess | undefined
  #starts = 0
  #port = 0
  #standing = Promise.withResolvers<Standing>()

  constructor(name: string, seed: number, onNews: (news: RequestNews) => void) {
    this.name = name
    this.#seed = seed
    this.#onNews = onNews
  }

  /** Where it listens, or did last. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** @param mayKeepPort false: at a new port. Somebody's client may have taken the old one meanwhile; then that too. */
  async start(mayKeepPort: boolean): Promise<void> {
    const ports = mayKeepPort && this.#port !== 0 ? [this.#port, this.#port, 0] : [0]
    for (const port of ports) {
      if (await this.#startAt(port)) return
    }
    throw new Error(`upstream ${this.name} does not start`)
  }

  /** Without a word to anybody. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await soon(ended, () => `the end of upstream ${this.name}`)
  }

  order(order: Order): void {
    this.#child?.send(order)
  }

  async standing(): Promise<Standing> {
    this.#standing = Promise.withResolvers()
    this.order('how do you stand')
    return soon(this.#standing.promise, () => `upstream ${this.name} to say how it stands`)
  }

  async #startAt(port: number): Promise<boolean> {
    const args = [this.name, String(++this.#starts), String(port), String(this.#seed)]
    const child = fork(program, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child = child
    const begun = Promise.withResolvers<boolean>()
    child.on('error', () => begun.resolve(false))
    child.once('exit', () => begun.resolve(false))
    child.on('message', (told: Told) => {
      if (told.kind === 'listening') {
        this.#port = told.port
        begun.resolve(true)
      } else if (told.kind === 'standing') this.#standing.resolve(told)
      else this.#onNews(told)
    })
    return soon(begun.promise, () => `upstream ${this.name} to listen`)
  }
}
