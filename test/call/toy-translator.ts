// A format of clients that no provider speaks, and its way to chat: small, and with all that a translator may do. A request
// is `{"model","say"}`, a response `{"shout","tokens"}`, a stream `data: TEXT` events up to `data: .TOKENS`.
import type { ClientDialect } from '../../src/dialects/dialect.ts'
import { type Dialects, dialects as allDialects } from '../../src/dialects/table.ts'
import type {
  ResponseTranslation,
  TranslatedEnd,
  TranslatedStep,
  Translator,
} from '../../src/dialects/translator.ts'
import { GatewayError } from '../../src/errors.ts'
import { encodeEvent, eventData } from '../../src/bytes/sse.ts'

const chat = [...allDialects.keys()].find(({ name }) => name === 'chat')!

const shout: ClientDialect = {
  ...chat,
  name: 'shout',
  path: '/shout',
  native: {
    ...chat.native,
    name: 'shout',
    path: '/shout',
    readErrorFields: (body) => ({ ...JSON.parse(body.toString()), type: null, param: null, code: null }),
  },
  ownEvents: () => ({
    sent() {},
    heartbeat: () => Buffer.from(': hush\n\n'),
    error: ({ message }) => encodeEvent({ data: `!${message}` }),
  }),
  renderError({ status, message, code, headers }) {
    const body = json({ message })
    const own = [
      'content-type',
      'application/json',
      'x-llm-gateway-error',
      code,
      ...Object.entries(headers).flat(),
    ]
    return { status, headers: [...own, 'content-length', String(body.length)], body }
  },
}

/** Drops `nod`. Refuses requests that `whisper`, and targets whose model is `deaf`. */
const shoutToChat: Translator = {
  way: 'shout_chat',
  provider: chat.native,
  mayAskUsage: ({ isStream }) => isStream,
  begin(request, { model, asksUsage }) {
    const received = request.bodyFor(model, false)
    const { say, whisper, stream, nod } = JSON.parse((received as Buffer).toString())
    if (whisper === true || model === 'deaf') {
      return new GatewayError('not_translatable', `${model} cannot hear "whisper".`, { param: 'whisper' })
    }
    const messages = [{ role: 'user', content: say }]
    const more = asksUsage && { stream_options: { include_usage: true } }
    const body = json({ model, messages, stream, ...more })
    const dropped = nod === undefined ? [] : ['nod']
    return { contentType: 'application/json', body, dropped, response: new ShoutResponse(request.isStream) }
  },
}

/** The formats of the product, and this one. */
export const dialects: Dialects = new Map([...allDialects, [shout, [shoutToChat]]])

/** The format, but no way from it. */
export const withoutWay: Dialects = new Map([[shout, []]])

interface Chunk {
  readonly choices?: readonly { readonly delta?: Content; readonly message?: Content }[]
  readonly usage?: { readonly total_tokens: number } | null
  readonly error?: { readonly message: string }
}

interface Content {
  readonly content?: string
}

class ShoutResponse implements ResponseTranslation {
  readonly #isStream: boolean
  #said = ''
  #tokens = 0

  constructor(isStream: boolean) {
    this.#isStream = isStream
  }

  head(): string {
    return this.#isStream ? 'text/event-stream; charset=utf-8' : 'application/json'
  }

  event(event: Buffer, write: (bytes: Buffer) => void): TranslatedStep {
    const data = eventData(event)!.toString()
    if (data === '[DONE]') return 'over'
    const { choices, usage, error } = JSON.parse(data) as Chunk
    this.#tokens = usage?.total_tokens ?? this.#tokens
    if (error !== undefined) {
      if (this.#isStream) write(encodeEvent({ data: `!${error.message}` }))
      return 'failed'
    }
    this.#say(choices?.[0]?.delta?.content, write)
    return undefined
  }

  end(write: (bytes: Buffer) => void): TranslatedEnd {
    if (this.#said === '') return new GatewayError('provider_bad_response', 'Nothing was said.')
    if (!this.#isStream) return json({ shout: this.#said, tokens: this.#tokens })
    write(encodeEvent({ data: `.${this.#tokens}` }))
    return undefined
  }

  whole(body: Buffer, value: unknown, write: (bytes: Buffer) => void): TranslatedEnd {
    const { choices, usage } = (value ?? JSON.parse(body.toString())) as Chunk
    this.#tokens = usage?.total_tokens ?? 0
    this.#say(choices?.[0]?.message?.content, write)
    return this.end(write)
  }

  error(_: unknown, body: Buffer): Buffer {
    return json({ message: chat.native.readErrorFields(body)?.message ?? 'nobody knows' })
  }

  heartbeat(): Buffer {
    return Buffer.from('data: ~\n\n')
  }

  /** One event for each word, so that a turn may have several. */
  #say(text: string | undefined, write: (bytes: Buffer) => void): void {
    const loud = text?.toUpperCase() ?? ''
    this.#said += loud
    if (!this.#isStream) return
    for (const data of loud.split(' ').filter(Boolean)) write(encodeEvent({ data }))
  }
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}
