// The streams of the Responses API that the vectors hold, as their clients read them: by Codex's rules and by the accumulator
// of OpenAI's SDK.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import OpenAI from 'openai'
import { GatewayError } from '../../../src/errors.ts'
import { readAsCodex } from './codex-rules.ts'
import {
  begin,
  clientDialect,
  providerOf,
  readRequest,
  readVectors,
  throughStream,
  type Vector,
} from './vector.ts'

const vectors = readVectors(join(import.meta.dirname, 'vectors')).filter(
  (vector) => vector.dialect === 'response' && vector.file('returned.sse') !== undefined,
)

/** With the error that the gateway adds where a translation fails. */
function wholeStream(vector: Vector): string {
  const stream = vector.file('returned.sse')!
  const failed = vector.file('failed.json')
  if (failed === undefined) return stream
  const own = clientDialect('response').ownEvents('r')
  own.sent(Buffer.from(stream))
  const { code, message } = JSON.parse(failed)
  return stream + own.error(new GatewayError(code, message)).toString()
}

/** The same response for a client that wants it whole. */
function wholeResponse(vector: Vector): unknown {
  const body = { ...JSON.parse(vector.file('request.json')!), stream: false }
  const request = readRequest('response', JSON.stringify(body))
  if (request instanceof GatewayError) throw request
  const translation = begin(vector, request)
  if (translation instanceof GatewayError) throw translation
  const response = translation.response!
  const stream = vector.file('response.sse')
  if (stream !== undefined) {
    const { bytes, end } = throughStream({ response, provider: providerOf(vector) }, [Buffer.from(stream)])
    assert.equal(bytes, '')
    return JSON.parse((end as Buffer).toString())
  }
  response.head({ status: 200, headers: {} })
  return JSON.parse(
    (response.whole(Buffer.from(vector.file('response.json')!), undefined, () => {}) as Buffer).toString(),
  )
}

function clientOf(stream: string): OpenAI {
  const headers = { 'content-type': 'text/event-stream' }
  const fetch = () => Promise.resolve(new Response(stream, { headers }))
  return new OpenAI({ apiKey: 'none', baseURL: 'http://127.0.0.1:9/v1', fetch, maxRetries: 0 })
}

describe('a stream of the Responses API', () => {
  for (const vector of vectors) {
    const stream = wholeStream(vector)
    test(`${vector.name} breaks no rule of Codex`, () => {
      readAsCodex(stream)
    })

    test(`${vector.name} is the same response to OpenAI's SDK`, async () => {
      const { end } = readAsCodex(stream)
      const reading = clientOf(stream).responses.stream({ model: 'm', input: 'hi' }).finalResponse()
      if (end.type === 'response.failed')
        return assert.rejects(reading, new RegExp(end.response!.error!.message))
      const read = await reading
      const { output_text: _text, output, ...rest } = read as typeof read & { output_parsed?: unknown }
      const { output_parsed: _parsed, ...members } = rest
      const items = output.map((item) => withoutParsed(item))
      assert.deepEqual({ ...members, output: items }, end.response)
      assert.deepEqual(end.response, wholeResponse(vector))
    })
  }
})

/** The SDK adds what it parses. */
function withoutParsed(item: object): object {
  return JSON.parse(
    JSON.stringify(item, (name, value) =>
      name === 'parsed' || name === 'parsed_arguments' ? undefined : value,
    ),
  )
}
