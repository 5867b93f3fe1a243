// What a translation of a request cannot carry: members that are left out, and the first that makes it impossible.
import { GatewayError } from '../../errors.ts'
import { invalidRequest } from '../request.ts'
import type { Members } from './members.ts'

/** Names end up in the log, so a client's own inventions do not stand there as they are. */
const memberName = /^[a-z][a-z0-9_]{0,63}$/
const maxDropped = 64
const maxMessage = 500

/** Of one request. */
export class RequestNotes {
  readonly #dropped = new Set<string>()
  #problem: GatewayError | undefined

  /** Names of the members that were left out, each once. */
  get dropped(): readonly string[] {
    return [...this.#dropped]
  }

  /** The first reason not to send the request. */
  get problem(): GatewayError | undefined {
    return this.#problem
  }

  /** @param name `store`, `tools.defer_loading`. */
  drop(name: string): void {
    if (this.#dropped.size < maxDropped) this.#dropped.add(name)
  }

  /** Names all members of an object that no translation knows. @param of `tools.`, or empty at the top. */
  dropUnknown(members: Members, known: ReadonlySet<string>, of = ''): void {
    for (const [name, { kind }] of members) {
      if (known.has(name) || kind === 'null') continue
      this.drop(`${of}${memberName.test(name) ? name : '?'}`)
    }
  }

  /** The provider's format cannot express the member, which another target may accept. */
  refuse(param: string, message: string): void {
    this.#problem ??= new GatewayError('not_translatable', bounded(message), { param })
  }

  /** The member breaks the client's own format. */
  reject(param: string, message: string): void {
    this.#problem ??= invalidRequest(bounded(message), param)
  }
}

/** A message may quote what the client wrote where a short name is expected. */
function bounded(message: string): string {
  return message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message
}
