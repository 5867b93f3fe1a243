// What tells the programs of one client apart while their calls wait in line. A client may send what it likes here, so nothing
// but the order of its own calls follows from it.
import { createHmac } from 'node:crypto'
import type { Program } from '../admission/waiting-line.ts'

/** In which programs name their session: Claude Code's; Codex's; of pi and of opencode. */
const knownSessionHeaders = ['x-claude-code-session-id', 'session-id', 'session_id', 'x-session-affinity']

/** With the user agent, they tell programs apart that name no session. */
const credentialHeaders = ['authorization', 'x-api-key', 'api-key']

/** From 1 on. Two programs of one client get the same number once in so many times, and then share their turns. */
const numbers = 99_999

/** The programs of a gateway's clients. */
export interface ProgramNames {
  /** Of the process, at random, so that a number reveals nothing of a header. */
  readonly key: readonly number[]
  /** In lower case, as the configuration names them for traces. */
  readonly sessionHeaders: readonly string[]
}

/** The program that sent a call. Its number is computed when it is asked for. */
export class CallProgram implements Program {
  readonly #rawHeaders: readonly string[]
  readonly #names: ProgramNames
  #number: number | undefined

  /** @param rawHeaders of the request: names and values in turn. */
  constructor(rawHeaders: readonly string[], names: ProgramNames) {
    this.#rawHeaders = rawHeaders
    this.#names = names
  }

  get number(): number {
    this.#number ??= this.#compute()
    return this.#number
  }

  #compute(): number {
    const { key, sessionHeaders } = this.#names
    const session = this.#firstOf(sessionHeaders) ?? this.#firstOf(knownSessionHeaders)
    const text =
      session ?? `${this.#firstOf(credentialHeaders) ?? ''}\n${this.#firstOf(['user-agent']) ?? ''}`
    const digest = createHmac('sha256', key.join(' ')).update(text).digest()
    return 1 + (digest.readUInt32LE() % numbers)
  }

  /** Of the names in order, not empty: the value of the first that is there. */
  #firstOf(names: readonly string[]): string | undefined {
    for (const name of names) {
      for (let index = 0; index < this.#rawHeaders.length; index += 2) {
        const value = this.#rawHeaders[index + 1]!
        if (value !== '' && this.#rawHeaders[index]!.toLowerCase() === name) return value
      }
    }
    return undefined
  }
}
