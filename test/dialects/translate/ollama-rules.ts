// What a client of Ollama's own API may receive: lines of JSON of which the last one is done, or reports an error.
import assert from 'node:assert/strict'
import { isObject, type JsonObject, membersOf, parseJson } from '../../../src/bytes/json/parse.ts'

export type OllamaForm = 'ollama_chat' | 'ollama_generate'

export interface ReadLines {
  readonly text: string
  readonly error: string | undefined
  readonly hasEnd: boolean
}

/** @throws AssertionError for the first rule that is broken. A stream may lack its end, but only whole lines are read. */
export function readLines(form: OllamaForm, stream: string): ReadLines {
  let text = ''
  let error: string | undefined
  let hasEnd = false
  for (const line of stream.split('\n').slice(0, -1)) {
    assert.ok(!hasEnd && error === undefined, `nothing follows the end: ${line}`)
    const members = parseJson(Buffer.from(line))
    assert.ok(isObject(members), `a line is an object: ${line}`)
    if (members['error'] !== undefined) {
      assert.equal(typeof members['error'], 'string', line)
      error = members['error'] as string
      continue
    }
    text += readAnswer(form, members)
    assert.equal(typeof members['done'], 'boolean', line)
    hasEnd = members['done'] === true
    assert.equal(typeof members['done_reason'], hasEnd ? 'string' : 'undefined', line)
  }
  return { text, error, hasEnd }
}

/** @throws AssertionError if the object is neither a line nor a whole answer. @returns what the model says in it. */
export function readAnswer(form: OllamaForm, members: JsonObject): string {
  const seen = JSON.stringify(members).slice(0, 300)
  assert.equal(typeof members['model'], 'string', seen)
  assert.ok(Date.parse(String(members['created_at'])) > 0, seen)
  const said = form === 'ollama_chat' ? membersOf(members['message']) : members
  if (form === 'ollama_chat') assert.equal(said['role'], 'assistant', seen)
  const { content, response, thinking, tool_calls: calls } = said
  const text = form === 'ollama_chat' ? content : response
  assert.equal(typeof text, 'string', seen)
  assert.ok(thinking === undefined || typeof thinking === 'string', seen)
  assert.ok(calls === undefined || (Array.isArray(calls) && calls.every(isCall)), seen)
  return text as string
}

function isCall(call: unknown): boolean {
  const { name, arguments: args } = membersOf(membersOf(call)['function'])
  return typeof name === 'string' && isObject(args)
}
