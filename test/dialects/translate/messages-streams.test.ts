// Every stream for clients of Messages, read by Anthropic's own SDK and by stricter rules, against the whole response that
// the same chunks make.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import type { ModelRequest } from '../../../src/dialects/request.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { readMessage } from './messages-rules.ts'
import { begin, providerOf, readRequest, readVectors, throughStream, type Vector } from './vector.ts'

const vectors = readVectors(join(import.meta.dirname, 'vectors')).filter(
  ({ way, file }) => way === 'messages_chat' && file('response.sse') !== undefined,
)
/** A stream has the beginning of a call that a whole response leaves out. */
const differing = '22-truncated-call'

/** @param isStream what the client wants, whatever the vector says. */
function translated(
  vector: Vector,
  isStream: boolean,
): Pick<ReturnType<typeof throughStream>, 'bytes' | 'end'> {
  const body = { ...JSON.parse(vector.file('request.json')!), stream: isStream }
  const request = readRequest('messages', JSON.stringify(body)) as ModelRequest
  const { response } = begin(vector, request) as Translation
  const chunks = [Buffer.from(vector.file('response.sse')!)]
  return throughStream({ response: response!, provider: providerOf(vector) }, chunks)
}

/** The message that the SDK puts together. */
async function readBySdk(stream: string): Promise<Anthropic.Message> {
  const answer = () =>
    Promise.resolve(new Response(stream, { headers: { 'content-type': 'text/event-stream' } }))
  const client = new Anthropic({ apiKey: 'none', maxRetries: 0, fetch: answer })
  const messages = [{ role: 'user', content: 'Hello' }] as const
  return await client.messages.stream({ model: 'm', max_tokens: 9, messages: [...messages] }).finalMessage()
}

/** What both forms of a response have; the SDK adds members of its own. */
function parts({ content, stop_reason, stop_sequence, usage }: Omit<Anthropic.Message, 'id'>): object {
  const { input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens } = usage
  return {
    content: content.map((block) => ({ ...block })),
    stop: [stop_reason, stop_sequence],
    usage: [input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens],
  }
}

describe('a Messages stream', () => {
  for (const vector of vectors) {
    const { bytes } = translated(vector, true)
    const { end } = translated(vector, false)
    const whole =
      Buffer.isBuffer(end) && vector.name !== differing
        ? (JSON.parse(end.toString()) as Anthropic.Message)
        : undefined

    test(`${vector.name} keeps the rules`, () => {
      const read = readMessage(bytes) as unknown as Anthropic.Message
      if (whole !== undefined) assert.deepEqual(parts(read), parts(whole))
    })

    if (whole === undefined) continue
    test(`${vector.name} is read by the SDK as the whole response`, async () => {
      assert.deepEqual(parts(await readBySdk(bytes)), parts(whole))
    })
  }

  test('stays the same to the SDK with heartbeats before, within and between its blocks', async () => {
    const vector = vectors.find(({ name }) => name === '16-empty-texts-around-a-call')!
    const body = { ...JSON.parse(vector.file('request.json')!), stream: true }
    const { response } = begin(
      vector,
      readRequest('messages', JSON.stringify(body)) as ModelRequest,
    ) as Translation
    const written: Buffer[] = []
    const write = (bytes: Buffer) => void written.push(bytes)
    response!.head({ status: 200, headers: {} })
    for (const event of vector.file('response.sse')!.split(/(?<=\n\n)/)) {
      response!.event(Buffer.from(event), write)
      if (!event.includes('[DONE]')) written.push(response!.heartbeat())
    }
    response!.end(write)
    const stream = Buffer.concat(written).toString()
    assert.equal(stream.match(/"partial_json":""/g)?.length, 5)
    assert.deepEqual(
      parts(await readBySdk(stream)),
      parts(readMessage(stream) as unknown as Anthropic.Message),
    )
    assert.deepEqual(parts(readMessage(stream) as unknown as Anthropic.Message), {
      content: [{ type: 'tool_use', id: 'call_1', name: 'look', input: { at: 'x' } }],
      stop: ['tool_use', null],
      usage: [20, 4, 0, 0],
    })
  })

  test('with an error of the provider fails in the SDK with its message', async () => {
    const vector = vectors.find(({ name }) => name === '25-error-after-text')!
    await assert.rejects(readBySdk(translated(vector, true).bytes), (error) => {
      assert.ok(error instanceof Anthropic.APIError)
      assert.match(error.message, /rate_limit_error.*Slow down\./)
      return true
    })
  })
})
