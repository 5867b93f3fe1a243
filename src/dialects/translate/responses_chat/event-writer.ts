// Writes the events of the Responses API, whose numbers have no gaps.
import type { ErrorFields } from '../../dialect.ts'
import { failureEvents, type ResponseIdentity } from '../../openai/response-stream.ts'
import type { Write } from '../../translator.ts'

/** Of one response. */
export class EventWriter {
  /** For the client; undefined while it waits for a whole response, for which events are only counted. */
  write: Write | undefined
  /** Of the next event. */
  #number = 0

  /** @param members of the event, besides its type and number. */
  emit(type: string, members: object): void {
    const number = this.#number++
    if (this.write === undefined) return
    this.#send(type, JSON.stringify({ type, ...members, sequence_number: number }))
  }

  /** An event that brings a piece of text: nearly all of a stream. @param beginning its members as JSON, up to the comma. */
  emitDelta(type: string, beginning: string, delta: string): void {
    const number = this.#number++
    if (this.write === undefined) return
    this.#send(
      type,
      `{"type":"${type}",${beginning}"delta":${JSON.stringify(delta)},"sequence_number":${number}}`,
    )
  }

  /** @param response JSON without line breaks. The number stands last, because the response repeats texts of the client. */
  emitResponse(type: string, response: Buffer): void {
    const number = this.#number++
    if (this.write === undefined) return
    const start = Buffer.from(`event: ${type}\ndata: {"type":"${type}","response":`)
    this.write(Buffer.concat([start, response, Buffer.from(`,"sequence_number":${number}}\n\n`)]))
  }

  /** The last events of a stream that the provider has ended with an error. */
  emitFailure(fields: ErrorFields, identity: ResponseIdentity, output: readonly object[]): void {
    this.write?.(failureEvents(fields, this.#number, identity, output))
    this.#number += 2
  }

  #send(type: string, json: string): void {
    this.write!(Buffer.from(`event: ${type}\ndata: ${json}\n\n`))
  }
}
