// Reads a chat stream as the strictest clients do: chunks of one response and one choice, calls in their order, one finish.
import assert from 'node:assert/strict'

interface Chunk {
  readonly id: string
  readonly object: string
  readonly created: number
  readonly model: string
  readonly choices: readonly Choice[]
  readonly usage?: Record<string, unknown> | null
  readonly error?: ChatError
}

interface ChatError {
  readonly message: string
  readonly type: unknown
  readonly code: unknown
}

interface Choice {
  readonly index: number
  readonly delta: {
    readonly content?: string | null
    readonly tool_calls?: readonly CallDelta[]
    readonly [member: string]: unknown
  }
  readonly finish_reason: string | null
}

interface CallDelta {
  readonly index: number
  readonly id?: string
  readonly function: { readonly name?: string; readonly arguments?: string }
}

interface Call {
  readonly id: string
  readonly name: string
  arguments: string
}

export interface ReadChat {
  readonly text: string
  readonly calls: readonly Readonly<Call>[]
  readonly usage: Record<string, unknown> | undefined
  /** Instead of an end. */
  readonly error: ChatError | undefined
  readonly hasEnd: boolean
}

/** @throws AssertionError for the first rule that is broken. A stream may lack its end. */
export function readChat(stream: string): ReadChat {
  const reader = new Reader()
  const blocks = stream.split('\n\n')
  assert.equal(blocks.pop(), '', 'an event ends with an empty line')
  for (const block of blocks) reader.read(block)
  return reader
}

class Reader implements ReadChat {
  text = ''
  readonly calls: Call[] = []
  usage: Record<string, unknown> | undefined
  error: ChatError | undefined
  hasEnd = false
  #finish: string | undefined
  #first: Chunk | undefined

  /** An event, with the heartbeats before it. */
  read(block: string): void {
    const [, data] = /^(?:: ping\n)*data: ([^\n]*)$/.exec(block) ?? []
    assert.ok(data !== undefined, `not an event: ${block}`)
    assert.ok(!this.hasEnd && this.error === undefined, `${data} after the end`)
    if (data === '[DONE]') {
      this.hasEnd = true
      assert.ok(this.#finish, 'a finish reason comes before the end')
      return
    }
    const chunk = JSON.parse(data) as Chunk
    this.error = chunk.error
    if (chunk.error === undefined) this.#readChunk(chunk)
    else assert.equal(typeof chunk.error.message, 'string')
  }

  #readChunk(chunk: Chunk): void {
    this.#first ??= chunk
    const { id, created, model } = this.#first
    assert.equal(chunk.object, 'chat.completion.chunk')
    assert.deepEqual([chunk.id, chunk.created, chunk.model], [id, created, model])
    assert.ok(chunk.choices.length <= 1)
    assert.equal(this.usage, undefined, 'nothing follows the usage')
    for (const choice of chunk.choices) this.#readChoice(choice)
    if (chunk.usage === undefined || chunk.usage === null) return
    assert.ok(this.#finish, 'the usage follows the finish')
    this.usage = chunk.usage
    const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = chunk.usage
    for (const count of [prompt, completion, total]) assert.ok(Number.isSafeInteger(count), 'tokens')
  }

  #readChoice({ index, delta, finish_reason: reason }: Choice): void {
    assert.equal(index, 0, 'there is one choice')
    assert.equal(this.#finish, undefined, 'nothing follows the finish')
    if (typeof delta.content === 'string') this.text += delta.content
    else assert.ok(delta.content === undefined || delta.content === null, 'a text is a text')
    for (const call of delta.tool_calls ?? []) this.#readCall(call)
    this.#finish = reason ?? undefined
  }

  #readCall({ index, id, function: called }: CallDelta): void {
    assert.ok(index <= this.calls.length, 'indexes of calls have no gaps')
    if (index === this.calls.length) {
      assert.ok(id && called.name, 'a call has its id and its name from the start')
      this.calls.push({ id, name: called.name, arguments: '' })
    } else assert.ok(id === undefined || id === this.calls[index]!.id, 'a call keeps its id')
    const { arguments: text = '' } = called
    assert.equal(typeof text, 'string')
    this.calls[index]!.arguments += text
  }
}
