// The small pieces that translations share.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isContextOverflow } from '../../../src/dialects/context-overflow.ts'
import { dataUrl, readDataUrl } from '../../../src/dialects/translate/content.ts'
import { openAiErrorType } from '../../../src/dialects/translate/errors.ts'
import { ThinkTags } from '../../../src/dialects/translate/think-tags.ts'
import { shortToolName, ToolNames } from '../../../src/dialects/translate/tool-names.ts'
import { encodeJson } from '../../../src/bytes/json/encode.ts'
import { viewJson } from '../../../src/bytes/json/view.ts'

describe('tool names', () => {
  test('stay as they are where chat allows them', () => {
    for (const name of ['f', 'a-b_C9', 'x'.repeat(64)]) assert.equal(shortToolName(name), name)
  })

  test('become short and different where it does not', () => {
    const long = `mcp__${'x'.repeat(120)}`
    assert.match(shortToolName(`${long}1`), /^mcp__x{50}_[0-9a-f]{8}$/)
    assert.notEqual(shortToolName(`${long}1`), shortToolName(`${long}2`))
    assert.match(shortToolName('read.file ü'), /^read_file___[0-9a-f]{8}$/)
  })

  test('come back as the client wrote them', () => {
    const names = new ToolNames()
    const short = names.toProvider('read.file')
    assert.equal(names.toProvider('read.file'), short)
    assert.equal(names.toClient(short), 'read.file')
    assert.equal(names.toClient('other'), 'other')
  })
})

describe('a data URL', () => {
  const view = (value: unknown) =>
    viewJson(Buffer.from(JSON.stringify({ value })))
      .members()
      .get('value')!

  test('is put together from its parts', () => {
    const bytes = Buffer.concat(encodeJson(dataUrl(view('image/png'), view('QUJD'))))
    assert.equal(bytes.toString(), '"data:image/png;base64,QUJD"')
  })

  test('is taken apart', () => {
    const parts = (value: unknown) => {
      const read = readDataUrl(view(value))
      return read && [read.mediaType, read.isBase64, read.data.toString()]
    }
    assert.deepEqual(parts('data:image/PNG;base64,QUJD'), ['image/png', true, 'QUJD'])
    assert.deepEqual(parts('data:text/plain;charset=utf-8,a%20b'), ['text/plain', false, 'a%20b'])
    assert.deepEqual(parts('data:,x'), ['', false, 'x'])
    for (const other of ['https://example.org/a,b', 'data:image/png', '', 7])
      assert.equal(parts(other), undefined)
    const escaped = viewJson(Buffer.from('{"value":"data:image\\/png;base64,QU\\/D"}'))
    assert.equal(readDataUrl(escaped.members().get('value')!)?.data.toString(), 'QU\\/D')
  })
})

describe('errors', () => {
  test('have the type of their status', () => {
    assert.deepEqual([400, 401, 403, 404, 429, 500].map(openAiErrorType), [
      'invalid_request_error',
      'authentication_error',
      'permission_error',
      'invalid_request_error',
      'rate_limit_error',
      'server_error',
    ])
  })

  test('about the context are recognized by code, type or words', () => {
    const fields = { message: 'no', type: null, param: null, code: null }
    const overflows = [
      { ...fields, code: 'context_length_exceeded' },
      { ...fields, type: 'exceed_context_size_error' },
      { ...fields, message: "This model's maximum context length is 8192 tokens." },
      { ...fields, message: 'the request exceeds the available context size, try increasing it' },
      { ...fields, message: 'prompt is too long: 9000 tokens > 8192 maximum' },
    ]
    for (const error of overflows) assert.ok(isContextOverflow(error), error.message)
    assert.ok(!isContextOverflow({ ...fields, message: 'The name of the tool is too long.' }))
  })
})

describe('think tags', () => {
  const split = (pieces: readonly string[]) => {
    const tags = new ThinkTags()
    const found: [string, string][] = []
    const add = (kind: string) => (text: string) => {
      if (found.at(-1)?.[0] === kind) found.at(-1)![1] += text
      else found.push([kind, text])
    }
    const sink = { reasoning: add('reasoning'), text: add('text') }
    for (const piece of pieces) tags.push(piece, sink)
    tags.flush(sink)
    return found
  }

  const cases: readonly (readonly [string, [string, string][]])[] = [
    [
      '\n<think>a</thin b</think>\n\nSo <think>c</think>',
      [
        ['reasoning', 'a</thin b'],
        ['text', 'So <think>c</think>'],
      ],
    ],
    ['no tag', [['text', 'no tag']]],
    ['<thin', [['text', '<thin']]],
    ['<think>never closed</th', [['reasoning', 'never closed</th']]],
    ['<think></think>x', [['text', 'x']]],
    ['', []],
  ]
  for (const [text, expected] of cases) {
    test(`in ${JSON.stringify(text)} are found wherever it is cut`, () => {
      assert.deepEqual(split([text]), expected)
      assert.deepEqual(split(Array.from(text)), expected)
      for (let at = 1; at < text.length; at += 1) {
        assert.deepEqual(split([text.slice(0, at), text.slice(at)]), expected)
      }
    })
  }
})
