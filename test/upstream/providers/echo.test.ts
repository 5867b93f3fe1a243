import assert from 'node:assert/strict'
import { test } from 'node:test'

import { createEcho } from '../../../src/upstream/providers/echo.ts'

/** What it answers. */
function ask(
  body: string,
  path = '/chat/completions',
  isStream = false,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    let status = 0
    let text = ''
    createEcho('echo').send(
      {
        path,
        query: '',
        headers: [],
        body: Buffer.from(body),
        contentType: 'application/json',
        isStream,
        requestId: 'r1',
      },
      {
        onHead(head) {
          status = head.status
        },
        onData(chunk) {
          text += chunk.toString()
        },
        onEnd: () => resolve({ status, text }),
        onFailure: ({ detail }) => reject(new Error(detail)),
      },
    )
  })
}

for (const messages of ['{}', '"hi"', '5', 'null', '[]', '[null]', '[5]', '[{"content":5}]', '[[]]']) {
  test(`messages of ${messages} are answered with nothing`, async () => {
    const { status, text } = await ask(`{"model":"echo","messages":${messages}}`)

    assert.equal(status, 200)
    assert.equal(JSON.parse(text).choices[0].message.content, '')
  })
}

test('a content nested as deep as a request may be is answered', async () => {
  const deep = `${'['.repeat(9_990)}"hi"${']'.repeat(9_990)}`

  assert.equal((await ask(`{"model":"echo","input":${deep}}`)).status, 200)
})

test('embeddings are answered whole, whatever the request says of a stream', async () => {
  const { status, text } = await ask('{"model":"echo","input":"a b","stream":true}', '/embeddings', true)

  assert.equal(status, 200)
  assert.deepEqual(JSON.parse(text).data[0].embedding, [2])
})

test('the tokens of a prompt are its words', async () => {
  const { status, text } = await ask('{"model":"echo","input":"a b"}', '/responses/input_tokens')

  assert.deepEqual([status, text], [200, '{"object":"response.input_tokens","input_tokens":2}'])
})
