// The official `openai` client on the other JSON routes: embeddings, responses, moderations, images, speech, models.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'

import OpenAI from 'openai'

import { content, json, stream } from '../support/upstream-script.ts'
import { startWithClient } from './openai-client.ts'
import { providerModel } from '../support/gateway-config.ts'

test('embeddings asked for as floats come as the provider wrote them', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const body = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-1e-7,1.0]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}`
  upstream.respond(content(200, 'application/json', body))

  const answer = openai.embeddings.create({
    model: 'renamed',
    input: ['eins', 'zwei'],
    encoding_format: 'float',
  })
  const raw = await answer.asResponse()

  assert.equal(await raw.text(), body)
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/embeddings')
  assert.equal(request.body.toString(), sent[0]!.body.toString().replace('renamed', providerModel))
})

test('embeddings in base64, which the SDK asks for by itself, become the floats that were meant', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const floats = Float32Array.of(0.5, -0.25, 3)
  const embedding = Buffer.from(floats.buffer).toString('base64')
  upstream.respond(
    json(200, {
      object: 'list',
      data: [{ object: 'embedding', index: 0, embedding }],
      model: 'm',
      usage: { prompt_tokens: 1, total_tokens: 1 },
    }),
  )

  const answer = await openai.embeddings.create({ model: 'plain', input: 'eins' })

  assert.deepEqual(answer.data[0]?.embedding, [0.5, -0.25, 3])
  const { body } = await upstream.nextRequest()
  assert.equal(JSON.parse(body.toString()).encoding_format, 'base64')
  assert.deepEqual(body, sent[0]!.body)
})

const response = {
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status: 'completed',
  model: 'm',
  output: [
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'Guten Tag', annotations: [] }],
    },
  ],
  usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
}

test('a whole response gives its text', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  upstream.respond(json(200, response))

  const answer = await openai.responses.create({ model: 'plain', input: 'Hallo', instructions: 'Be kind.' })

  assert.equal(answer.output_text, 'Guten Tag')
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/responses')
  assert.deepEqual(request.body, sent[0]!.body)
})

test('a streamed response gives its typed events in order and ends with the last of them', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 }
  const events = [
    { type: 'response.created', response: { ...response, status: 'in_progress', output: [] } },
    { type: 'response.output_text.delta', ...place, delta: 'Guten' },
    { type: 'response.output_text.delta', ...place, delta: ' Tag' },
    { type: 'response.completed', response },
  ].map((event, index) => ({ ...event, sequence_number: index }))
  const body = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  upstream.respond(stream(body, { splitAt: [17, 300, 301] }))

  const answer = await openai.responses.create({ model: 'plain', input: 'Hallo', stream: true })
  const seen: string[] = []
  let text = ''
  for await (const event of answer) {
    seen.push(event.type)
    if (event.type === 'response.output_text.delta') text += event.delta
  }

  assert.deepEqual(
    seen,
    events.map((event) => event.type),
  )
  assert.equal(text, 'Guten Tag')
  assert.deepEqual((await upstream.nextRequest()).body, sent[0]!.body)
})

test('moderations pass', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const results = [{ flagged: true, categories: { violence: true }, category_scores: { violence: 0.99 } }]
  upstream.respond(json(200, { id: 'modr-1', model: 'm', results }))

  const answer = await openai.moderations.create({ model: 'plain', input: ['a', 'b'] })

  assert.deepEqual(answer.results, results)
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/moderations')
  assert.deepEqual(request.body, sent[0]!.body)
})

test('a generated image of 2 MB arrives bit by bit the same', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const image = randomBytes(2_000_000)
  upstream.respond(json(200, { created: 1, data: [{ b64_json: image.toString('base64') }] }))

  const answer = await openai.images.generate({ model: 'plain', prompt: 'a cat', n: 1, size: '1024x1024' })

  assert.ok(Buffer.from(answer.data?.[0]?.b64_json ?? '', 'base64').equals(image))
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/images/generations')
  assert.deepEqual(request.body, sent[0]!.body)
})

test('speech comes as the bytes and the media type that the provider sent', async (t) => {
  const { openai, sent, upstream } = await startWithClient(t)
  const audio = randomBytes(300_000)
  upstream.respond(stream(audio, { contentType: 'audio/mpeg', splitAt: [1, 4_096, 200_001] }))

  const answer = await openai.audio.speech.create({ model: 'plain', voice: 'alloy', input: 'Guten Tag' })

  assert.equal(answer.headers.get('content-type'), 'audio/mpeg')
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(audio))
  const request = await upstream.nextRequest()
  assert.equal(request.target, '/v1/audio/speech')
  assert.deepEqual(request.body, sent[0]!.body)
})

test('the list of models holds names and aliases, and asks no provider', async (t) => {
  const { openai, upstream } = await startWithClient(t)

  const ids: string[] = []
  for await (const model of openai.models.list()) ids.push(model.id)

  assert.deepEqual(ids.toSorted(), ['llama3.1:8b', 'plain', 'renamed', 'short'])
  assert.equal(upstream.requests.length, 0)
})

for (const id of ['llama3.1:8b', 'short', 'open/vendor/deep-model:7b']) {
  test(`the model ${id} can be retrieved by its name`, async (t) => {
    const { openai, gateway } = await startWithClient(t)

    const model = await openai.models.retrieve(id)

    assert.equal(model.id, id)
    assert.equal(model.object, 'model')
    // Other clients leave the colon and the slashes as they are.
    const plain = await fetch(`${gateway.url}/v1/models/${id}`)
    assert.deepEqual(await plain.json(), { ...model })
  })
}

test('a model that is not there is a NotFoundError', async (t) => {
  const { openai } = await startWithClient(t)
  await assert.rejects(openai.models.retrieve('open'), OpenAI.NotFoundError)
})
