// Chunks that become one body, and a body that becomes chunks.
import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { chatReshape } from '../../../../src/dialects/openai/reshape/choices.ts'

function eventOf(data: object): Buffer {
  return Buffer.from(`data: ${JSON.stringify(data)}\n\n`)
}

function ignore(): void {}

function assemble(...events: readonly object[]): unknown {
  const assembly = chatReshape.assemble!()
  for (const event of events) assert.equal(assembly.event(eventOf(event), ignore), undefined)
  const end = assembly.end()
  assert.ok(Buffer.isBuffer(end), String(end))
  return JSON.parse(end.toString())
}

const said = { choices: [{ index: 0, delta: { role: 'assistant', content: 'a' }, finish_reason: null }] }

suite('chunks that become one body', () => {
  test('are copied once, however many objects they have', (t) => {
    const members = Array.from({ length: 200 }, (_, at) => [`member${at}`, { text: 'x'.repeat(500) }])
    const chunk = { ...Object.fromEntries(members), ...said }
    const event = eventOf(chunk)
    const assembly = chatReshape.assemble!()
    const { mock } = t.mock.method(Buffer, 'from')
    assert.equal(assembly.event(event, ignore), undefined)
    const copiedBytes = mock.calls.reduce((sum, { result }) => sum + (result?.length ?? 0), 0)
    assert.ok(copiedBytes <= 2 * event.length, `${copiedBytes} of ${event.length}`)
    const whole = assembly.end()
    assert.ok(Buffer.isBuffer(whole))
    assert.deepEqual(JSON.parse(whole.toString()), {
      ...Object.fromEntries(members),
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content: 'a' }, finish_reason: null }],
    })
  })

  test('hold what was kept of them, not the chunks', () => {
    const assembly = chatReshape.assemble!()
    const event = Buffer.from(
      'data: {"a":{"n":1.50},"b":[2.0],"choices":[{"index":0,"delta":{"content":"c"}}]}\n\n',
    )
    assembly.event(event, ignore)
    event.fill(0)
    assert.equal(
      String(assembly.end()),
      '{"a":{"n":1.50},"b":[2.0],"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"c"}}]}',
    )
  })

  test('repeat their members without holding more', () => {
    const assembly = chatReshape.assemble!()
    const event = eventOf({ timings: { text: 'x'.repeat(20_000) }, id: 'y'.repeat(20_000), ...said })
    for (let count = 0; count < 1_000; count += 1) assert.equal(assembly.event(event, ignore), undefined)
    assert.ok(Buffer.isBuffer(assembly.end()))
  })

  test('continue a tool call that the first chunk has begun', () => {
    const calls = (arguments_: string) => ({
      choices: [{ index: 0, delta: { tool_calls: [{ index: 0, function: { arguments: arguments_ } }] } }],
    })
    assert.deepEqual(assemble(calls('{'), calls('}')), {
      object: 'chat.completion',
      choices: [
        {
          index: 0,
          message: { role: 'assistant', content: '', tool_calls: [{ function: { arguments: '{}' } }] },
        },
      ],
    })
  })
})

test('a body that would become far longer chunks is no response', () => {
  const choices = Array.from({ length: 2_000 }, () => ({ message: { content: '' } }))
  const body = { id: 'x'.repeat(100_000), choices }
  assert.equal(chatReshape.toEvents(body, true, Buffer.from(JSON.stringify(body))), undefined)
  const short = { ...body, id: 'x' }
  assert.ok(chatReshape.toEvents(short, true, Buffer.from(JSON.stringify(short))))
})
