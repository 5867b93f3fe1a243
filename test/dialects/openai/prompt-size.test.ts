// What is counted of a request for the estimate.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { promptMembers, PromptSize } from '../../../src/dialects/openai/prompt-size.ts'
import { scanJson } from '../../../src/bytes/json/scan.ts'
import { MemberNames } from '../../../src/bytes/json/member-names.ts'

const names = new MemberNames(['model', 'n', 'stream'], promptMembers)

function countsOf(body: string): ReturnType<PromptSize['counts']> {
  const size = new PromptSize()
  assert.ok(scanJson(Buffer.from(body), names, size).ok)
  return size.counts()
}

describe('a prompt is counted by', () => {
  const counts = (body: unknown) => countsOf(JSON.stringify(body))
  const none = { textBytes: 0, mediaCount: 0, messageCount: 0, tokenIdCount: 0, promptCount: 1 }

  it('the strings of messages, roles included, and the messages', () => {
    const messages = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: [{ type: 'text', text: 'hé' }] },
    ]
    assert.deepEqual(counts({ model: 'ignored', user: 'ignored', messages }), {
      ...none,
      textBytes: 'system'.length + 'be brief'.length + 'user'.length + 'text'.length + 3,
      messageCount: 2,
    })
  })

  it('names and strings of tool schemas', () => {
    assert.equal(counts({ tools: [{ type: 'function' }] }).textBytes, 12)
    assert.equal(counts({ response_format: { type: 'text' } }).textBytes, 8)
  })

  it('the other members that make up a prompt', () => {
    for (const name of ['prompt', 'input', 'instructions', 'system', 'query', 'documents']) {
      assert.equal(counts({ [name]: 'four' }).textBytes, 4, name)
      assert.equal(counts({ x: { [name]: 'four' } }).textBytes, 0, name)
    }
  })

  it('no data URL and no base64 payload', () => {
    const base64 = 'QUJD'.repeat(100)
    const parts = [
      { image_url: { url: `data:image/png;base64,${base64}` } },
      { input_audio: { data: base64 } },
      { file: { file_data: base64 } },
      { image: [base64, base64] },
    ]
    assert.deepEqual(counts({ messages: [{ content: parts }] }), { ...none, mediaCount: 5, messageCount: 1 })
    const escaped = `{"input":["data:image\\/jpeg;base64,${base64}"]}`
    assert.equal(countsOf(escaped).mediaCount, 1)
  })

  it('as text what only looks like media', () => {
    const prose = 'plain words, and not a payload. '.repeat(20)
    const texts = [`data: {"choices":[]}${prose}`, prose, 'QUJD'.repeat(100)]
    const messages = [{ content: texts[0] }, { data: texts[1] }, { content: texts[2] }]
    const expected = texts.reduce((sum, text) => sum + JSON.stringify(text).length - 2, 0)
    assert.deepEqual(counts({ messages }), { ...none, textBytes: expected, messageCount: 3 })
  })

  it('token ids, flat and one array per prompt', () => {
    assert.deepEqual(counts({ input: [1, 2, 3] }), { ...none, tokenIdCount: 3 })
    assert.deepEqual(counts({ input: [[1, 2], [3]] }), { ...none, tokenIdCount: 3, messageCount: 2 })
    assert.deepEqual(counts({ prompt: [[1, 2], [3]] }), { ...none, tokenIdCount: 3, promptCount: 2 })
    assert.deepEqual(counts({ prompt: [1, 2, 3] }), { ...none, tokenIdCount: 3 })
    assert.deepEqual(counts({ input: [{ a: 1, b: [2] }], x: [3], prompt: 4 }), { ...none, messageCount: 1 })
  })

  it('prompts', () => {
    assert.equal(counts({ prompt: ['a', 'b', 'c'] }).promptCount, 3)
    assert.equal(counts({ prompt: 'a' }).promptCount, 1)
    assert.equal(counts({ prompt: [] }).promptCount, 1)
  })
})
