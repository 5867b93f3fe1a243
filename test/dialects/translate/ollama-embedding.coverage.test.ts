// The tables of what the translations of Ollama's embeddings carry, against what they do.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  embedCoverage,
  embeddingsCoverage,
} from '../../../src/dialects/translate/ollama_embedding/coverage.ts'
import type { Coverage } from '../../../src/dialects/coverage.ts'
import type { Translation } from '../../../src/dialects/translator.ts'
import { type CoveredWay, mark, type RequestSamples, testRequests, translate } from './coverage.ts'

const embed = { dialect: 'ollama_embed', way: 'ollama_embedding', request: { input: ['Hi'] }, streamed: {} }
const embeddings = {
  dialect: 'ollama_embeddings',
  way: 'ollama_embeddings_embedding',
  request: { prompt: 'Hi' },
  streamed: {},
}
const shared: RequestSamples = {
  options: { request: { options: { num_ctx: mark } } },
  keep_alive: { request: { keep_alive: mark } },
}

describe('of a request to /api/embed', () => {
  testRequests(embed, embedCoverage.request, {
    model: { request: {}, sends: 'provider-model' },
    input: { request: { input: [mark] } },
    dimensions: { request: { dimensions: 77 }, sends: '"dimensions":77' },
    truncate: { request: { truncate: mark } },
    ...shared,
  })
})

describe('of a request to /api/embeddings', () => {
  testRequests(embeddings, embeddingsCoverage.request, {
    model: { request: {}, sends: 'provider-model' },
    prompt: { request: { prompt: mark } },
    ...shared,
  })
})

/** For each member of a response what a body has of it, and what the client gets. */
const bodies: Readonly<Record<string, readonly [more: object, returned: string]>> = {
  model: [{ model: mark }, '"model":"m"'],
  'data.embedding': [{}, '[0.5,1e-7]'],
  usage: [{ usage: { prompt_tokens: 1234 } }, '"prompt_eval_count":1234'],
  error: [{ error: { message: mark } }, mark],
  id: [{ id: mark }, mark],
}

function testBodies(way: CoveredWay, members: Coverage['response']): void {
  for (const [member, [carriage]] of Object.entries(members)) {
    test(`${member} is ${carriage}`, () => {
      const [more, returned] = bodies[member]!
      const { response } = translate(way, {}) as Translation
      const body = Buffer.from(JSON.stringify({ data: [{ embedding: [0.5, 1e-7] }], ...more }))
      const head = { status: 400, headers: {} }
      const written =
        member === 'error' ? response!.error(head, body, 'req') : response!.whole(body, undefined, () => {})
      assert.ok(Buffer.isBuffer(written))
      assert.equal(written.includes(returned), carriage !== 'dropped', written.toString())
    })
  }
}

describe('of a response for /api/embed', () => testBodies(embed, embedCoverage.response))
describe('of a response for /api/embeddings', () => testBodies(embeddings, embeddingsCoverage.response))
