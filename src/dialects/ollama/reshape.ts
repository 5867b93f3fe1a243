// Responses of Ollama's own API in their other form.
import { type JsonObject, membersOf } from '../../bytes/json/parse.ts'
import type { Reshape, ResponseTranslation } from '../translator.ts'
import { framingOf } from '../framing.ts'

/** Of a stream there is only the other form for what Ollama answers whole although it was asked for a stream: that it has loaded. */
export const ollamaReshape: Reshape = {
  toEvents: (value, _, body) => (hasModel(membersOf(value)) ? new OneLine(body) : undefined),
}

function hasModel({ model }: JsonObject): boolean {
  return typeof model === 'string'
}

const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

/** A whole response as the only line of a stream. */
class OneLine implements ResponseTranslation {
  readonly #line: Buffer

  constructor(body: Buffer) {
    this.#line = Buffer.alloc(body.length + 1, LF)
    // Outside of strings a line end is white space, and in a string there is none.
    for (let at = 0; at < body.length; at += 1) {
      const byte = body[at]!
      this.#line[at] = byte === LF || byte === CR ? SPACE : byte
    }
  }

  head(): string {
    return framingOf({ framing: 'ndjson' }).contentType
  }

  event(): undefined {}

  end(): undefined {}

  whole(_: Buffer, __: unknown, write: (bytes: Buffer) => void): undefined {
    write(this.#line)
  }

  error(_: unknown, body: Buffer): Buffer {
    return body
  }

  heartbeat(): Buffer {
    return Buffer.alloc(0)
  }
}
