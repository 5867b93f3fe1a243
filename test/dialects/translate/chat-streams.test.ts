// The chat streams that the vectors hold, as OpenAI's SDK puts them together: the same as the whole answer.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import OpenAI from 'openai'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { begin, providerOf, readRequest, readVectors, throughStream, type Vector } from './vector.ts'

const vectors = readVectors(join(import.meta.dirname, 'vectors')).filter(
  (vector) => vector.dialect === 'chat' && (vector.file('returned.sse') ?? '') !== '',
)

/** The same answer for a client that wants it whole. */
function wholeAnswer(vector: Vector): OpenAI.ChatCompletion {
  const body = { ...JSON.parse(vector.file('request.json')!), stream: false }
  const request = readRequest('chat', JSON.stringify(body)) as ModelRequest
  const response = (begin(vector, request) as Translation).response!
  const stream = vector.file('response.sse')
  const end =
    stream === undefined
      ? response.whole(Buffer.from(vector.file('response.json')!), undefined, () => {})
      : throughStream({ response, provider: providerOf(vector) }, [Buffer.from(stream)]).end
  return JSON.parse((end as Buffer).toString())
}

function read(stream: string): Promise<OpenAI.ChatCompletion> {
  const headers = { 'content-type': 'text/event-stream' }
  const fetch = () => Promise.resolve(new Response(stream, { headers }))
  const openai = new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:9/v1', fetch, maxRetries: 0 })
  return openai.chat.completions
    .stream({ model: 'm', messages: [{ role: 'user', content: 'hi' }] })
    .finalChatCompletion()
}

/** What the SDK knows of a message. */
function partsOf({ id, model, created, choices }: OpenAI.ChatCompletion): object {
  const [{ message, finish_reason: finish }] = choices as [OpenAI.ChatCompletion.Choice]
  const calls = message.tool_calls?.map(
    (call) => call.type === 'function' && { ...call.function, id: call.id },
  )
  // A stream begins with an empty text.
  return { id, model, created, finish, content: message.content ?? '', calls }
}

describe('a chat stream', () => {
  for (const vector of vectors) {
    const stream = vector.file('returned.sse')!
    const isWhole = stream.endsWith('data: [DONE]\n\n')
    test(`${vector.name} is ${isWhole ? 'the same answer' : 'not taken for a whole one'}`, async () => {
      if (!isWhole) return assert.rejects(read(stream))
      const [streamed, once] = [await read(stream), wholeAnswer(vector)]
      assert.deepEqual(partsOf(streamed), partsOf(once))
      if (stream.includes('"usage"')) assert.deepEqual(streamed.usage, once.usage)
    })
  }
})
